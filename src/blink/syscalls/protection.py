"""What pages allow: mprotect(2), protection keys, seals."""

from errno import EINVAL, ENOMEM, ENOSPC

from blink.abi import mman
from blink.abi.errors import SysError
from blink.abi.layout import GUEST_TOP, MASK64, PAGE
from blink.kernel import host
from blink.kernel.address_space import PAGE_MASK, page_up
from blink.syscalls._spec import Flags, In, Int, Range, Size, ULong, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task


@syscall(10)
def mprotect(
    task: "Task", addr: In[Range, "length"], length: Size, prot: Flags[Int, mman.PROT]
) -> None:
    """Implements mprotect(2)."""
    grows = prot & (mman.PROT_GROWSDOWN | mman.PROT_GROWSUP)
    prot &= ~(mman.PROT_GROWSDOWN | mman.PROT_GROWSUP)
    if grows == mman.PROT_GROWSDOWN | mman.PROT_GROWSUP or addr & PAGE_MASK:
        raise SysError(EINVAL)
    if length == 0:
        return
    end = addr + page_up(length) & MASK64
    if end <= addr:
        raise SysError(ENOMEM)
    if prot & ~(mman.PROT_RWX | mman.PROT_SEM):
        raise SysError(EINVAL)
    if addr >= GUEST_TOP:
        raise SysError(ENOMEM)
    start = _extended(task, addr, end, grows)
    end = min(end, GUEST_TOP + PAGE)  # no page behind is mapped: ENOMEM
    task.process.space.protect(start, end, prot & mman.PROT_RWX)


def _extended(task: "Task", addr: int, end: int, grows: int) -> int:
    """The start of the change: with PROT_GROWSDOWN, of the mapping that grows down."""
    if not grows:
        return addr
    found = task.process.space.overlapping(addr, end)
    if not found or (grows == mman.PROT_GROWSUP and found[0].start > addr):
        raise SysError(ENOMEM)
    if grows == mman.PROT_GROWSUP or not found[0].grows:
        raise SysError(EINVAL)
    return found[0].start


@syscall(329)
def pkey_mprotect(
    task: "Task",
    addr: In[Range, "length"],
    length: Size,
    prot: Flags[Int, mman.PROT],
    pkey: Int,
) -> None:
    """Implements pkey_mprotect(2).

    CPUID offers no protection keys, so only key -1 is valid.
    """
    if pkey != -1:
        raise SysError(EINVAL)
    mprotect(task, addr, length, prot)


@syscall(330)
def pkey_alloc(task: "Task", flags: ULong, rights: ULong) -> int:
    """Implements pkey_alloc(2).

    CPUID offers no protection keys: ENOSPC, as on such a CPU.
    """
    raise SysError(EINVAL if flags or rights & ~3 else ENOSPC)


@syscall(331)
def pkey_free(task: "Task", pkey: Int) -> int:
    """Implements pkey_free(2).

    No key can be allocated, so none can be freed.
    """
    raise SysError(EINVAL)


@syscall(462)
def mseal(task: "Task", addr: In[Range, "length"], length: Size, flags: ULong) -> None:
    """Implements mseal(2)."""
    task.host(host.NR_MSEAL, 0, 0, 0)  # ENOSYS where uname(2) shows a kernel without it
    size = page_up(length)
    if flags or addr & PAGE_MASK or (length and not size & MASK64):
        raise SysError(EINVAL)
    if addr + size > MASK64:
        raise SysError(EINVAL)
    if size and not task.process.space.covered(addr, addr + size):
        raise SysError(ENOMEM)
    task.process.space.seal(addr, addr + size)
