"""A system call that begins although a signal waits, as Linux lets it.

The box of a thread holds a signal that came; a host call that begins then would wait without an
end, so it is turned away, and begins anew when the handler has returned.  Where signals come faster
than that (an interval timer of some microseconds), it would never begin, nor any instruction run.
Then the signal goes back to the host, which holds it, the call begins, and kicks end its waiting:
what need not wait is done, as in Linux.

Rejected: a least period for timers, for no period is long enough on every machine.
"""

from __future__ import annotations

from errno import EINTR

from blink import _engine
from blink.abi import signals as sig
from blink.abi.errors import Interrupted
from blink.abi.structs import SIGINFO
from blink.kernel.deliver import deliver, handle, release
from blink.syscalls._dispatch import dispatch
from blink.syscalls._spec import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

SYSCALL_SIZE = 2
SIGRTMIN, SI_TIMER = 32, -2
UNSHARE, SETNS = 272, 308  # they never wait, and refuse processes with threads: kicks have one
PERIOD = 1_000_000  # nanoseconds between kicks


def begin(task: Task) -> None:
    """Runs the system call that the task is behind, then lets signals in again."""
    release(task)
    taken = _engine.sig_take()
    if taken is not None and not _held(task, *taken, SYSCALL_SIZE):
        return
    try:
        result = _call(task)
    except Interrupted:
        task.cpu.rip -= SYSCALL_SIZE
    except _WaitEnded:
        _end_wait(task)
        return
    else:
        if result is not KEEP:
            task.cpu.set_result(result)
    deliver(task)


def let_run(task: Task, signo: int, info: bytes) -> None:
    """The signal is held back for a millisecond, or until the next system call has begun."""
    if _held(task, signo, info, 0):
        task.native_before, task.cpu.native = task.cpu.native, False
        _engine.sig_kicks(_engine.KICK_ALWAYS, PERIOD)


def _held(task: Task, signo: int, info: bytes, back: int) -> bool:
    """Whether the host holds a signal that was taken; all is blocked but the synchronous five.

    Else the signal is delivered, `back` bytes before.
    """
    if _may_wait(signo, info) and _engine.sig_return(signo, info) == 0:
        return True
    task.cpu.rip -= back
    handle(task, signo, info)
    deliver(task)
    return False


def _may_wait(signo: int, info: bytes) -> bool:
    """Whether it merges with the next of its kind: queued ones keep their order, and all come."""
    code = SIGINFO.unpack(info)[2]
    merges = signo < SIGRTMIN or code == SI_TIMER
    return merges and not sig.SYNCHRONOUS_MASK & sig.bit(signo)


class _WaitEnded(Exception):
    """The call began, and would have waited longer."""


def _call(task: Task) -> int:
    """Interrupted: the call did not begin, for somebody else's signal or kick came."""
    number, *registers = task.cpu.syscall_args()
    waits = number & 0xFFFFFFFF not in (UNSHARE, SETNS)
    if waits and _engine.sig_kicks(_engine.KICK_WAITS, PERIOD) < 0:
        raise Interrupted  # no thread for kicks: nothing would end a wait
    try:
        result = dispatch(task, number, tuple(registers))
    except Interrupted:
        if _engine.sig_kicks(_engine.KICK_NEVER) == 0:
            raise
        raise _WaitEnded from None
    finally:
        _engine.sig_kicks(_engine.KICK_NEVER)
    return result


def _end_wait(task: Task) -> None:
    """A signal ended the call's wait: what its action says of that holds."""
    _engine.sig_setmask(task.sigmask)
    taken = _engine.sig_take()
    flags = 0 if taken is None else task.process.actions[taken[0]].flags
    if taken is None or flags & sig.SA_RESTART:
        task.cpu.rip -= SYSCALL_SIZE
    else:
        task.cpu.set_result(-EINTR)
    if taken is not None:
        handle(task, *taken)
    deliver(task)
