"""NUMA memory policies: where pages are to lie."""

from errno import EFAULT

from blink.abi import mman
from blink.abi.errors import SysError
from blink.abi.layout import PAGE
from blink.abi.structs import S32, U64
from blink.kernel import host
from blink.syscalls._dispatch import BAD_ADDRESS
from blink.syscalls._spec import (
    Array,
    Bits,
    Flags,
    In,
    Int,
    Out,
    Ptr,
    Range,
    Size,
    Struct,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_MBIND, NR_GET_MEMPOLICY, NR_MOVE_PAGES, NR_HOME_NODE = 237, 239, 279, 450
MAX_PAGES = 1 << 20
MAX_NODES = 1 << 15  # the host refuses longer masks: a page of bits


def _mask_bytes(bits: int) -> int:
    return (bits + 63) // 64 * 8 if bits <= MAX_NODES else 0


@syscall(237)
def mbind(
    task: "Task",
    addr: In[Range, "length"],
    length: Size,
    mode: Flags[ULong, mman.MPOL],
    nodes: In[Bits, "count"],
    count: ULong,
    flags: Flags[UInt, mman.MPOL_MF],
) -> int:
    """Implements mbind(2)."""
    pages = task.pages(addr, length)
    return task.host(NR_MBIND, *pages, mode, task.guest(nodes), count, flags)


@syscall(238, passthrough=True)
def set_mempolicy(mode: Flags[Int, mman.MPOL], nodes: In[Bits, "count"], count: ULong) -> None:
    """Implements set_mempolicy(2)."""


@syscall(239)
def get_mempolicy(
    task: "Task",
    mode: Out[Struct, S32],
    nodes: Out[Bits, "count"],
    count: ULong,
    addr: Ptr,
    flags: Flags[ULong, mman.MPOL_F],
) -> int:
    """Implements get_mempolicy(2)."""
    where = task.guest(mode, S32.size, True)
    mask = task.guest(nodes, _mask_bytes(count), True)
    return task.host(NR_GET_MEMPOLICY, where, mask, count, task.guest(addr), flags)


@syscall(256, passthrough=True)
def migrate_pages(pid: Int, count: ULong, old: In[Bits, "count"], new: In[Bits, "count"]) -> None:
    """Implements migrate_pages(2)."""


def _readable(task: "Task", address: int, count: int) -> list[int]:
    """The page addresses of an array, up to where it cannot be read."""
    data = b""
    try:
        while len(data) < count * U64.size:
            size = min(count * U64.size - len(data), PAGE - (address + len(data)) % PAGE)
            data += task.memory.read(address + len(data), size)
    except task.MemoryFault:
        pass
    found = range(0, len(data) // U64.size * U64.size, U64.size)
    return [task.guest(int.from_bytes(data[at : at + U64.size], "little")) for at in found]


@syscall(279)
def move_pages(
    task: "Task",
    pid: Int,
    count: ULong,
    pages: In[Array, U64, "count"],
    nodes: In[Array, S32, "count"],
    status: Out[Array, S32, "count"],
    flags: Flags[Int, mman.MPOL_MF],
) -> int:
    """Implements move_pages(2)."""
    room = count * S32.size if count < MAX_PAGES else 0
    where = task.guest(status, room, True)
    if not task.memory.skew or not pages or not room:
        pointer = task.guest(pages)
        return task.host(NR_MOVE_PAGES, pid, count, pointer, task.guest(nodes), where, flags)
    each = _readable(task, pages, count)
    array: int | bytes = b"".join(map(U64.pack, each)) if each else BAD_ADDRESS
    here = len(each) or 1
    # It does not wait; signals from a fast timer would have all of this done anew for ever.
    result = host.now(NR_MOVE_PAGES, pid, here, array, task.guest(nodes), where, flags)
    if result < 0:
        raise SysError(-result)
    if len(each) < count:
        raise SysError(EFAULT)  # behind what could be done
    return result


@syscall(450)
def set_mempolicy_home_node(
    task: "Task", addr: In[Range, "length"], length: Size, node: ULong, flags: ULong
) -> int:
    """Implements set_mempolicy_home_node(2)."""
    return task.host(NR_HOME_NODE, *task.pages(addr, length), node, flags)
