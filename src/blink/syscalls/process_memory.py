"""Another process's memory and resources: process_vm_readv(2), process_madvise(2), kcmp(2)."""

from blink.abi import mman, sched
from blink.abi.errors import SysError
from blink.abi.structs import IOVEC
from blink.abi.structs import Struct as Layout
from blink.syscalls._dispatch import UIO_MAXIOV, USER_TOP, broken_iovecs, host_iovecs, iovecs
from blink.syscalls._spec import (
    ALWAYS,
    By,
    Fd,
    Flags,
    In,
    Int,
    Iov,
    Out,
    Ptr,
    Size,
    Struct,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_PROCESS_VM_READV, NR_PROCESS_VM_WRITEV, NR_KCMP, NR_PROCESS_MADVISE = 310, 311, 312, 440
REMOTE = "in checked memory (`-m`) the other process has to be a guest in checked memory as well"
KCMP_EPOLL_SLOT = Layout("kcmp_epoll_slot", "III", "efd tfd toff")


def _local(task: "Task", address: int, count: int, write: bool) -> int | bytes:
    if not address or not 0 < count <= UIO_MAXIOV:
        return task.guest(address)
    return host_iovecs(task, address, count, write)


def _remote(task: "Task", pid: int, address: int, count: int, write: bool) -> int | bytes:
    """iovecs of another process: guests of one kind have one skew; our own are ours to guard."""
    if pid in task.process.tasks:
        return _local(task, address, count, write)
    if not address or not 0 < count <= UIO_MAXIOV:
        return task.guest(address)
    try:
        pairs = iovecs(task, address, count)
    except task.MemoryFault:
        return broken_iovecs(task, address, count)
    skew = task.memory.skew
    moved = [(base + skew if base + skew < 1 << 64 else base, size) for base, size in pairs]
    return b"".join(b.to_bytes(8, "little") + n.to_bytes(8, "little") for b, n in moved)


def _copy(
    task: "Task",
    number: int,
    pid: int,
    local: int,
    count: int,
    remote: int,
    remotes: int,
    flags: int,
) -> int:
    reads = number == NR_PROCESS_VM_READV
    ours, theirs = _local(task, local, count, reads), _remote(task, pid, remote, remotes, not reads)
    return task.host(number, pid, ours, count, theirs, remotes, flags)


@syscall(310, note=REMOTE)
def process_vm_readv(
    task: "Task",
    pid: Int,
    local: Out[Iov, "local_count"],
    local_count: ULong,
    remote: Ptr,
    remote_count: ULong,
    flags: ULong,
) -> int:
    """Implements process_vm_readv(2)."""
    return _copy(task, NR_PROCESS_VM_READV, pid, local, local_count, remote, remote_count, flags)


@syscall(311, note=REMOTE)
def process_vm_writev(
    task: "Task",
    pid: Int,
    local: In[Iov, "local_count"],
    local_count: ULong,
    remote: Ptr,
    remote_count: ULong,
    flags: ULong,
) -> int:
    """Implements process_vm_writev(2).

    Pages of another guest that hold code which has run are write-protected there: EFAULT.
    """
    return _copy(task, NR_PROCESS_VM_WRITEV, pid, local, local_count, remote, remote_count, flags)


def _emptied(ranges: bytes) -> bytes:
    """Ranges that the host refuses as it refuses these, and else does nothing with."""
    pairs = IOVEC.codec.iter_unpack(ranges)
    return b"".join(IOVEC.pack(base, size if base + size > USER_TOP else 0) for base, size in pairs)


def _discard(task: "Task", ranges: bytes, advice: int) -> int:
    """How many bytes of our own were given back; an error counts only at the first range."""
    done = 0
    for base, size in IOVEC.codec.iter_unpack(ranges):
        try:
            task.process.space.advise(max(base - task.memory.skew, 0), size, advice)
        except SysError:
            if not done:
                raise
            break
        done += size
    return done


@syscall(440, note=REMOTE)
def process_madvise(
    task: "Task",
    pidfd: Fd,
    ranges: In[Iov, "count"],
    count: Size,
    advice: Flags[Int, mman.MADV],
    flags: UInt,
) -> int:
    """Implements process_madvise(2)."""
    made = _remote(task, -1, ranges, count, False)
    if advice in mman.MADV_DISCARDS and not isinstance(made, int):
        task.host(NR_PROCESS_MADVISE, pidfd, _emptied(made), count, advice, flags)
        return _discard(task, made, advice)
    return task.host(NR_PROCESS_MADVISE, pidfd, made, count, advice, flags)


@syscall(448, passthrough=True)
def process_mrelease(pidfd: Fd, flags: UInt) -> None:
    """Implements process_mrelease(2)."""


# What the second index is; the first one is a descriptor of KCMP_FILE and KCMP_EPOLL_TFD.
_SECOND = {
    **dict.fromkeys(range(1, 7), ULong),
    sched.KCMP_FILE: Fd,
    sched.KCMP_EPOLL_TFD: In[Struct, KCMP_EPOLL_SLOT],
}


@syscall(312, native=ALWAYS)
def kcmp(
    task: "Task",
    pid1: Int,
    pid2: Int,
    kind: Flags[Int, sched.KCMP],
    first: ULong,
    second: By[ULong, "kind", _SECOND],
) -> int:
    """Implements kcmp(2)."""
    if kind == sched.KCMP_EPOLL_TFD:
        second = task.guest(second)
    return task.host(NR_KCMP, pid1, pid2, kind, first, second)
