"""Pipes, waiting for events, and the descriptors that stand for events."""

from errno import EINTR

from blink.abi import files as f
from blink.abi import polling as p
from blink.abi.errors import SysError
from blink.abi.file_structs import EPOLL_EVENT, POLLFD, SIGSET_ARGUMENT
from blink.abi.signals import SYNCHRONOUS_MASK, UNBLOCKABLE
from blink.abi.structs import ITIMERSPEC, S32, SIGSET, TIMESPEC, TIMEVAL
from blink.syscalls._dispatch import BAD_ADDRESS
from blink.syscalls._spec import (
    ALWAYS,
    Array,
    Bits,
    Fd,
    Flags,
    In,
    InOut,
    Int,
    Opaque,
    Out,
    Path,
    Sigset,
    Size,
    Struct,
    UInt,
    Unless,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_PSELECT6 = 270
SIGNALFD_NOTE = "does not report SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP"
MAX_DESCRIPTORS = 1 << 20  # the host looks at no more bits than its table has entries

# --- pipes ---


@syscall(22, passthrough=True)
def pipe(fds: Out[Array, S32, 2]) -> None:
    """Implements pipe(2)."""


@syscall(293, passthrough=True)
def pipe2(fds: Out[Array, S32, 2], flags: Flags[Int, f.CLOEXEC]) -> None:
    """Implements pipe2(2)."""


# --- poll and select ---


@syscall(7, passthrough=True, waits=True)
def poll(fds: InOut[Array, POLLFD, "nfds"], nfds: UInt, timeout: Int) -> None:
    """Implements poll(2)."""


@syscall(271, passthrough=True, sigmask="mask", waits=True)
def ppoll(
    fds: InOut[Array, POLLFD, "nfds"],
    nfds: UInt,
    timeout: InOut[Struct, TIMESPEC],
    mask: Sigset,
    size: Size,
) -> None:
    """Implements ppoll(2)."""


@syscall(23, passthrough=True, waits=True)
def select(
    nfds: Int,
    reading: InOut[Bits, "nfds"],
    writing: InOut[Bits, "nfds"],
    exceptional: InOut[Bits, "nfds"],
    timeout: InOut[Struct, TIMEVAL],
) -> None:
    """Implements select(2)."""


@syscall(270, native=ALWAYS, waits=True)
def pselect6(
    task: "Task",
    nfds: Int,
    reading: InOut[Bits, "nfds"],
    writing: InOut[Bits, "nfds"],
    exceptional: InOut[Bits, "nfds"],
    timeout: InOut[Struct, TIMESPEC],
    mask: Opaque[Struct, SIGSET_ARGUMENT],
) -> int:
    """Implements pselect6(2)."""
    length = (min(max(nfds, 0), MAX_DESCRIPTORS) + 63) // 64 * 8
    sets = [task.guest(each, length, True) for each in (reading, writing, exceptional)]
    during, where, size = _pselect_mask(task, mask)
    held = b"" if during is None else SIGSET.pack(during & ~SYNCHRONOUS_MASK)
    where = where if during is None else task.buffer_address(held)
    argument = SIGSET_ARGUMENT.pack(where, size)
    try:
        timeout = task.guest(timeout, TIMESPEC.size, True)
        return task.host(NR_PSELECT6, nfds, *sets, timeout, argument)
    except SysError as error:
        if error.errno == EINTR and during is not None:
            task.call_mask = during & ~UNBLOCKABLE
        raise


def _pselect_mask(task: "Task", argument: int) -> tuple[int | None, int, int]:
    """The signal mask of the call, or None; else what the host is to refuse; and the size."""
    if not argument:
        return None, 0, SIGSET.size
    address, size = task.read_struct(argument, SIGSET_ARGUMENT)
    if not address:
        return None, 0, size
    if size != SIGSET.size:
        return 0, 0, size
    try:
        return task.read_struct(address, SIGSET)[0], 0, size
    except task.MemoryFault:
        return None, BAD_ADDRESS, size


# --- epoll ---


@syscall(213, passthrough=True)
def epoll_create(size: Int) -> None:
    """Implements epoll_create(2)."""


@syscall(291, passthrough=True)
def epoll_create1(flags: Flags[Int, p.EPOLL_CREATE]) -> None:
    """Implements epoll_create1(2)."""


@syscall(233, passthrough=True)
def epoll_ctl(
    epfd: Fd, op: Flags[Int, p.EPOLL_CTL], fd: Fd, event: In[Struct, EPOLL_EVENT]
) -> None:
    """Implements epoll_ctl(2)."""


@syscall(232, passthrough=True, waits=True)
def epoll_wait(
    epfd: Fd, events: Out[Array, EPOLL_EVENT, "count"], count: Int, timeout: Int
) -> None:
    """Implements epoll_wait(2)."""


@syscall(281, passthrough=True, sigmask="mask", waits=True)
def epoll_pwait(
    epfd: Fd,
    events: Out[Array, EPOLL_EVENT, "count"],
    count: Int,
    timeout: Int,
    mask: Sigset,
    size: Size,
) -> None:
    """Implements epoll_pwait(2)."""


@syscall(441, passthrough=True, sigmask="mask", waits=True)
def epoll_pwait2(
    epfd: Fd,
    events: Out[Array, EPOLL_EVENT, "count"],
    count: Int,
    timeout: In[Struct, TIMESPEC],
    mask: Sigset,
    size: Size,
) -> None:
    """Implements epoll_pwait2(2)."""


# --- descriptors of events ---


@syscall(284, passthrough=True)
def eventfd(count: UInt) -> None:
    """Implements eventfd(2)."""


@syscall(290, passthrough=True)
def eventfd2(count: UInt, flags: Flags[Int, p.EVENTFD]) -> None:
    """Implements eventfd2(2)."""


@syscall(283, passthrough=True)
def timerfd_create(clock: Int, flags: Flags[Int, p.TIMERFD_CREATE]) -> None:
    """Implements timerfd_create(2)."""


@syscall(286, passthrough=True)
def timerfd_settime(
    fd: Fd,
    flags: Flags[Int, p.TIMERFD_SET],
    new: In[Struct, ITIMERSPEC],
    old: Out[Struct, ITIMERSPEC],
) -> None:
    """Implements timerfd_settime(2)."""


@syscall(287, passthrough=True)
def timerfd_gettime(fd: Fd, value: Out[Struct, ITIMERSPEC]) -> None:
    """Implements timerfd_gettime(2)."""


@syscall(282, passthrough=True, level="partial", note=SIGNALFD_NOTE)
def signalfd(fd: Fd, mask: In[Struct, SIGSET], size: Size) -> None:
    """Implements signalfd(2)."""


@syscall(289, passthrough=True, level="partial", note=SIGNALFD_NOTE)
def signalfd4(fd: Fd, mask: In[Struct, SIGSET], size: Size, flags: Flags[Int, p.SIGNALFD]) -> None:
    """Implements signalfd4(2)."""


# --- inotify ---


@syscall(253, passthrough=True)
def inotify_init() -> None:
    """Implements inotify_init(2)."""


@syscall(294, passthrough=True)
def inotify_init1(flags: Flags[Int, p.INOTIFY_INIT]) -> None:
    """Implements inotify_init1(2)."""


@syscall(254, passthrough=True)
def inotify_add_watch(
    fd: Fd,
    path: Unless[Path, "mask", f.IN_DONT_FOLLOW],
    mask: Flags[UInt, p.INOTIFY],
) -> None:
    """Implements inotify_add_watch(2)."""


@syscall(255, passthrough=True)
def inotify_rm_watch(fd: Fd, watch: Int) -> None:
    """Implements inotify_rm_watch(2)."""
