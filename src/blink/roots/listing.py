"""getdents(2) for directories that show more, or less, than one directory of the host has.

First come the entries of the directory that the descriptor refers to, in its order and with its
positions; then those that the other layers and the mounts add.  What has still to be told is kept
by descriptor, together with the host's position: another position (rewinddir, another file of the
same number) starts anew.  Positions of added entries cannot be sought (seekdir(3)).
"""

from __future__ import annotations

import posix
from errno import EINVAL
from struct import Struct

from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.roots import overlay
from blink.vfs.arguments import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task
    from blink.roots.rooted import RootedFiles

HEAD = Struct("<QqH")
FAR = 1 << 40  # positions of entries that the host does not know
SEEK_CUR = 1


class Listing:
    """What a directory has still to tell.

    names     all that it shows -> (inode, kind)
    told      whether the host's entries are through
    offset    the host's position after the last call
    """

    __slots__ = ("identity", "names", "offset", "told")

    def __init__(self, names: dict[bytes, tuple[int, int]], identity: tuple[int, int]) -> None:
        self.names = names
        self.identity = identity
        self.told = False
        self.offset = 0


def getdents(files: RootedFiles, task: Task, number: int, fd: int, buf: int, count: int) -> int:
    """The bytes of the entries stored at `buf`; 0 at the end."""
    if files.process.hides(fd):
        return task.host(number, -1, 0, 0)
    status = posix.fstat(fd)
    identity = status.st_dev, status.st_ino
    offset = files.host.now(nr.NR_LSEEK, fd, 0, SEEK_CUR)
    now = files.listings.get(fd)
    if now is None or now.offset != offset or now.identity != identity or offset == 0:
        with files.temporary() as opened:
            names = overlay.names(files.space, files.node_of(fd, opened))
        now = files.listings[fd] = Listing(names, identity)
        now.names = {n: what for n, what in names.items() if _shown(files, fd, n)}
    wide = number == nr.NR_GETDENTS64
    if not now.told and (size := _from_host(files, task, now, number, fd, buf, count, wide)):
        return size
    return _added(task, now, buf, count, wide)


def _shown(files: RootedFiles, fd: int, name: bytes) -> bool:
    with files.temporary() as opened:
        return files.space.admits(files.node_of(fd, opened), name)


def _from_host(
    files: RootedFiles, task: Task, now: Listing, number: int, fd: int, buf: int, count: int,
    wide: bool,
) -> int:  # fmt: skip
    """The host's next entries, without those that are hidden; 0 when there are no more."""
    while size := task.host(number, fd, task.guest(buf, count, True), count):
        data = task.memory.read(buf, size)
        kept = [entry for entry in records(data) if _keep(now, _name(entry, wide))]
        now.offset = files.host.now(nr.NR_LSEEK, fd, 0, SEEK_CUR)
        if kept:
            text = b"".join(kept)
            task.memory.write(buf, text)
            return len(text)
    now.told = True
    now.offset = files.host.now(nr.NR_LSEEK, fd, 0, SEEK_CUR)
    return 0


def _keep(now: Listing, name: bytes) -> bool:
    return name in (b".", b"..") or now.names.pop(name, None) is not None


def _name(entry: bytes, wide: bool) -> bytes:
    return entry[HEAD.size + wide :].partition(b"\0")[0]


def _added(task: Task, now: Listing, buf: int, count: int, wide: bool) -> int:
    text = b""
    for name, (inode, kind) in list(now.names.items()):
        entry = _entry(name, inode, kind, FAR + len(now.names), wide)
        if len(text) + len(entry) > count:
            break
        text += entry
        del now.names[name]
    if not text and now.names:
        raise SysError(EINVAL)
    task.memory.write(buf, text)
    return len(text)


def _entry(name: bytes, inode: int, kind: int, position: int, wide: bool) -> bytes:
    """A linux_dirent64, or the older form with the kind in its last byte."""
    body = bytes([kind]) + name + b"\0" if wide else name + b"\0\0"
    length = (HEAD.size + len(body) + 7) // 8 * 8
    entry = (HEAD.pack(inode, position, length) + body).ljust(length, b"\0")
    return entry if wide else entry[:-1] + bytes([kind])
