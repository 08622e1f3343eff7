"""Open texts about the guest: a read from their beginning shows them as they are by then.

The engine hands calls on these descriptors to Python (`host.watch_fds`).  Only numbers below 64 are
watched, as they were opened: a duplicate, and what a child inherits, keep the old text.
"""

from __future__ import annotations

import posix

from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.vfs import proc
from blink.vfs.resolve import check, fd_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from blink.kernel.task import Task
    from blink.vfs.files import Files

WATCHED = 64
NR_READ, NR_PREAD64, NR_READV, NR_PREADV = 0, 17, 19, 295
SEEK_CUR = 1
WRITE = posix.O_WRONLY | posix.O_TRUNC | posix.O_CLOEXEC


class Texts:
    """Descriptor -> (name of the text, whether it was made just now)."""

    __slots__ = ("host", "open")

    def __init__(self, host: ModuleType) -> None:
        self.host = host
        self.open: dict[int, tuple[bytes, bool]] = {}

    def make(self, name: bytes, text: bytes, flags: int) -> int:
        """A read-only descriptor, the lowest free, of a file in memory that holds `text`."""
        now = self.host.now
        label = proc.MEMFD_PREFIX + name.lstrip(b"/") + b"\0"
        lowest = check(now(nr.NR_MEMFD_CREATE, label, 1))
        try:
            while text:
                text = text[check(now(nr.NR_WRITE, lowest, text, len(text))) :]
            reader = check(now(nr.NR_OPEN, fd_path(lowest) + b"\0", flags & ~posix.O_NOFOLLOW, 0))
        except SysError:
            now(nr.NR_CLOSE, lowest)
            raise
        now(nr.NR_DUP3, reader, lowest, flags & posix.O_CLOEXEC)
        now(nr.NR_CLOSE, reader)
        return lowest

    def add(self, fd: int, name: bytes) -> None:
        """A text has been opened."""
        if fd < WATCHED:
            self.open[fd] = (name, True)
            self._tell()

    def forget(self, fd: int) -> None:
        """The descriptor is another file's, or nobody's."""
        if self.open.pop(fd, None) is not None:
            self._tell()

    def clear(self) -> None:
        """A new process: the texts are about its parent."""
        if self.open:
            self.open.clear()
            self._tell()

    def _tell(self) -> None:
        self.host.watch_fds(sum(1 << fd for fd in self.open))

    def before(self, files: Files, task: Task, number: int, registers: tuple[int, ...]) -> None:
        """A call on a descriptor is about to be made."""
        fd = registers[0] & 0xFFFFFFFF
        if fd not in self.open:
            return
        name, fresh = self.open[fd]
        if number == nr.NR_CLOSE or not _is_text(fd, name):
            self.forget(fd)
        elif self._position(number, fd, registers) == 0:
            self.open[fd] = (name, False)
            if not fresh:
                self._write(fd, files.own_text(task, name) or b"")

    def _position(self, number: int, fd: int, registers: tuple[int, ...]) -> int:
        """Where a call reads; -1 for one that does not."""
        if number in (NR_READ, NR_READV):
            position: int = self.host.now(nr.NR_LSEEK, fd, 0, SEEK_CUR)
            return position
        return registers[3] if number in (NR_PREAD64, NR_PREADV) else -1

    def _write(self, fd: int, text: bytes) -> None:
        try:
            writer = posix.open(fd_path(fd), WRITE)
        except OSError:
            return  # no descriptor is free: the old text stays
        try:
            while text:
                text = text[posix.write(writer, text) :]
        finally:
            posix.close(writer)


def _is_text(fd: int, name: bytes) -> bool:
    try:
        target = posix.readlink(fd_path(fd))
    except OSError:
        return False
    return target.startswith(b"/memfd:" + proc.MEMFD_PREFIX + name.lstrip(b"/"))
