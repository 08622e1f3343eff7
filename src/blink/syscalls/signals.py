"""Signals: actions, masks, sending, waiting, the alternate stack.  Timers are in `time`."""

from errno import EINTR, EINVAL

from blink.abi import signals as sig
from blink.abi.errors import SysError
from blink.abi.flags import enumeration
from blink.abi.structs import SIGACTION, SIGINFO, SIGSET, STACK_T, TIMESPEC
from blink.kernel import frame, host
from blink.kernel.actions import Action
from blink.kernel.deliver import bad_return, pending_signals
from blink.syscalls._spec import (
    KEEP,
    Flags,
    In,
    Int,
    Out,
    Signal,
    Size,
    Struct,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

HOW = enumeration({"SIG_BLOCK": 0, "SIG_UNBLOCK": 1, "SIG_SETMASK": 2})
SIGSET_SIZE = 8


@syscall(13)
def rt_sigaction(
    task: "Task",
    signo: Signal,
    new: In[Struct, SIGACTION],
    old: Out[Struct, SIGACTION],
    size: Size,
) -> None:
    """Implements rt_sigaction(2)."""
    if size != SIGSET_SIZE:
        raise SysError(EINVAL)
    values = task.read_struct(new, SIGACTION) if new else None
    immutable = values is not None and signo in (sig.SIGKILL, sig.SIGSTOP)
    if not 1 <= signo <= sig.NSIG or immutable:
        raise SysError(EINVAL)
    actions = task.process.actions
    was = actions[signo]
    if values is not None:
        handler, flags, restorer, mask = values
        actions.set(signo, Action(handler, flags & sig.SA_KNOWN, restorer, mask))
    if old:
        task.write_struct(old, SIGACTION, was.handler, was.flags, was.restorer, was.mask)


@syscall(14)
def rt_sigprocmask(
    task: "Task",
    how: Flags[Int, HOW],
    new: In[Struct, SIGSET],
    old: Out[Struct, SIGSET],
    size: Size,
) -> None:
    """Implements rt_sigprocmask(2)."""
    if size != SIGSET_SIZE:
        raise SysError(EINVAL)
    was = task.sigmask
    if new:
        (bits,) = task.read_struct(new, SIGSET)
        task.set_sigmask(_combine(how, was, bits))
    if old:
        task.write_struct(old, SIGSET, was)


def _combine(how: int, mask: int, bits: int) -> int:
    if how == sig.SIG_BLOCK:
        return mask | bits
    if how == sig.SIG_UNBLOCK:
        return mask & ~bits
    if how == sig.SIG_SETMASK:
        return bits
    raise SysError(EINVAL)


@syscall(127)
def rt_sigpending(task: "Task", pending: Out[Struct, SIGSET], size: Size) -> None:
    """Implements rt_sigpending(2)."""
    if size > SIGSET_SIZE:
        raise SysError(EINVAL)
    task.memory.write(pending, SIGSET.pack(pending_signals())[:size])


@syscall(130, waits=True)
def rt_sigsuspend(task: "Task", mask: In[Struct, SIGSET], size: Size) -> int:
    """Implements rt_sigsuspend(2)."""
    if size != SIGSET_SIZE:
        raise SysError(EINVAL)
    (bits,) = task.read_struct(mask, SIGSET)
    during = bits & ~sig.UNBLOCKABLE
    held = SIGSET.pack(during & ~sig.SYNCHRONOUS_MASK)
    try:
        return task.host(host.NR_RT_SIGSUSPEND, held, SIGSET_SIZE)
    except SysError as error:
        if error.errno == EINTR:
            task.call_mask = during
        raise


@syscall(
    128,
    passthrough=True,
    level="partial",
    note="a blocked SIGSEGV (ILL, TRAP, BUS, FPE) is missed",
    waits=True,
)
def rt_sigtimedwait(
    mask: In[Struct, SIGSET],
    info: Out[Struct, SIGINFO],
    timeout: In[Struct, TIMESPEC],
    size: Size,
) -> None:
    """Implements rt_sigtimedwait(2).

    SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP are not seen when they were sent before the call.
    """


@syscall(129, passthrough=True)
def rt_sigqueueinfo(pid: Int, signo: Signal, info: In[Struct, SIGINFO]) -> None:
    """Implements rt_sigqueueinfo(2)."""


@syscall(297, passthrough=True)
def rt_tgsigqueueinfo(pid: Int, tid: Int, signo: Signal, info: In[Struct, SIGINFO]) -> None:
    """Implements rt_tgsigqueueinfo(2)."""


@syscall(62, passthrough=True)
def kill(pid: Int, signo: Signal) -> None:
    """Implements kill(2)."""


@syscall(200, passthrough=True)
def tkill(tid: Int, signo: Signal) -> None:
    """Implements tkill(2)."""


@syscall(234, passthrough=True)
def tgkill(pid: Int, tid: Int, signo: Signal) -> None:
    """Implements tgkill(2)."""


@syscall(34, passthrough=True, waits=True)
def pause() -> None:
    """Implements pause(2)."""


@syscall(131)
def sigaltstack(task: "Task", new: In[Struct, STACK_T], old: Out[Struct, STACK_T]) -> None:
    """Implements sigaltstack(2)."""
    stack = task.altstack
    rsp = task.cpu.get("rsp")
    was = (stack.sp, frame.altstack_flags(stack, rsp), stack.size)
    if new:
        sp, flags, size = task.read_struct(new, STACK_T)
        if error := frame.set_altstack(stack, rsp, sp, flags, size):
            raise SysError(error)
    if old:
        task.write_struct(old, STACK_T, *was)


@syscall(15)
def rt_sigreturn(task: "Task") -> int:
    """Implements rt_sigreturn(2)."""
    try:
        saved = frame.read(task)
    except task.MemoryFault:
        bad_return(task)
        return KEEP
    task.set_sigmask(saved.mask)  # raises Interrupted before anything is restored
    if not frame.restore(task, saved):
        bad_return(task)
    return KEEP
