"""Roots under what records and debugs: the same tree as without, and a replay needs none of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.session import Session
from syscalls.guest import SOURCE, blink

GUEST = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static char text[100];
int main(int argc, char **argv) {
  int file = open("/t/file", O_CREAT | O_RDWR, 0600), bound = open("/dir/bound", O_RDWR);
  if (write(file, "kept ", 5) != 5 || pread(file, text, 99, 0) != 5) return 1;
  if (bound >= 0 || (bound = open("/dir/bound", O_RDONLY)) < 0) return 2;
  read(bound, text + 5, 90), readlink("/proc/self/exe", text + 20, 70);
  printf("%s %s %s %s\n", text, text + 20, argv[argc - 1], getenv("WHO"));
  return access("/etc/passwd", F_OK) ? 5 : 3;
}
"""
BLINK = str(Path(sys.executable).with_name("blink"))  # with the libraries that are installed
SAYS = "kept bound /bin/guest word me\n"


class Tree:
    """A root with a program, a file to bind, and a place for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.bound = folder / "bound"
        self.scratch = folder / f"blink-{os.geteuid()}"
        self.env = {"PATH": "/bin", "WHO": "me", "TMPDIR": str(folder), "HOME": str(folder)}
        self.env["PYTHONPATH"] = str(SOURCE)
        self.mounts = [f"--bind={self.bound}:/dir/bound:ro", "--tmpfs=/t"]
        self.options = {"binds": [f"{self.bound}:/dir/bound:ro"], "tmpfs": ["/t"]}

    def run(self, *command: str) -> tuple[int, str, str]:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=200
        )
        return done.returncode, done.stdout, done.stderr

    def is_tidy(self) -> bool:
        """Whether nothing is left of a root; the target may end behind its session."""
        end = time.monotonic() + 20
        while self.scratch.exists() and list(self.scratch.iterdir()) and time.monotonic() < end:
            time.sleep(0.05)
        return not self.scratch.exists() or not list(self.scratch.iterdir())


@pytest.fixture
def tree(tmp_path: Path, need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Tree:
    made = Tree(tmp_path)
    (made.root / "bin").mkdir(parents=True)
    made.bound.write_text("bound")
    command = [need("gcc"), "-static", "-O1", "-w", "-x", "c", "-", "-o"]
    where = str(made.root / "bin" / "guest")
    subprocess.run([*command, where], input=GUEST.encode(), check=True, timeout=60)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # of a session's target
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def test_a_recording_needs_no_root(tree: Tree) -> None:
    capsule = str(tree.folder / "it.cap")
    options = [*tree.mounts, "-C", str(tree.root)]
    assert tree.run(*blink(*options, "guest", "word")) == (5, SAYS, "")
    recorded = tree.run(*blink("record", "-o", capsule, *options, "guest", "word"))
    assert recorded == (5, SAYS, "")
    assert tree.is_tidy()
    shutil.rmtree(tree.root)
    tree.bound.unlink()
    assert tree.run(*blink("replay", capsule)) == (5, SAYS, "")


def test_a_profile_has_the_names_of_a_root(tree: Tree) -> None:
    options = [*tree.mounts, "-C", str(tree.root), "-f", "folded", "--interval=500"]
    status, said, profile = tree.run(BLINK, "profile", *options, "guest", "word")
    assert (status, said) == (5, SAYS)
    assert ";main;" in profile or ";main " in profile
    assert tree.is_tidy()


def test_a_table_of_a_program_in_a_root(tree: Tree) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra `trace` is not installed")
    table = str(tree.folder / "it.parquet")
    options = [*tree.mounts, "-C", str(tree.root), "-qo", table, "--kinds=call"]
    assert tree.run(BLINK, "trace", *options, "guest", "word") == (5, SAYS, "")
    rows = duckdb.sql(f"select text from read_parquet('{table}')").fetchall()
    opened = [text for (text,) in rows if text.startswith('openat(AT_FDCWD, "/t/file"')]
    assert len(opened) == 1 and int(opened[0].rpartition("= ")[2]) >= 3
    assert tree.is_tidy()


def test_a_session_goes_back(tree: Tree) -> None:
    with Session.launch(
        ["guest", "word"], env=tree.env, options={"root": str(tree.root), **tree.options}
    ) as session:
        session.cont()
        assert session.wait().reason == "exit"
        end = session.time
        session.goto(0)
        assert session.wait().time == 0 < end
        session.cont()
        assert (session.wait().time, session.exit_status) == (end, 5)
    assert tree.is_tidy()


@pytest.mark.parametrize(("bare", "status"), [(False, 5), (True, 1)])
def test_no_mounts_is_chroot(tree: Tree, bare: bool, status: int) -> None:
    """With nothing on top the program finds no /t."""
    (tree.root / "dir").mkdir()
    (tree.root / "dir" / "bound").write_text("bound")
    (tree.root / "dir" / "bound").chmod(0o444)
    options = {"root": str(tree.root), "bare": bare, **({} if bare else tree.options)}
    with Session.launch(["/bin/guest"], env=tree.env, options=options) as session:
        session.cont()
        session.wait()
        assert session.exit_status == status


@pytest.mark.ci
def test_an_image_in_the_interface_and_in_a_capsule(tree: Tree) -> None:
    image = tree.folder / "image.tar"
    with tarfile.open(image, "w") as archive:
        archive.add(tree.root, ".")
    options = [*tree.mounts, f"--image={image}"]
    says = SAYS.replace("me\n", "(null)\n")  # the image's environment is another
    interface = tree.run(sys.executable, "-m", "blink.tui", "-t", *options, "guest", "word")
    assert interface == (5, says, "")
    capsule = str(tree.folder / "it.cap")
    assert tree.run(*blink("record", "-o", capsule, *options, "guest", "word")) == (5, says, "")
    assert tree.run(*blink("replay", capsule)) == (5, says, "")
    assert tree.is_tidy()


@pytest.mark.ci
@pytest.mark.parametrize("tool", ["record", "gdb", "interface"])
def test_errors_are_one_line(tree: Tree, tool: str) -> None:
    tools = {
        "record": blink("record", "-o", "it.cap"),
        "gdb": blink("-g", "1"),
        "interface": [sys.executable, "-m", "blink.tui", "-t"],
    }
    for options, status, text in (
        (["--bind=x"], 48, "--bind needs SRC:DST"),
        (["-C", "/", "--overlay=a"], 48, "give one of them"),
        (["-C", "/nowhere"], 125, "/nowhere: No such file or directory"),
        (["--image=/nowhere"], 125, "/nowhere: No such file or directory"),
    ):
        got, out, err = tree.run(*tools[tool], *options, "guest")
        assert (got, out, err.count("\n")) == (status, "", 1), err
        assert text in err
    got, out, err = tree.run(*tools[tool], "-C", str(tree.root), "--tmpfs=/t", "absent")
    assert (got in (125, 127), out, err.count("\n")) == (True, "", 1), err
    assert "absent: not found" in err
    assert tree.is_tidy()
