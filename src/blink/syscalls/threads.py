"""What threads need: futexes, scheduling.  Threads themselves: see `clone`."""

from blink.abi import sched
from blink.abi.flags import FlagSet, enumeration
from blink.abi.structs import SCHED_PARAM, TIMESPEC, U32
from blink.kernel import host
from blink.syscalls._spec import (
    ALWAYS,
    Buffer,
    By,
    Flags,
    In,
    InOut,
    Int,
    Out,
    Struct,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

POLICY = enumeration(
    {
        "SCHED_OTHER": 0,
        "SCHED_FIFO": 1,
        "SCHED_RR": 2,
        "SCHED_BATCH": 3,
        "SCHED_IDLE": 5,
        "SCHED_DEADLINE": 6,
    }
)
MEMBARRIER = FlagSet(enum={0: "MEMBARRIER_CMD_QUERY", 1: "MEMBARRIER_CMD_GLOBAL"}, mask=0x1FF)
_TIMES = frozenset(
    (
        sched.FUTEX_WAIT,
        sched.FUTEX_LOCK_PI,
        sched.FUTEX_WAIT_BITSET,
        sched.FUTEX_WAIT_REQUEUE_PI,
        sched.FUTEX_LOCK_PI2,
    )
)
# Commands 3 to 5 and 12 take a count there, the others nothing.
_FOURTH = {
    command | flags: In[Struct, TIMESPEC] if command in _TIMES else ULong
    for command in (*range(2), *range(3, 14))
    for flags in (0, 128, 256, 128 | 256)
}


@syscall(202, native=ALWAYS)
def futex(
    task: "Task",
    word: InOut[Struct, U32],
    op: Flags[Int, sched.FUTEX],
    value: UInt,
    timeout: By[ULong, "op", _FOURTH],
    word2: InOut[Struct, U32],
    value3: UInt,
) -> int:
    """Implements futex(2)."""
    if op & sched.FUTEX_CMD_MASK in _TIMES:
        timeout = task.guest(timeout)
    return task.host(
        host.NR_FUTEX,
        task.guest(word, 4, True),
        op,
        value,
        timeout,
        task.guest(word2, 4, True),
        value3,
    )


@syscall(324, passthrough=True)
def membarrier(command: Flags[Int, MEMBARRIER], flags: UInt, cpu: Int) -> None:
    """Implements membarrier(2)."""


@syscall(24, passthrough=True)
def sched_yield() -> None:
    """Implements sched_yield(2)."""


@syscall(203, passthrough=True)
def sched_setaffinity(tid: Int, size: UInt, mask: In[Buffer, "size"]) -> None:
    """Implements sched_setaffinity(2)."""


@syscall(204, passthrough=True)
def sched_getaffinity(tid: Int, size: UInt, mask: Out[Buffer, "size"]) -> None:
    """Implements sched_getaffinity(2)."""


@syscall(142, passthrough=True)
def sched_setparam(tid: Int, param: In[Struct, SCHED_PARAM]) -> None:
    """Implements sched_setparam(2)."""


@syscall(143, passthrough=True)
def sched_getparam(tid: Int, param: Out[Struct, SCHED_PARAM]) -> None:
    """Implements sched_getparam(2)."""


@syscall(144, passthrough=True)
def sched_setscheduler(
    tid: Int, policy: Flags[Int, POLICY], param: In[Struct, SCHED_PARAM]
) -> None:
    """Implements sched_setscheduler(2)."""


@syscall(145, passthrough=True)
def sched_getscheduler(tid: Int) -> None:
    """Implements sched_getscheduler(2)."""


@syscall(146, passthrough=True)
def sched_get_priority_max(policy: Flags[Int, POLICY]) -> None:
    """Implements sched_get_priority_max(2)."""


@syscall(147, passthrough=True)
def sched_get_priority_min(policy: Flags[Int, POLICY]) -> None:
    """Implements sched_get_priority_min(2)."""


@syscall(148, passthrough=True)
def sched_rr_get_interval(tid: Int, interval: Out[Struct, TIMESPEC]) -> None:
    """Implements sched_rr_get_interval(2)."""


@syscall(314, passthrough=True)
def sched_setattr(tid: Int, attributes: In[Buffer, 56], flags: UInt) -> None:
    """Implements sched_setattr(2)."""


@syscall(315, passthrough=True)
def sched_getattr(tid: Int, attributes: Out[Buffer, "size"], size: UInt, flags: UInt) -> None:
    """Implements sched_getattr(2)."""


@syscall(309, passthrough=True)
def getcpu(cpu: Out[Struct, U32], node: Out[Struct, U32], unused: ULong) -> None:
    """Implements getcpu(2)."""
