"""The loop of a guest thread: run the Cpu, look why it stopped, act, go on."""

from __future__ import annotations

from errno import EINTR

from blink import _engine
from blink.abi import signals as sig
from blink.abi.errors import Interrupted
from blink.kernel import faults, host
from blink.kernel.deliver import deliver, force, handle
from blink.kernel.frame import Trap
from blink.kernel.threads import obey
from blink.syscalls._dispatch import dispatch, note_mask
from blink.syscalls._spec import KEEP
from blink.syscalls._table import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

    from blink.kernel.task import Task

DIFFERENCE = 49  # exit status of --doctor
RT_SIGRETURN = 15
SYSCALL_SIZE = 2  # bytes of the instruction, 0F 05
PATIENCE = 2  # how often a signal may come before the same system call
MANY, ALIKE = 32, 16  # how often before any instruction, and how much more one like the last counts
INT1 = b"\xf1"


def run(task: Task) -> NoReturn:
    """Runs the task until its thread ends, by ThreadEnded; or the process ends inside."""
    if task.process.director is not None:
        task.process.director.guide(task)
    process, cpu, lock = task.process, task.cpu, host.lock
    while True:
        stop = cpu.run()
        with lock:
            _ACTIONS[stop](task)
            if process.survivor is not None:
                obey(task)


def act(task: Task, stop: int) -> None:
    """For a director: what follows a stop.  The caller holds the lock."""
    _ACTIONS[stop](task)
    if task.process.survivor is not None:
        obey(task)


def _syscall(task: Task) -> None:
    if task.native_before is not None:
        _starved().begin(task)
        return
    call = task.cpu.syscall_args()
    task.after_handler = call[0] & 0xFFFFFFFF == RT_SIGRETURN
    try:
        result = dispatch(task, call[0], call[1:])
    except Interrupted:
        _turned_away(task)
        return
    if result == -EINTR:
        task.stuck = (0, 0)  # the program got as far as this call; its signal is due now
    if result is not KEEP:
        task.cpu.set_result(result)


def _interrupted(task: Task) -> None:
    """A native call that a signal ended, or that never began; RAX still is its number."""
    number, *_ = registers = task.cpu.syscall_args()
    if task.cpu.stop_error == host.NEVER_BEGAN & (1 << 64) - 1:
        _turned_away(task)
        return
    call = find(number & 0xFFFFFFFF)
    if call is not None:
        note_mask(task, call, registers[1:])
    task.cpu.set_result(-EINTR)
    deliver(task)


def _turned_away(task: Task) -> None:
    """A signal came before the call began: it goes first, but not for ever."""
    at, times = task.turned_away
    task.turned_away = (task.cpu.rip, times + 1 if at == task.cpu.rip else 1)
    if task.turned_away[1] > PATIENCE and task.process.director is None:
        task.turned_away = (0, 0)
        _starved().begin(task)
    else:
        _rewind(task)


def _interrupt(task: Task) -> None:
    """A signal came; when none lets an instruction behind its handler run, one is held back."""
    taken = None
    if task.cpu.stop_error and task.after_handler and task.process.director is None:
        taken = _engine.sig_take()
    if taken is None:
        task.stuck = (0, 0)
        deliver(task)
        return
    last, times = task.stuck
    task.stuck = (taken[0], times + (ALIKE if taken[0] == last else 1))
    if times > MANY:
        task.stuck = (0, 0)
        _starved().let_run(task, *taken)
    else:
        handle(task, *taken)
        deliver(task)


def _starved() -> ModuleType:
    """Few programs need it."""
    from blink.kernel import starved

    return starved


def _rewind(task: Task) -> None:
    """Puts the task back on its system call; RAX still is the number.  The signal comes first."""
    task.cpu.rip -= SYSCALL_SIZE
    deliver(task)


def _fault(task: Task) -> None:
    if not faults.grow_stack(task):
        force(task, faults.from_stop(task))


def _int(task: Task) -> None:
    """INT n: 3 and 4 are traps; for the others the gate's privilege is missing, as in Linux.

    INT1 is no INT n: it asks no gate.
    """
    vector = task.cpu.stop_vector
    if vector == faults.DB and task.memory.read(task.cpu.rip - 1, 1) == INT1:
        force(task, faults.from_int1(task))
    elif vector not in (faults.BP, faults.OF):
        if vector == 0x80:
            task.process.log_once("int 0x80: 32-bit system calls are not supported")
        task.cpu.rip -= 2
        force(task, faults.from_vector(task, faults.GP, vector << 3 | 2, 0))
    else:
        force(task, faults.from_vector(task, vector, 0, 0))


def _privileged(task: Task) -> None:
    """HLT, IN, OUT: #GP in user mode."""
    force(task, faults.from_vector(task, faults.GP, 0, 0))


def _unimplemented(task: Task) -> None:
    rip = task.cpu.rip
    code = task.memory.read(rip, 1).hex()
    task.process.log_once(f"unimplemented instruction at {rip:#x} ({code}...)")
    force(task, faults.Unimplemented(sig.SIGILL, sig.ILL_ILLOPN, rip, Trap(faults.UD)))


def _difference(task: Task) -> None:
    """The doctor found the translator wrong, or the interpreter: going on would prove nothing."""
    process = task.process
    if process.options.doctor is not None:
        process.options.doctor(task)
    process.exit(DIFFERENCE)


def _go_on(task: Task) -> None:
    """Nothing to do: a budget that nobody set, or a stop that others look at."""


_ACTIONS = {
    _engine.STOP_SYSCALL: _syscall,
    _engine.STOP_SYSCALL_INTERRUPTED: _interrupted,
    _engine.STOP_FAULT: _fault,
    _engine.STOP_INT: _int,
    _engine.STOP_INTERRUPT: _interrupt,
    _engine.STOP_HALT: _privileged,
    _engine.STOP_PORT: _privileged,
    _engine.STOP_UNIMPLEMENTED: _unimplemented,
    _engine.STOP_BUDGET: _go_on,
    _engine.STOP_BREAKPOINT: _go_on,
    _engine.STOP_WATCHPOINT: _go_on,
    _engine.STOP_DIFFERENCE: _difference,
}
