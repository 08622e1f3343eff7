"""The robust futexes of a thread that ends: get_robust_list(2), Linux kernel/futex/core.c.

The host's kernel walks the list when a whole process dies; when a guest thread ends, or a program
gives way to another, the host thread still lives, so the walk is ours.  So it is in checked memory,
whose addresses the host does not know.
"""

from __future__ import annotations

from blink.abi.structs import U32, U64
from blink.kernel import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

LIST_LIMIT = 2048  # entries that Linux looks at
HEAD_SIZE = 24
WAITERS, OWNER_DIED, TID_MASK = 1 << 31, 1 << 30, (1 << 30) - 1
PI = 1  # low bit of a pointer to an entry
SIGN = 1 << 63


def release(task: Task) -> None:
    """Marks each futex that the thread holds, and wakes one waiter."""
    head, _ = task.robust_list
    if not head:
        return
    task.robust_list = (0, 0)
    if not task.memory.skew:
        host.now(host.NR_SET_ROBUST_LIST, 0, HEAD_SIZE)
    try:
        _walk(task, head)
    except task.MemoryFault:
        return  # Linux, too, stops where memory ends


def _walk(task: Task, head: int) -> None:
    (first,) = task.read_struct(head, U64)
    (offset,) = task.read_struct(head + 8, U64)
    (pending,) = task.read_struct(head + 16, U64)
    offset -= (offset & SIGN) << 1
    entry = first
    for _ in range(LIST_LIMIT):
        if entry & ~PI == head:
            break
        (following,) = task.read_struct(entry & ~PI, U64)  # before a waiter may change it
        if entry & ~PI != pending & ~PI:
            _die(task, (entry & ~PI) + offset, entry & PI, False)
        entry = following
    if pending & ~PI:
        _die(task, (pending & ~PI) + offset, pending & PI, True)


def _die(task: Task, address: int, pi: int, pending: bool) -> None:
    """FUTEX_OWNER_DIED, if this thread holds it; a lock that was just given up wakes a waiter."""
    if address & 3:
        return
    (value,) = task.read_struct(address, U32)
    if pending and not pi and not value & TID_MASK:
        wake(task, address)
        return
    while value & TID_MASK == task.tid:
        seen = task.memory.compare_exchange(address, value, value & WAITERS | OWNER_DIED)
        if seen == value:
            if not pi and value & WAITERS:
                wake(task, address)
            return
        value = seen


def wake(task: Task, address: int) -> None:
    """One of those who wait for a futex."""
    if task.process.director is not None:
        task.process.director.wake(task, address)
    host.now(host.NR_FUTEX, task.guest(address), host.FUTEX_WAKE, 1, 0, 0, 0)
