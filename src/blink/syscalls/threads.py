"""What threads need: futexes, scheduling.  Threads themselves: see `clone`."""

from blink.abi import sched
from blink.abi.flags import enumeration
from blink.abi.structs import FUTEX_WAITV, FUTEX_WORD, SCHED_PARAM, TIMESPEC, U32
from blink.kernel import host
from blink.syscalls._dispatch import BAD_ADDRESS
from blink.syscalls._spec import (
    ALWAYS,
    Array,
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

NR_FUTEX_WAITV, NR_FUTEX_REQUEUE = 449, 456
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
MEMBARRIER = enumeration(
    {
        "MEMBARRIER_CMD_QUERY": 0,
        "MEMBARRIER_CMD_GLOBAL": 1,
        "MEMBARRIER_CMD_GLOBAL_EXPEDITED": 2,
        "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED": 4,
        "MEMBARRIER_CMD_PRIVATE_EXPEDITED": 8,
        "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED": 16,
        "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE": 32,
        "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE": 64,
        "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ": 128,
        "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ": 256,
        "MEMBARRIER_CMD_GET_REGISTRATIONS": 512,
    }
)
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


@syscall(202, native=ALWAYS, waits=True)
def futex(
    task: "Task",
    word: InOut[Struct, FUTEX_WORD],
    op: Flags[Int, sched.FUTEX],
    value: UInt,
    timeout: By[ULong, "op", _FOURTH],
    word2: InOut[Struct, FUTEX_WORD],
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


# --- the calls that replace futex(2) one by one ---


def _host_waiters(task: "Task", address: int, count: int) -> int | bytes:
    """An array of futex_waitv with host addresses; the host refuses an absurd one itself."""
    if not address or not 0 < count <= sched.FUTEX_WAITV_MAX:
        return task.guest(address)
    size = FUTEX_WAITV.size
    try:
        data = task.memory.read(address, count * size)
    except task.MemoryFault:
        return _broken_waiters(task, address, count)
    made = b""
    for at in range(0, len(data), size):
        value, word, flags, reserved = FUTEX_WAITV.unpack(data[at : at + size])
        made += FUTEX_WAITV.pack(value, task.guest(word, 4, True), flags, reserved)
    return made


def _broken_waiters(task: "Task", address: int, count: int) -> int | bytes:
    """For an array that cannot be read to its end: the host checks each waiter as it reads."""
    size = FUTEX_WAITV.size
    for at in range(address, address + count * size, size):
        try:
            _, _, flags, reserved = task.read_struct(at, FUTEX_WAITV)
        except task.MemoryFault:
            return BAD_ADDRESS
        if reserved or flags & ~sched.FUTEX2_KNOWN or flags & 3 != sched.FUTEX2_SIZE_U32:
            return FUTEX_WAITV.pack(0, 0, flags, reserved) * count  # EINVAL, at its place
    return BAD_ADDRESS


@syscall(449, waits=True)
def futex_waitv(
    task: "Task",
    waiters: In[Array, FUTEX_WAITV, "count"],
    count: UInt,
    flags: UInt,
    timeout: In[Struct, TIMESPEC],
    clock: Int,
) -> int:
    """Implements futex_waitv(2)."""
    made = _host_waiters(task, waiters, count)
    return task.host(NR_FUTEX_WAITV, made, count, flags, task.guest(timeout), clock)


@syscall(454, passthrough=True)
def futex_wake(
    word: InOut[Struct, FUTEX_WORD], mask: ULong, count: Int, flags: Flags[UInt, sched.FUTEX2]
) -> None:
    """Implements futex_wake(2)."""


@syscall(455, passthrough=True, waits=True)
def futex_wait(
    word: InOut[Struct, FUTEX_WORD],
    value: ULong,
    mask: ULong,
    flags: Flags[UInt, sched.FUTEX2],
    timeout: In[Struct, TIMESPEC],
    clock: Int,
) -> None:
    """Implements futex_wait(2)."""


@syscall(456)
def futex_requeue(
    task: "Task", waiters: In[Array, FUTEX_WAITV, 2], flags: UInt, wake: Int, requeue: Int
) -> int:
    """Implements futex_requeue(2)."""
    return task.host(NR_FUTEX_REQUEUE, _host_waiters(task, waiters, 2), flags, wake, requeue)


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
