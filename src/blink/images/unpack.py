"""Layers into one directory: tar members below it and nowhere else, whiteouts applied.

Each member's directory is opened with openat2(RESOLVE_IN_ROOT), so links that an archive has placed
lead nowhere outside; the member itself is made without following anything.  Device nodes are left
out (blink shows its own); owners are kept where we may set them.
"""

from __future__ import annotations

import os
import posix
import stat
import tarfile
from errno import ENOENT, ENOTDIR
from pathlib import Path

from blink.abi.errors import SysError
from blink.images import ImageError, zstd
from blink.images.source import BROKEN, Member, damaged
from blink.roots.scratch import remove_entry
from blink.vfs.resolve import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from blink.images.source import Image

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
NEW = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
CHUNK = 1 << 20


def unpack(image: Image, target: Path, call: Callable[..., int]) -> None:
    """Fills an empty directory with an image's layers.  Raises ImageError."""
    fd = posix.open(target, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        for file in image.layers():
            _Layer(image.path, Root(fd), call).apply(file)
    except BROKEN:
        raise damaged(image.path) from None
    except OSError as error:
        raise ImageError(f"{image.path}: cannot be unpacked: {error.strerror}") from None
    except SysError as error:
        text = posix.strerror(error.errno)
        raise ImageError(f"{image.path}: cannot be unpacked: {text}") from None
    finally:
        posix.close(fd)


class _Layer:
    """One layer on its way into a root.

    made    paths that this layer has made, which its whiteouts do not concern
    modes   of directories, set when all is there
    """

    def __init__(self, path: Path, root: Root, call: Callable[..., int]) -> None:
        self.path = path
        self.root = root
        self.call = call
        self.made: set[tuple[str, ...]] = set()
        self.modes: list[tuple[tuple[str, ...], tarfile.TarInfo]] = []

    def apply(self, file: IO[bytes]) -> None:
        """Unpacks the layer."""
        plain = zstd.unpacked(file, self.path)
        with plain, tarfile.open(fileobj=plain, tarinfo=Member) as tar:
            for member in tar:
                self._member(tar, member)
        for parts, member in reversed(self.modes):
            self._finish_directory(parts, member)

    def _parts(self, name: str) -> tuple[str, ...]:
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise ImageError(f"{self.path}: the member {name!r} leads out of its archive")
        return parts

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = self._parts(member.name)
        if not parts:
            self.modes.append((parts, member))
            return
        folder = self._folder(parts[:-1])
        try:
            if parts[-1].startswith(WHITEOUT):
                self._hide(folder, parts)
            else:
                self._make(tar, member, folder, parts)
        finally:
            posix.close(folder)

    def _folder(self, parts: tuple[str, ...]) -> int:
        """The directory of a member; those that the archive leaves out are made."""
        path = b"/" + b"/".join(map(os.fsencode, parts))
        try:
            return self.root.open(self.call, -1, path, DIRECTORY)
        except SysError as error:
            if error.errno not in (ENOENT, ENOTDIR) or not parts:
                raise
        above = self._folder(parts[:-1])
        try:
            self._remove(above, parts[-1])
            posix.mkdir(parts[-1], 0o755, dir_fd=above)
        finally:
            posix.close(above)
        return self.root.open(self.call, -1, path, DIRECTORY)

    def _remove(self, folder: int, name: str) -> None:
        try:
            remove_entry(folder, os.fsencode(name))
        except FileNotFoundError:
            return

    def _hide(self, folder: int, parts: tuple[str, ...]) -> None:
        if parts[-1] == OPAQUE:
            names = posix.listdir(folder)
        else:
            names = [parts[-1][len(WHITEOUT) :]]
            if names[0] in ("", ".", ".."):
                raise ImageError(f"{self.path}: the member {'/'.join(parts)!r} hides no name")
        for name in names:
            inner = (*parts[:-1], name)
            if not any(made[: len(inner)] == inner for made in self.made):
                self._remove(folder, name)

    def _make(
        self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, parts: tuple[str, ...]
    ) -> None:
        name = parts[-1]
        self.made.add(parts)
        if member.isdir():
            self._make_directory(folder, name)
            self.modes.append((parts, member))
            return
        if member.isdev() and not member.isfifo():
            return
        self._remove(folder, name)
        if member.islnk():
            self._link(member, folder, name)
        elif member.issym():
            posix.symlink(member.linkname, name, dir_fd=folder)
            self._own(member, folder, name)
        elif member.isfifo():
            posix.mkfifo(name, member.mode & 0o7777, dir_fd=folder)
        else:
            self._make_file(tar, member, folder, name)

    def _make_directory(self, folder: int, name: str) -> None:
        try:
            posix.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            if stat.S_ISDIR(posix.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return
            posix.unlink(name, dir_fd=folder)
            posix.mkdir(name, 0o700, dir_fd=folder)

    def _link(self, member: tarfile.TarInfo, folder: int, name: str) -> None:
        parts = self._parts(member.linkname)
        if not parts:
            raise ImageError(f"{self.path}: {member.name!r} is a link to nothing")
        source = self._folder(parts[:-1])
        try:
            posix.link(parts[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            posix.close(source)

    def _make_file(
        self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str
    ) -> None:
        data = tar.extractfile(member)
        if data is None:
            raise ImageError(f"{self.path}: {member.name!r} is of a kind unknown to blink")
        fd = posix.open(name, NEW, 0o600, dir_fd=folder)
        try:
            left = member.size
            while part := data.read(CHUNK):
                left -= len(part)
                while part:
                    part = part[posix.write(fd, part) :]
            if left:
                raise damaged(self.path)
            self._own(member, folder, name)
            posix.fchmod(fd, member.mode & 0o7777)
            posix.utime(fd, (member.mtime, member.mtime))
        finally:
            posix.close(fd)

    def _own(self, member: tarfile.TarInfo, folder: int, name: str) -> None:
        if posix.geteuid() == 0:
            posix.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)

    def _finish_directory(self, parts: tuple[str, ...], member: tarfile.TarInfo) -> None:
        try:
            fd = self.root.open(self.call, -1, b"/" + os.fsencode("/".join(parts)), DIRECTORY)
        except SysError:
            return  # a later member took its place
        try:
            if posix.geteuid() == 0:
                posix.fchown(fd, member.uid, member.gid)
            mode = member.mode & 0o7777
            posix.fchmod(fd, mode if posix.geteuid() == 0 else mode | 0o700)
            posix.utime(fd, (member.mtime, member.mtime))
        finally:
            posix.close(fd)
