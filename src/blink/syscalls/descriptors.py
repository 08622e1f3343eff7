"""The table of descriptors: duplicates, closing, fcntl(2).

Numbers are the host's.  Those of our own files lie where the guest does not meet them; when it
claims such a number by name (dup2), ours moves.
"""

from errno import EBADF, EINVAL

from blink.abi import files as f
from blink.abi.errors import SysError
from blink.abi.file_structs import F_OWNER_EX, F_OWNER_UIDS, FLOCK
from blink.abi.structs import U64
from blink.syscalls._dispatch import forward
from blink.syscalls._spec import (
    ALWAYS,
    CALLS,
    By,
    Fd,
    Flags,
    In,
    InOut,
    Int,
    NewFd,
    Out,
    Struct,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.kernel.task import Task

NR_DUP2, NR_FCNTL, NR_DUP3, NR_CLOSE_RANGE = 33, 72, 292, 436


@syscall(3, passthrough=True)
def close(fd: Fd) -> None:
    """Implements close(2)."""


@syscall(32, passthrough=True)
def dup(fd: Fd) -> None:
    """Implements dup(2)."""


@syscall(33, native=ALWAYS)
def dup2(task: "Task", fd: Fd, new: NewFd) -> int:
    """Implements dup2(2)."""
    _claim(task, new)
    return task.host(NR_DUP2, fd, new)


@syscall(292, native=ALWAYS)
def dup3(task: "Task", fd: Fd, new: NewFd, flags: Flags[Int, f.CLOEXEC]) -> int:
    """Implements dup3(2)."""
    _claim(task, new)
    return task.host(NR_DUP3, fd, new, flags)


def _claim(task: "Task", fd: int) -> None:
    """Moves ours out of the way; not for a number that the limit forbids the guest anyway."""
    process = task.process
    if process.hides(fd):
        if fd >= process.limits.descriptors():
            raise SysError(EBADF)
        process.hidden.make_room(fd)


@syscall(436)
def close_range(task: "Task", first: UInt, last: UInt, flags: Flags[UInt, f.CLOSE_RANGE]) -> None:
    """Implements close_range(2)."""
    if first > last:
        raise SysError(EINVAL)
    for low, high in _without_ours(task, first, last):
        task.host(NR_CLOSE_RANGE, low, high, flags)


def _without_ours(task: "Task", first: int, last: int) -> "Iterator[tuple[int, int]]":
    """The parts of a range of numbers between our own descriptors."""
    for fd in sorted(task.process.hidden.fds.values()):
        if first <= fd <= last:
            if first < fd:
                yield first, fd - 1
            first = fd + 1
    if first <= last:
        yield first, last


_LOCK_IN, _LOCK_INOUT = In[Struct, FLOCK], InOut[Struct, FLOCK]
_HINT_OUT, _HINT_IN = Out[Struct, U64], In[Struct, U64]

ARGUMENTS = {
    **dict.fromkeys(
        (
            f.F_DUPFD,
            f.F_GETFD,
            f.F_SETFD,
            f.F_GETFL,
            f.F_SETOWN,
            f.F_GETOWN,
            f.F_SETSIG,
            f.F_GETSIG,
            f.F_SETLEASE,
            f.F_GETLEASE,
            f.F_NOTIFY,
            f.F_CREATED_QUERY,
            f.F_CANCELLK,
            f.F_DUPFD_CLOEXEC,
            f.F_SETPIPE_SZ,
            f.F_GETPIPE_SZ,
            f.F_ADD_SEALS,
            f.F_GET_SEALS,
        ),
        Int,
    ),
    f.F_SETFL: Flags[Int, f.OPEN],
    f.F_DUPFD_QUERY: Fd,
    f.F_GETLK: _LOCK_INOUT,
    f.F_SETLK: _LOCK_IN,
    f.F_SETLKW: _LOCK_IN,
    f.F_OFD_GETLK: _LOCK_INOUT,
    f.F_OFD_SETLK: _LOCK_IN,
    f.F_OFD_SETLKW: _LOCK_IN,
    f.F_SETOWN_EX: In[Struct, F_OWNER_EX],
    f.F_GETOWN_EX: Out[Struct, F_OWNER_EX],
    f.F_GETOWNER_UIDS: Out[Struct, F_OWNER_UIDS],
    f.F_GET_RW_HINT: _HINT_OUT,
    f.F_SET_RW_HINT: _HINT_IN,
    f.F_GET_FILE_RW_HINT: _HINT_OUT,
    f.F_SET_FILE_RW_HINT: _HINT_IN,
}


@syscall(72, native=ALWAYS, waits=True)
def fcntl(
    task: "Task", fd: Fd, command: Flags[UInt, f.FCNTL], arg: By[ULong, "command", ARGUMENTS]
) -> int:
    """Implements fcntl(2)."""
    if command in ARGUMENTS:
        return forward(task, CALLS[NR_FCNTL], (fd, command, arg))
    task.host(NR_FCNTL, fd, f.F_GETOWN)  # EBADF comes before EINVAL, with O_PATH too
    task.process.log_once(f"fcntl command {command} is not known")
    raise SysError(EINVAL)
