"""Host system calls for the kernel layer, through the engine's one blocking primitive.

Nothing here retries: EINTR and "a signal came first" are for the guest to see.  The `os` module is
for calls that cannot block.
"""

from __future__ import annotations

from _thread import allocate_lock

from blink import _engine
from blink.abi.errors import Interrupted, SysError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")
    Argument = int | bytes | bytearray

# Host numbers: the host is x86-64 Linux.
NR_CLOSE = 3
NR_MMAP = 9
NR_MPROTECT = 10
NR_MUNMAP = 11
NR_MREMAP = 25
NR_MSYNC = 26
NR_MINCORE = 27
NR_MADVISE = 28
NR_SHMAT = 30
NR_SHMCTL = 31
NR_SETITIMER = 38
NR_SENDTO = 44
NR_SOCKETPAIR = 53
NR_KILL = 62
NR_FCNTL = 72
NR_CAPGET = 125
NR_RT_SIGSUSPEND = 130
NR_MLOCK = 149
NR_MUNLOCK = 150
NR_PRCTL = 157
NR_FUTEX = 202
NR_REMAP_FILE_PAGES = 216
NR_TIMER_CREATE = 222
NR_TIMER_DELETE = 226
NR_TGKILL = 234
NR_SET_ROBUST_LIST = 273
NR_RT_TGSIGQUEUEINFO = 297
NR_PRLIMIT64 = 302
NR_MLOCK2 = 325
NR_PIDFD_OPEN = 434
NR_MSEAL = 462

NEVER_BEGAN = -512
FUTEX_WAKE = 1
CAPABILITY_VERSION_3 = 0x20080522

F_GETFD, F_DUPFD_CLOEXEC, FD_CLOEXEC, F_GETOWN = 1, 1030, 1, 9
RLIMIT_NOFILE, RLIMIT_STACK = 7, 3


lock = allocate_lock()
"""The kernel lock: a guest thread holds it while Python works for it, and never while it waits.
What handlers and the loop change (mappings, actions, descriptors of ours, the table of threads) is
protected by it alone."""


def unlocked(function: Callable[..., T], *args: Argument) -> T:
    """Calls a function that may wait, without the kernel lock if the caller has it."""
    if not lock.locked():  # before there is a guest, and in tests
        return function(*args)
    lock.release()
    try:
        return function(*args)
    finally:
        lock.acquire()


brief: frozenset[int] = frozenset()
"""Host calls during which the lock is kept, for they never wait; a director's choice."""


def raw(number: int, *args: Argument) -> int:
    """The result, or -errno.  Raises Interrupted when a signal came before the call began.

    Other threads may change the process's state meanwhile.
    """
    if number in brief:
        result: int = _engine.host_call(number, *args)
    else:
        result = unlocked(_engine.host_call, number, *args)
    if result == NEVER_BEGAN:
        raise Interrupted
    return result


def call(number: int, *args: Argument) -> int:
    """The result.  Raises SysError with the host's errno, or Interrupted."""
    result = raw(number, *args)
    if -4096 < result < 0:
        raise SysError(-result)
    return result


def now(number: int, *args: Argument) -> int:
    """For short calls of ours that do not block: the result, or -errno, whatever signals wait."""
    result: int = _engine.host_call_now(number, *args)
    return result


def hide(*fds: int) -> None:
    """Tells the engine which descriptors its native calls must refuse."""
    _engine.set_hidden_fds(*fds)


def native_paths(allowed: bool) -> None:
    """Tells the engine whether paths mean the same to the host as to the guest."""
    _engine.set_native_paths(allowed)


def watch_fds(mask: int) -> None:
    """Tells the engine which descriptors below 64 are virtual files: calls on them are Python's."""
    _engine.set_watched_fds(mask)


def has_capability(number: int) -> bool:
    """Whether a CAP_ is in the effective set of this process."""
    header = bytearray(CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4))
    data = bytearray(24)
    now(NR_CAPGET, header, data)
    return bool(int.from_bytes(data[:4], "little") >> number & 1)


def rlimit(resource: int) -> tuple[int, int]:
    """The host's (soft, hard) limit."""
    buffer = bytearray(16)
    result = now(NR_PRLIMIT64, 0, resource, 0, buffer)
    if result < 0:
        raise SysError(-result)
    return int.from_bytes(buffer[:8], "little"), int.from_bytes(buffer[8:], "little")


def set_rlimit(resource: int, soft: int, hard: int) -> int:
    """Sets the host's limit; 0 or -errno."""
    new = soft.to_bytes(8, "little") + hard.to_bytes(8, "little")
    return now(NR_PRLIMIT64, 0, resource, new, 0)
