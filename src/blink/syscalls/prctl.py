"""prctl(2): what a process may ask about itself, and set."""

from errno import EINVAL, EPERM

from blink.abi import sched
from blink.abi.errors import SysError
from blink.abi.layout import MASK64
from blink.abi.structs import S32, U64
from blink.kernel import host
from blink.kernel.address_space import MDWE_NO_INHERIT, MDWE_REFUSE_EXEC_GAIN, PAGE_MASK, page_up
from blink.syscalls._spec import Flags, Int, ULong, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

_NAME_SIZE = 80  # of PR_SET_VMA, with the zero at its end

# Options whose arguments are plain numbers, and which mean the same to the host.
_PRCTL_NUMBERS = frozenset(
    (
        sched.PR_SET_PDEATHSIG,
        sched.PR_GET_DUMPABLE,
        sched.PR_SET_DUMPABLE,
        sched.PR_GET_KEEPCAPS,
        sched.PR_SET_KEEPCAPS,
        sched.PR_GET_TIMING,
        sched.PR_SET_TIMING,
        sched.PR_GET_SECCOMP,
        sched.PR_TASK_PERF_EVENTS_DISABLE,
        sched.PR_TASK_PERF_EVENTS_ENABLE,
        sched.PR_MCE_KILL,
        sched.PR_MCE_KILL_GET,
        sched.PR_GET_SPECULATION_CTRL,
        sched.PR_SET_SPECULATION_CTRL,
        sched.PR_SET_IO_FLUSHER,
        sched.PR_GET_IO_FLUSHER,
        sched.PR_SET_MEMORY_MERGE,
        sched.PR_GET_MEMORY_MERGE,
        sched.PR_CAPBSET_READ,
        sched.PR_CAPBSET_DROP,
        sched.PR_GET_SECUREBITS,
        sched.PR_SET_SECUREBITS,
        sched.PR_SET_TIMERSLACK,
        sched.PR_GET_TIMERSLACK,
        sched.PR_SET_CHILD_SUBREAPER,
        sched.PR_SET_NO_NEW_PRIVS,
        sched.PR_GET_NO_NEW_PRIVS,
        sched.PR_SET_THP_DISABLE,
        sched.PR_GET_THP_DISABLE,
        sched.PR_CAP_AMBIENT,
        sched.PR_SET_PTRACER,
    )
)
# Options whose first argument points to this many bytes.
_PRCTL_POINTERS = {
    sched.PR_GET_PDEATHSIG: 4,
    sched.PR_SET_NAME: 16,
    sched.PR_GET_NAME: 16,
    sched.PR_GET_CHILD_SUBREAPER: 4,
}


def _get_auxv(task: "Task", address: int, size: int, c: int, d: int) -> int:
    """PR_GET_AUXV: as much as fits; how much there is."""
    if host.now(host.NR_PRCTL, sched.PR_GET_AUXV, 0, 0, 0, 0) < 0 or c or d:
        raise SysError(EINVAL)  # so do kernels before Linux 6.4
    image = task.process.image
    assert image is not None
    task.memory.write(address, image.auxv[:size])
    return len(image.auxv)


def _host_knows(*args: int) -> None:
    """Raises EINVAL where the host's kernel is older than an option."""
    if host.now(host.NR_PRCTL, *args) < 0:
        raise SysError(EINVAL)


def _set_vma(task: "Task", option: int, address: int, size: int, pointer: int) -> int:
    """PR_SET_VMA: names memory, for /proc/self/maps, also where the host was built without it."""
    if option != sched.PR_SET_VMA_ANON_NAME:
        raise SysError(EINVAL)
    name = _vma_name(task, pointer) if pointer else None
    length = page_up(size) & MASK64
    if address & PAGE_MASK or (size and not length) or address + length > MASK64:
        raise SysError(EINVAL)
    if length:
        task.process.space.set_name(address, address + length, name)
    return 0


def _vma_name(task: "Task", pointer: int) -> bytes:
    name = task.memory.read_cstr(pointer, _NAME_SIZE)
    if len(name) == _NAME_SIZE or any(
        not 0x20 <= byte < 0x7F or byte in b"\\`$[]" for byte in name
    ):
        raise SysError(EINVAL)
    return name


def _set_mdwe(task: "Task", bits: int, *rest: int) -> int:
    """PR_SET_MDWE: from now on nothing that was written is executed."""
    _host_knows(sched.PR_GET_MDWE, 0, 0, 0, 0)
    space = task.process.space
    if any(rest) or bits not in (0, MDWE_REFUSE_EXEC_GAIN, MDWE_REFUSE_EXEC_GAIN | MDWE_NO_INHERIT):
        raise SysError(EINVAL)
    if space.mdwe and space.mdwe != bits:
        raise SysError(EPERM)
    space.mdwe = bits
    return 0


def _get_mdwe(task: "Task", *rest: int) -> int:
    _host_knows(sched.PR_GET_MDWE, 0, 0, 0, 0)
    if any(rest):
        raise SysError(EINVAL)
    return task.process.space.mdwe


@syscall(157, level="partial", note="no seccomp, or change of memory maps: EINVAL")
def prctl(
    task: "Task", option: Flags[Int, sched.PR], a: ULong, b: ULong, c: ULong, d: ULong
) -> int:
    """Implements prctl(2).

    PR_SET_SECCOMP, PR_SET_MM, PR_SET_SYSCALL_USER_DISPATCH and a time stamp counter that faults
    (PR_TSC_SIGSEGV) give EINVAL, as on a kernel without them, and are logged once.  After
    PR_SET_MDWE, execve(2) still maps segments that can be written and executed.
    """
    if option in _PRCTL_NUMBERS:
        return task.host(host.NR_PRCTL, option, a, b, c, d)
    size = _PRCTL_POINTERS.get(option)
    if size is not None:
        pointer = task.guest(a, size, option != sched.PR_SET_NAME)
        return task.host(host.NR_PRCTL, option, pointer, b, c, d)
    if option == sched.PR_GET_TID_ADDRESS:
        task.write_struct(a, U64, task.clear_child_tid)
        return 0
    if option == sched.PR_GET_AUXV:
        return _get_auxv(task, a, b, c, d)
    if option == sched.PR_GET_TSC:
        task.write_struct(a, S32, sched.PR_TSC_ENABLE)
        return 0
    if option == sched.PR_SET_TSC and a == sched.PR_TSC_ENABLE:
        return 0  # it always counts
    if option == sched.PR_SET_VMA:
        return _set_vma(task, a, b, c, d)
    if option == sched.PR_SET_MDWE:
        return _set_mdwe(task, a, b, c, d)
    if option == sched.PR_GET_MDWE:
        return _get_mdwe(task, a, b, c, d)
    task.process.log_once(f"prctl option {option:#x} is not supported")
    raise SysError(EINVAL)
