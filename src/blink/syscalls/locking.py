"""Locking pages into memory: the guest's, never the emulator's own."""

from errno import EINVAL, ENOMEM, EPERM

from blink.abi import mman
from blink.abi.errors import SysError
from blink.abi.layout import MASK64, PAGE
from blink.abi.limits import RLIMIT_MEMLOCK
from blink.kernel import host
from blink.kernel.address_space import PAGE_MASK, Vma, page_up
from blink.syscalls._spec import Flags, In, Int, Range, Size, UInt, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

CAP_IPC_LOCK = 14
_ALL = mman.MCL_CURRENT | mman.MCL_FUTURE | mman.MCL_ONFAULT


@syscall(149)
def mlock(task: "Task", addr: In[Range, "length"], length: Size) -> int:
    """Implements mlock(2)."""
    return _up_to_a_hole(task, host.NR_MLOCK, addr, length)


@syscall(325)
def mlock2(task: "Task", addr: In[Range, "length"], length: Size, flags: UInt) -> int:
    """Implements mlock2(2)."""
    return _up_to_a_hole(task, host.NR_MLOCK2, addr, length, flags)


@syscall(150)
def munlock(task: "Task", addr: In[Range, "length"], length: Size) -> int:
    """Implements munlock(2)."""
    return _up_to_a_hole(task, host.NR_MUNLOCK, addr, length)


def _up_to_a_hole(task: "Task", number: int, addr: int, length: int, *flags: int) -> int:
    """The host's call for what is mapped, then ENOMEM: in a hole may be memory of ours."""
    start, size = task.pages(addr, length)
    first, end = addr & ~PAGE_MASK, page_up(addr + size)
    stop = task.process.space.reach(first, end)
    if end > MASK64 or stop == end:
        return task.host(number, start, size, *flags)
    task.host(number, first + task.memory.skew, stop - first, *flags)
    raise SysError(ENOMEM)


@syscall(151)
def mlockall(task: "Task", flags: Flags[Int, mman.MCL]) -> None:
    """Implements mlockall(2).

    Of the stack the part in use is locked.
    """
    if not flags or flags & ~_ALL or flags == mman.MCL_ONFAULT:
        raise SysError(EINVAL)
    space = task.process.space
    ranges = [_in_use(task, vma) for vma in space]
    _check_rights(sum(end - start for start, end, _ in ranges), flags)
    on_fault = bool(flags & mman.MCL_ONFAULT)
    space.lock_new = (1 + on_fault) if flags & mman.MCL_FUTURE else 0
    for start, end, prot in ranges if flags & mman.MCL_CURRENT else ():
        how = int(on_fault or not prot)
        host.now(host.NR_MLOCK2, start + task.memory.skew, end - start, how)  # as much as can be


def _in_use(task: "Task", vma: Vma) -> tuple[int, int, int]:
    """Start, end and protection; the stack is mapped as a whole, in Linux what was touched."""
    rsp = task.cpu.get("rsp") & -PAGE
    inside = vma.label == b"[stack]" and vma.start <= rsp < vma.end
    return rsp if inside else vma.start, vma.end, vma.prot


def _check_rights(total: int, flags: int) -> None:
    limit = host.rlimit(RLIMIT_MEMLOCK)[0]
    if total <= limit or host.has_capability(CAP_IPC_LOCK):
        return
    if limit == 0:
        raise SysError(EPERM)
    if flags & mman.MCL_CURRENT:
        raise SysError(ENOMEM)


@syscall(152)
def munlockall(task: "Task") -> None:
    """Implements munlockall(2)."""
    task.process.space.lock_new = 0
    for vma in task.process.space:
        host.now(host.NR_MUNLOCK, vma.start + task.memory.skew, vma.end - vma.start)
