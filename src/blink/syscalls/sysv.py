"""System V shared memory."""

from errno import EINVAL, EPERM

from blink.abi import ipc, mman
from blink.abi.errors import SysError
from blink.abi.layout import GUEST_MIN, GUEST_TOP
from blink.kernel import host
from blink.kernel.address_space import PAGE_MASK, Vma, page_up
from blink.syscalls._dispatch import forward
from blink.syscalls._spec import (
    ALWAYS,
    CALLS,
    By,
    Flags,
    In,
    Int,
    Out,
    Ptr,
    Size,
    Struct,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

LABEL = b"/SYSV"
SEGSZ = ipc.SHMID_DS.fields.index("shm_segsz")

CONTROLS = {
    ipc.IPC_RMID: ULong,
    ipc.IPC_SET: In[Struct, ipc.SHMID_DS],
    ipc.IPC_STAT: Out[Struct, ipc.SHMID_DS],
    ipc.IPC_INFO: Out[Struct, ipc.SHMINFO],
    ipc.SHM_INFO: Out[Struct, ipc.SHM_INFO_STRUCT],
    ipc.SHM_STAT: Out[Struct, ipc.SHMID_DS],
    ipc.SHM_STAT_ANY: Out[Struct, ipc.SHMID_DS],
    ipc.SHM_LOCK: ULong,
    ipc.SHM_UNLOCK: ULong,
}


@syscall(29, passthrough=True)
def shmget(key: Int, size: Size, flags: Flags[Int, ipc.SHM_GET]) -> None:
    """Implements shmget(2)."""


@syscall(31, native=ALWAYS)
def shmctl(
    task: "Task",
    shmid: Int,
    command: Flags[Int, ipc.SHM_CONTROL],
    arg: By[ULong, "command", CONTROLS],
) -> int:
    """Implements shmctl(2)."""
    if command in CONTROLS:
        return forward(task, CALLS[host.NR_SHMCTL], (shmid, command, arg))
    return task.host(host.NR_SHMCTL, shmid, command, 0)


@syscall(30, result="hex")
def shmat(task: "Task", shmid: Int, addr: Ptr, flags: Flags[Int, ipc.SHM_AT]) -> int:
    """Implements shmat(2)."""
    space = task.process.space
    if not addr and flags & mman.SHM_REMAP:
        raise SysError(EINVAL)
    if addr & PAGE_MASK and not flags & mman.SHM_RND:
        raise SysError(EINVAL)
    size = page_up(_segment_size(task, shmid))
    start = _attach_address(task, addr, size, flags)
    prot = mman.PROT_READ
    prot |= 0 if flags & mman.SHM_RDONLY else mman.PROT_WRITE
    prot |= mman.PROT_EXEC if flags & mman.SHM_EXEC else 0
    vma = Vma(start, start + size, prot, origin=space.new_origin())
    vma.shared = True
    vma.label = LABEL
    space.check_exec_gain(prot, prot)
    space.map_segment(vma, mman.MAP_SHARED | mman.MAP_ANONYMOUS | mman.MAP_NORESERVE, shmid)
    flags = flags & ~mman.SHM_RND | mman.SHM_REMAP  # SHM_EXEC, too: it asks for permission
    result = host.now(host.NR_SHMAT, shmid, start + task.memory.skew, flags)
    if -4096 < result < 0:
        space.unmap(start, start + size)
        raise SysError(-result)
    task.memory.prepare_write(start, size)  # a recording needs what others have put there
    return start


def _segment_size(task: "Task", shmid: int) -> int:
    data = bytearray(ipc.SHMID_DS.size)
    task.host(host.NR_SHMCTL, shmid, ipc.IPC_STAT, data)
    return ipc.SHMID_DS.unpack(bytes(data))[SEGSZ]


def _attach_address(task: "Task", addr: int, size: int, flags: int) -> int:
    space = task.process.space
    if addr == 0:
        return space.find_gap(size)
    if flags & mman.SHM_RND:
        addr &= ~PAGE_MASK
    if not GUEST_MIN <= addr <= GUEST_TOP - size:
        raise SysError(EINVAL)
    if space.has_sealed(addr, addr + size):
        raise SysError(EPERM)
    if not flags & mman.SHM_REMAP and not space.is_free(addr, addr + size):
        raise SysError(EINVAL)
    return addr


@syscall(67)
def shmdt(task: "Task", addr: Ptr) -> None:
    """Implements shmdt(2)."""
    space = task.process.space
    first = space.find(addr)
    if first is None or first.label != LABEL or first.start != addr:
        raise SysError(EINVAL)
    for vma in [vma for vma in space if vma.origin == first.origin]:
        space.unmap(vma.start, vma.end)
