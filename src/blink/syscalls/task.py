"""A task's own: its segment bases, what the kernel does at its end, and that end.

Every program makes these calls, and few others: the file is small, so that starts are fast.
"""

from errno import EINVAL, ENODEV, ENOSYS, EPERM, ESRCH

from blink.abi import arch
from blink.abi.errors import SysError
from blink.abi.structs import U64
from blink.kernel import host, threads
from blink.syscalls._spec import Flags, Int, Out, Ptr, Size, Struct, UInt, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

ROBUST_LIST_HEAD_SIZE = 24
USER_ADDRESS_END = 1 << 47


@syscall(158, level="partial", note="segment bases and CPUID faulting only")
def arch_prctl(task: "Task", code: Flags[Int, arch.ARCH], addr: Ptr) -> int:
    """Implements arch_prctl(2).

    Shadow stacks, XSAVE permissions and other codes give EINVAL.  CPUID always works: disabling it
    gives ENODEV.
    """
    cpu = task.cpu
    if code in (arch.ARCH_SET_FS, arch.ARCH_SET_GS):
        if addr >= USER_ADDRESS_END:
            raise SysError(EPERM)
        cpu.set("fs_base" if code == arch.ARCH_SET_FS else "gs_base", addr)
        return 0
    if code in (arch.ARCH_GET_FS, arch.ARCH_GET_GS):
        value = cpu.get("fs_base" if code == arch.ARCH_GET_FS else "gs_base")
        task.write_struct(addr, U64, value)
        return 0
    if code == arch.ARCH_GET_CPUID:
        return 1
    raise SysError(ENODEV if code == arch.ARCH_SET_CPUID else EINVAL)


@syscall(218)
def set_tid_address(task: "Task", address: Ptr) -> int:
    """Implements set_tid_address(2)."""
    task.clear_child_tid = address
    return task.tid


@syscall(273)
def set_robust_list(task: "Task", head: Ptr, length: Size) -> None:
    """Implements set_robust_list(2).

    In checked memory (`-m`) the host cannot walk the list, so locks of a process that dies by a
    signal stay locked.
    """
    if length != ROBUST_LIST_HEAD_SIZE:
        raise SysError(EINVAL)
    task.robust_list = (head, length)
    if not task.memory.skew:
        host.now(host.NR_SET_ROBUST_LIST, head, length)


@syscall(274)
def get_robust_list(
    task: "Task", tid: Int, head: Out[Struct, U64], length: Out[Struct, U64]
) -> None:
    """Implements get_robust_list(2).

    Lists of other processes are theirs: EPERM.
    """
    owner = task.process.tasks.get(tid or task.tid)
    if owner is None:
        if tid < 0:
            raise SysError(ESRCH)
        raise SysError(EPERM if host.now(host.NR_KILL, tid, 0) != -ESRCH else ESRCH)
    address, size = owner.robust_list
    task.write_struct(length, U64, size or ROBUST_LIST_HEAD_SIZE)
    task.write_struct(head, U64, address)


@syscall(334, level="none", note="ENOSYS; glibc and others then work without it")
def rseq(task: "Task", area: Ptr, length: UInt, flags: Int, signature: UInt) -> int:
    """Implements rseq(2)."""
    raise SysError(ENOSYS)


@syscall(60)
def exit_(task: "Task", status: Int) -> int:
    """Implements exit(2)."""
    threads.exit(task, status)


@syscall(231)
def exit_group(task: "Task", status: Int) -> int:
    """Implements exit_group(2)."""
    task.process.exit(status)
