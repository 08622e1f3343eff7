"""fork(2), vfork(2), clone(2): new processes and threads."""

from errno import E2BIG, EFAULT, EINVAL

from blink.abi import sched
from blink.abi.errors import SysError
from blink.abi.layout import PAGE
from blink.abi.signals import NSIG, SIGCHLD
from blink.abi.structs import CLONE_ARGS, S32
from blink.kernel import fork as fork_
from blink.kernel import host, threads
from blink.syscalls._spec import Flags, In, Ptr, Size, Struct, ULong, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

CLONE_ARGS_SIZE_VER0 = 64

_SUPPORTED = (
    sched.CLONE_VM
    | sched.CLONE_VFORK
    | sched.CLONE_PIDFD
    | sched.CLONE_SETTLS
    | sched.CLONE_PARENT_SETTID
    | sched.CLONE_CHILD_CLEARTID
    | sched.CLONE_CHILD_SETTID
    | sched.CLONE_UNTRACED
    | sched.CLONE_IO
    | sched.CLONE_CLEAR_SIGHAND
)
_THREAD = (
    sched.CLONE_VM | sched.CLONE_FS | sched.CLONE_FILES | sched.CLONE_SIGHAND | sched.CLONE_THREAD
)
_THREAD_SUPPORTED = (
    _THREAD
    | sched.CLONE_SYSVSEM
    | sched.CLONE_SETTLS
    | sched.CLONE_PARENT_SETTID
    | sched.CLONE_CHILD_CLEARTID
    | sched.CLONE_CHILD_SETTID
    | sched.CLONE_DETACHED
    | sched.CLONE_UNTRACED
    | sched.CLONE_IO
)
NOTE = "other combinations, other signals and namespaces give EINVAL"


class Request:
    """What clone(2) and clone3(2) ask for: a signal number, addresses, and CLONE_ flags."""

    __slots__ = ("child_tid", "flags", "parent_tid", "pidfd", "signal", "stack", "tls")

    def __init__(self, flags: int, signal: int, stack: int, tls: int = 0) -> None:
        self.flags = flags
        self.signal = signal
        self.stack = stack
        self.tls = tls
        self.parent_tid = self.child_tid = self.pidfd = 0


@syscall(57)
def fork(task: "Task") -> int:
    """Implements fork(2)."""
    return fork_.fork(task)


@syscall(58, waits=True)
def vfork(task: "Task") -> int:
    """Implements vfork(2).

    The child's writes to memory reach the parent when the child ends or executes a program.
    """
    return fork_.vfork(task)


@syscall(56, level="partial", note=NOTE)
def clone(
    task: "Task", flags: Flags[ULong, sched.CLONE], stack: Ptr, ptid: Ptr, ctid: Ptr, tls: Ptr
) -> int:
    """Implements clone(2).

    A thread shares memory, descriptors, directories and signal actions, a process none of them, and
    its parent hears of its end by SIGCHLD.  A process that shares memory (CLONE_VM) runs while its
    parent waits, as after vfork(2).
    """
    request = Request(flags & 0xFFFFFF00, flags & sched.CSIGNAL, stack, tls)
    request.parent_tid = request.pidfd = ptid
    request.child_tid = ctid
    if flags & sched.CLONE_PIDFD and flags & (sched.CLONE_PARENT_SETTID | sched.CLONE_DETACHED):
        raise SysError(EINVAL)
    return _clone(task, request)


@syscall(435, level="partial", note=NOTE)
def clone3(task: "Task", args: In[Struct, CLONE_ARGS], size: Size) -> int:
    """Implements clone3(2).

    As clone(2); thread numbers cannot be chosen (`set_tid`): EINVAL.
    """
    values = _read_clone_args(task, args, size)
    request = Request(values["flags"], values["exit_signal"], 0, values["tls"])
    request.parent_tid, request.child_tid = values["parent_tid"], values["child_tid"]
    request.pidfd = values["pidfd"]
    _check_clone3(values)
    if values["stack"]:
        request.stack = values["stack"] + values["stack_size"]
    return _clone(task, request)


