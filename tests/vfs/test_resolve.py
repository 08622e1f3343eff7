"""Paths under a root: nothing leads out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from errno import EBADF, ELOOP, ENOENT, ENOTDIR, EXDEV
from pathlib import Path

import pytest

from blink.abi import files as f
from blink.abi.errors import SysError
from blink.kernel import host
from blink.vfs.resolve import Root, fd_path, split, where

CREATE = f.O_CREAT | f.O_WRONLY | f.O_CLOEXEC


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A root with files and links, and a secret beside it."""
    (tmp_path / "secret").write_text("secret")
    made = tmp_path / "root"
    (made / "etc").mkdir(parents=True)
    (made / "file").write_text("inside")
    (made / "etc" / "passwd").write_text("guest")
    (made / "absolute").symlink_to("/file")
    (made / "up").symlink_to("../../../../file")
    (made / "out").symlink_to(tmp_path / "secret")
    (made / "out-relative").symlink_to("../secret")
    (made / "etc" / "loop").symlink_to("loop")
    (made / "folder").symlink_to("/etc")
    (made / "magic").symlink_to("/proc/self/root/etc/passwd")
    return made


@pytest.fixture
def root(folder: Path) -> Iterator[Root]:
    fd = os.open(folder, f.O_PATH | f.O_DIRECTORY | f.O_CLOEXEC)
    yield Root(fd)
    os.close(fd)


def read(root: Root, path: bytes, dirfd: int = f.AT_FDCWD) -> str:
    fd = root.open(host.now, dirfd, path, f.O_RDONLY | f.O_CLOEXEC)
    with os.fdopen(fd) as file:
        return file.read()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"/file", "inside"),
        (b"/etc/../file", "inside"),
        (b"/../../../file", "inside"),
        (b"/absolute", "inside"),
        (b"/up", "inside"),
        (b"/folder/passwd", "guest"),
        (b"/etc/passwd", "guest"),
    ],
)
def test_what_lies_inside(root: Root, path: bytes, text: str) -> None:
    assert read(root, path) == text


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (b"/out", ENOENT),
        (b"/out-relative", ENOENT),
        (b"/../secret", ENOENT),
        (b"/magic", ENOENT),
        (b"/file/x", ENOTDIR),
        (b"/etc/loop", ELOOP),
        (b"", ENOENT),
    ],
)
def test_what_does_not(root: Root, path: bytes, error: int) -> None:
    with pytest.raises(SysError) as caught:
        read(root, path)
    assert caught.value.errno == error


def test_relative_paths(root: Root, folder: Path, tmp_path: Path) -> None:
    etc = os.open(folder / "etc", os.O_RDONLY)
    outside = os.open(tmp_path, os.O_RDONLY)
    try:
        assert read(root, b"passwd", etc) == "guest"
        assert read(root, b"../file", etc) == "inside"
        assert read(root, b"../../../../file", etc) == "inside"
        assert read(root, b"/file", etc) == "inside"
        assert read(root, b"secret", outside) == "secret"  # what is open already leads down
        for path in (b"../secret", b"root/../../secret", b"root/out"):
            with pytest.raises(SysError) as caught:
                read(root, path, outside)
            assert caught.value.errno == EXDEV
    finally:
        os.close(etc)
        os.close(outside)


def test_a_bad_descriptor(root: Root) -> None:
    with pytest.raises(SysError) as caught:
        read(root, b"file", 999)
    assert caught.value.errno == EBADF


def test_creation_stays_inside(root: Root, folder: Path, tmp_path: Path) -> None:
    (folder / "dangling").symlink_to(tmp_path / "made-outside")
    with pytest.raises(SysError):  # its folder does not exist inside
        root.open(host.now, f.AT_FDCWD, b"/dangling", CREATE, 0o600)
    (folder / "dangling2").symlink_to("/made")
    os.close(root.open(host.now, f.AT_FDCWD, b"/dangling2", CREATE, 0o640))
    assert not (tmp_path / "made-outside").exists()
    assert (folder / "made").stat().st_mode & 0o777 == 0o640


def translated(root: Root, path: bytes, follow: bool) -> tuple[bytes, str]:
    """The translation with its descriptor's number cut out, and the name that it leads to."""
    opened: list[int] = []
    try:
        made = root.translate(host.now, f.AT_FDCWD, path, follow, opened)
        start = fd_path(opened[-1])
        assert made.startswith(start)
        return made[len(start) :], Path(os.fsdecode(where(opened[-1]))).name
    finally:
        for fd in opened:
            os.close(fd)


def test_translations(root: Root) -> None:
    assert translated(root, b"/absolute", True) == (b"", "file")
    assert translated(root, b"/absolute", False) == (b"/absolute", "root")
    assert translated(root, b"/etc/new", False) == (b"/new", "etc")
    assert translated(root, b"/etc/new/", False) == (b"/new/", "etc")
    assert translated(root, b"/folder", False) == (b"/folder", "root")
    assert translated(root, b"/folder/", False) == (b"/.", "etc")
    assert translated(root, b"/etc/..", False) == (b"/.", "root")
    assert translated(root, b"/..", False) == (b"/.", "root")
    assert translated(root, b"/", False) == (b"/.", "root")


def test_guest_paths(root: Root, folder: Path, tmp_path: Path) -> None:
    assert root.guest_path(bytes(folder)) == b"/"
    assert root.guest_path(bytes(folder / "etc")) == b"/etc"
    assert root.guest_path(bytes(tmp_path)) is None
    assert root.guest_path(bytes(folder) + b"-two") is None


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (b"a", (b".", b"a", b"")),
        (b"/a", (b"/", b"a", b"")),
        (b"/a/b//", (b"/a/", b"b", b"//")),
        (b"a/..", (b"a/..", b"", b"")),
        (b".", (b".", b"", b"")),
        (b"/", (b"/", b"", b"")),
        (b"//", (b"//", b"", b"")),
    ],
)
def test_split(path: bytes, parts: tuple[bytes, bytes, bytes]) -> None:
    assert split(path) == parts
