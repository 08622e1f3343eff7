"""Clocks, sleeping, timers, accounting."""

from blink.abi.errors import SysError
from blink.abi.flags import FlagSet, enumeration
from blink.abi.structs import (
    ITIMERSPEC,
    ITIMERVAL,
    RUSAGE,
    S32,
    S64,
    TIMESPEC,
    TIMEVAL,
    TIMEZONE,
    TMS,
)
from blink.kernel import host
from blink.syscalls._spec import Buffer, Flags, In, InOut, Int, Out, Struct, UInt, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

CLOCK = enumeration(
    {
        "CLOCK_REALTIME": 0,
        "CLOCK_MONOTONIC": 1,
        "CLOCK_PROCESS_CPUTIME_ID": 2,
        "CLOCK_THREAD_CPUTIME_ID": 3,
        "CLOCK_MONOTONIC_RAW": 4,
        "CLOCK_REALTIME_COARSE": 5,
        "CLOCK_MONOTONIC_COARSE": 6,
        "CLOCK_BOOTTIME": 7,
        "CLOCK_REALTIME_ALARM": 8,
        "CLOCK_BOOTTIME_ALARM": 9,
        "CLOCK_TAI": 11,
    }
)
TIMER = FlagSet({"TIMER_ABSTIME": 1})
ITIMER = enumeration({"ITIMER_REAL": 0, "ITIMER_VIRTUAL": 1, "ITIMER_PROF": 2})
WHO = enumeration({"RUSAGE_SELF": 0, "RUSAGE_CHILDREN": -1, "RUSAGE_THREAD": 1})
TIMEX_SIZE, SIGEVENT_SIZE = 208, 64


@syscall(228, passthrough=True)
def clock_gettime(clock: Flags[Int, CLOCK], time: Out[Struct, TIMESPEC]) -> None:
    """Implements clock_gettime(2)."""


@syscall(227, passthrough=True)
def clock_settime(clock: Flags[Int, CLOCK], time: In[Struct, TIMESPEC]) -> None:
    """Implements clock_settime(2)."""


@syscall(229, passthrough=True)
def clock_getres(clock: Flags[Int, CLOCK], resolution: Out[Struct, TIMESPEC]) -> None:
    """Implements clock_getres(2)."""


@syscall(230, passthrough=True, waits=True)
def clock_nanosleep(
    clock: Flags[Int, CLOCK],
    flags: Flags[Int, TIMER],
    request: In[Struct, TIMESPEC],
    remain: Out[Struct, TIMESPEC],
) -> None:
    """Implements clock_nanosleep(2)."""


@syscall(305, passthrough=True)
def clock_adjtime(clock: Flags[Int, CLOCK], timex: InOut[Buffer, TIMEX_SIZE]) -> None:
    """Implements clock_adjtime(2)."""


@syscall(159, passthrough=True)
def adjtimex(timex: InOut[Buffer, TIMEX_SIZE]) -> None:
    """Implements adjtimex(2)."""


@syscall(35, passthrough=True, waits=True)
def nanosleep(request: In[Struct, TIMESPEC], remain: Out[Struct, TIMESPEC]) -> None:
    """Implements nanosleep(2)."""


@syscall(96, passthrough=True)
def gettimeofday(time: Out[Struct, TIMEVAL], zone: Out[Struct, TIMEZONE]) -> None:
    """Implements gettimeofday(2)."""


@syscall(164, passthrough=True)
def settimeofday(time: In[Struct, TIMEVAL], zone: In[Struct, TIMEZONE]) -> None:
    """Implements settimeofday(2)."""


@syscall(201, passthrough=True)
def time(seconds: Out[Struct, S64]) -> None:
    """Implements time(2)."""


@syscall(100, passthrough=True)
def times(buf: Out[Struct, TMS]) -> None:
    """Implements times(2)."""


@syscall(98, passthrough=True)
def getrusage(who: Flags[Int, WHO], usage: Out[Struct, RUSAGE]) -> None:
    """Implements getrusage(2)."""


@syscall(37, passthrough=True)
def alarm(seconds: UInt) -> None:
    """Implements alarm(2)."""


@syscall(36, passthrough=True)
def getitimer(which: Flags[Int, ITIMER], value: Out[Struct, ITIMERVAL]) -> None:
    """Implements getitimer(2)."""


@syscall(38, passthrough=True)
def setitimer(
    which: Flags[Int, ITIMER], new: In[Struct, ITIMERVAL], old: Out[Struct, ITIMERVAL]
) -> None:
    """Implements setitimer(2)."""


@syscall(222)
def timer_create(
    task: "Task",
    clock: Flags[Int, CLOCK],
    event: In[Buffer, SIGEVENT_SIZE],
    timer: Out[Struct, S32],
) -> None:
    """Implements timer_create(2)."""
    where = task.guest(timer, S32.size, True)
    task.host(host.NR_TIMER_CREATE, clock, task.guest(event), where)
    task.process.timers.add(task.read_struct(timer, S32)[0])


@syscall(226)
def timer_delete(task: "Task", timer: Int) -> None:
    """Implements timer_delete(2)."""
    result = host.now(host.NR_TIMER_DELETE, timer)
    if result < 0:
        raise SysError(-result)
    task.process.timers.discard(timer)


@syscall(223, passthrough=True)
def timer_settime(
    timer: Int,
    flags: Flags[Int, TIMER],
    new: In[Struct, ITIMERSPEC],
    old: Out[Struct, ITIMERSPEC],
) -> None:
    """Implements timer_settime(2)."""


@syscall(224, passthrough=True)
def timer_gettime(timer: Int, value: Out[Struct, ITIMERSPEC]) -> None:
    """Implements timer_gettime(2)."""


@syscall(225, passthrough=True)
def timer_getoverrun(timer: Int) -> None:
    """Implements timer_getoverrun(2)."""