def _read_clone_args(task: "Task", args: int, size: int) -> dict[str, int]:
    """The structure by field, absent fields 0; bytes that we do not know must be 0."""
    if size > PAGE:
        raise SysError(E2BIG)
    if size < CLONE_ARGS_SIZE_VER0:
        raise SysError(EINVAL)
    data = task.memory.read(args, size)
    if any(data[CLONE_ARGS.size :]):
        raise SysError(E2BIG)
    whole = data[: CLONE_ARGS.size].ljust(CLONE_ARGS.size, b"\0")
    return dict(zip(CLONE_ARGS.fields, CLONE_ARGS.unpack(whole), strict=True))


def _check_clone3(values: dict[str, int]) -> None:
    if values["flags"] & (sched.CSIGNAL | sched.CLONE_DETACHED) or values["exit_signal"] > NSIG:
        raise SysError(EINVAL)
    if bool(values["stack"]) != bool(values["stack_size"]):
        raise SysError(EINVAL)
    if values["set_tid"] or values["set_tid_size"]:
        raise SysError(EINVAL)


def _clone(task: "Task", request: Request) -> int:
    flags = request.flags
    if flags & sched.CLONE_THREAD:
        return _clone_thread(task, request)
    if flags & ~_SUPPORTED or request.signal != SIGCHLD:
        raise _unsupported(task, request)
    if flags & sched.CLONE_PIDFD and task.memory.probe(request.pidfd, 4, True) is not None:
        raise SysError(EFAULT)
    shares_memory = flags & (sched.CLONE_VM | sched.CLONE_VFORK)
    pid = fork_.vfork(task) if shares_memory else fork_.fork(task)
    if pid == 0:
        _set_up_child(task, request)
    else:
        _set_up_parent(task, request, pid)
    return pid


def _unsupported(task: "Task", request: Request) -> SysError:
    names = sched.CLONE.format(request.flags | request.signal & sched.CSIGNAL)
    task.process.log_once(f"clone({names}) is not supported")
    return SysError(EINVAL)


def _clone_thread(task: "Task", request: Request) -> int:
    flags = request.flags
    if not flags & sched.CLONE_SIGHAND or not flags & sched.CLONE_VM:
        raise SysError(EINVAL)
    if flags & _THREAD != _THREAD or flags & ~_THREAD_SUPPORTED or task.process.vfork:
        raise _unsupported(task, request)
    return threads.start(task, lambda new: _set_up_thread(new, request)).tid


def _set_up_thread(new: "Task", request: Request) -> None:
    new.cpu.set_result(0)
    if request.stack:
        new.cpu.set("rsp", request.stack)
    if request.flags & sched.CLONE_SETTLS:
        new.cpu.set("fs_base", request.tls)
    if request.flags & sched.CLONE_CHILD_CLEARTID:
        new.clear_child_tid = request.child_tid
    if request.flags & sched.CLONE_CHILD_SETTID:
        _store(new, request.child_tid, new.tid)
    if request.flags & sched.CLONE_PARENT_SETTID:
        _store(new, request.parent_tid, new.tid)


def _set_up_child(task: "Task", request: Request) -> None:
    flags = request.flags
    if request.stack:
        task.cpu.set("rsp", request.stack)
    if flags & sched.CLONE_SETTLS:
        task.cpu.set("fs_base", request.tls)
    if flags & sched.CLONE_CLEAR_SIGHAND:
        task.process.actions.after_exec()
    task.clear_child_tid = request.child_tid if flags & sched.CLONE_CHILD_CLEARTID else 0
    if flags & sched.CLONE_CHILD_SETTID:
        _store(task, request.child_tid, task.tid)


def _set_up_parent(task: "Task", request: Request, pid: int) -> None:
    if request.flags & sched.CLONE_PARENT_SETTID:
        _store(task, request.parent_tid, pid)
    if request.flags & sched.CLONE_PIDFD:
        task.write_struct(request.pidfd, S32, host.now(host.NR_PIDFD_OPEN, pid, 0))


def _store(task: "Task", address: int, value: int) -> None:
    """Stores a thread number; a bad address is nobody's error, as in Linux."""
    try:
        task.write_struct(address, S32, value)
    except task.MemoryFault:
        return
