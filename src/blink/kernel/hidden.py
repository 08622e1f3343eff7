"""Our own descriptors: where the guest neither sees nor meets them.

They live just above the guest's RLIMIT_NOFILE, where its own descriptors never come: the kernel
hands out and accepts new numbers only below the soft limit, but numbers that are already open keep
working when the limit is lowered again.  Where the soft limit is the hard one (or huge: the kernel
copies the table up to the highest number at every fork), they live at the top of what may be, and
the guest's calls skip them by number.
"""

from __future__ import annotations

import posix
from errno import EMFILE

from blink.abi.errors import SysError
from blink.kernel import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

AF_UNIX, SOCK_STREAM = 1, 1
SLOTS = 64  # the engine hides as many
HIGHEST = 1 << 16  # a table of 65,536 descriptors is 512 KiB to copy at a fork


class HiddenFds:
    """Name -> number of the descriptors that belong to us, all close-on-exec."""

    __slots__ = ("fds", "low")

    def __init__(self) -> None:
        soft, hard = host.rlimit(host.RLIMIT_NOFILE)
        self.low = min(soft, max(hard - SLOTS, hard // 2), HIGHEST)
        self.fds: dict[str, int] = {}

    def __contains__(self, fd: int) -> bool:
        return fd >= self.low and fd in self.fds.values()

    def keep(self, name: str, fd: int) -> int:
        """Moves a descriptor of ours out of the guest's way; its new number."""
        moved = self.keep_copy(name, fd)
        host.now(host.NR_CLOSE, fd)
        return moved

    def keep_copy(self, name: str, fd: int) -> int:
        """A hidden duplicate of a descriptor that the guest keeps."""
        made = _duplicate(fd, self.low)
        self.adopt(name, made)
        return made

    def adopt(self, name: str, fd: int) -> None:
        """Notes that a descriptor, which is out of the way already, is ours."""
        self.fds[name] = fd
        host.hide(*self.fds.values())

    def socket_pair(self) -> tuple[int, int]:
        """Two connected stream sockets among our numbers, without names yet.  Raises SysError."""
        buffer = bytearray(8)
        limits = _raise_limit(self.low)
        result = host.now(host.NR_SOCKETPAIR, AF_UNIX, SOCK_STREAM | posix.O_CLOEXEC, 0, buffer)
        host.set_rlimit(host.RLIMIT_NOFILE, *limits)
        if result < 0:
            raise SysError(-result)
        ends = []
        for i in (0, 4):
            fd = int.from_bytes(buffer[i : i + 4], "little")
            ends.append(_duplicate(fd, self.low))
            host.now(host.NR_CLOSE, fd)
        return ends[0], ends[1]

    def close(self, name: str) -> None:
        """Closes one of ours, if it is open."""
        fd = self.fds.pop(name, None)
        if fd is not None:
            host.now(host.NR_CLOSE, fd)
            host.hide(*self.fds.values())

    def make_room(self, fd: int) -> None:
        """Moves ours away when the guest claims its number: dup2(2), dup3(2)."""
        for name, mine in self.fds.items():
            if mine == fd:
                self.fds[name] = _duplicate(fd, fd + 1)
                host.now(host.NR_CLOSE, fd)
        host.hide(*self.fds.values())

    def with_room(self, function: Callable[..., T], *args: Any) -> T:
        """Calls a function that needs a descriptor for a moment, also when the guest has used up
        its own (EMFILE)."""
        try:
            return function(*args)
        except OSError as error:
            if error.errno != EMFILE:
                raise
        limits = _raise_limit(self.low)
        try:
            return function(*args)
        finally:
            host.set_rlimit(host.RLIMIT_NOFILE, *limits)

    def now(self, number: int, *args: int | bytes | bytearray) -> int:
        """`host.now` for a call that makes a descriptor of ours for a moment."""
        result = host.now(number, *args)
        if result != -EMFILE:
            return result
        limits = _raise_limit(self.low)
        result = host.now(number, *args)
        host.set_rlimit(host.RLIMIT_NOFILE, *limits)
        return result


def _raise_limit(lowest: int) -> tuple[int, int]:
    """Lets new descriptors be made from `lowest` on; the limits to set back."""
    soft, hard = host.rlimit(host.RLIMIT_NOFILE)
    if soft < lowest + SLOTS:
        host.set_rlimit(host.RLIMIT_NOFILE, min(lowest + SLOTS, hard), hard)
    return soft, hard


def _duplicate(fd: int, lowest: int) -> int:
    limits = _raise_limit(lowest)
    made = host.now(host.NR_FCNTL, fd, host.F_DUPFD_CLOEXEC, lowest)
    host.set_rlimit(host.RLIMIT_NOFILE, *limits)
    if made < 0:
        raise SysError(-made)
    return made
