"""Signals reach the guest: handlers get frames, default actions are carried out."""

from __future__ import annotations

import posix

from blink import _engine
from blink.abi import signals as sig
from blink.abi.structs import SIGINFO
from blink.kernel import frame, host
from blink.kernel.actions import Action

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from blink.kernel.faults import Fault
    from blink.kernel.task import Task


def deliver(task: Task) -> None:
    """Handles the signals that wait, until the host accepts the mask that results."""
    if task.native_before is not None:
        release(task)
    while True:
        while (taken := _engine.sig_take()) is not None:
            handle(task, *taken)
        task.call_mask = None
        if _engine.sig_setmask(task.sigmask) != host.NEVER_BEGAN:
            return


def release(task: Task) -> None:
    """Ends what `starved.let_run` began."""
    if task.native_before is not None:
        task.cpu.native, task.native_before = task.native_before, None
        _engine.sig_kicks(_engine.KICK_NEVER)


def pending_signals() -> int:
    """The set of signals that wait for the mask to let them in."""
    return _engine.sig_pending()


def force(task: Task, fault: Fault) -> None:
    """A synchronous fault: its signal cannot be blocked or ignored."""
    signo = fault.signo
    task.trap = fault.trap
    action = task.process.actions[signo]
    if task.sigmask & sig.bit(signo) or action.handler in (sig.SIG_IGN, sig.SIG_DFL):
        die(task, signo, fault)
    handle(task, signo, fault.siginfo())
    deliver(task)


def handle(task: Task, signo: int, info: bytes) -> None:
    """One signal that was taken: its frame, or its default action."""
    if task.process.tracer is not None:
        task.process.tracer.signal(task, sig.name(signo), _details(signo, info))
    if task.process.director is not None:
        task.process.director.signal(task, signo, info)
    action = task.process.actions[signo]
    if action.handler == sig.SIG_IGN:
        return  # ignored since it was caught
    if action.handler == sig.SIG_DFL:
        _default(task, signo)
        return
    if action.flags & sig.SA_RESETHAND:
        flags = action.flags
        task.process.actions.set(signo, Action(sig.SIG_DFL, flags, action.restorer, action.mask))
    try:
        _call_handler(task, signo, info, action)
    except (task.MemoryFault, frame.FrameOverflow):
        _bad_frame(task, signo)


def _details(signo: int, info: bytes) -> dict[str, int | str]:
    """What the log tells of a siginfo_t."""
    _, _, code = SIGINFO.unpack(info)
    names = sig.CHILD_CODES if signo == sig.SIGCHLD and code > 0 else sig.CODES
    details: dict[str, int | str] = {"si_code": names.get(code, code)}
    if signo in sig.SYNCHRONOUS and code > 0:
        details["si_addr"] = hex(int.from_bytes(info[16:24], "little"))
    elif code <= 0 or signo == sig.SIGCHLD:
        details["si_pid"] = int.from_bytes(info[16:20], "little")
        details["si_uid"] = int.from_bytes(info[20:24], "little")
    return details


def _call_handler(task: Task, signo: int, info: bytes, action: Action) -> None:
    if not action.flags & sig.SA_RESTORER:
        raise frame.FrameOverflow  # Linux has no other way back on x86-64
    if not action.flags & sig.SA_SIGINFO:
        info = bytes(SIGINFO.size)  # the kernel leaves what was on the stack
    on_altstack = bool(action.flags & sig.SA_ONSTACK)
    at = frame.push(task, action.restorer, info, task.sigmask, on_altstack)
    frame.enter(task, action.handler, signo, at)
    blocked = task.sigmask if task.call_mask is None else task.call_mask
    task.call_mask = None
    if not action.flags & sig.SA_NODEFER:
        blocked |= sig.bit(signo)
    task.sigmask = (blocked | action.mask) & ~sig.UNBLOCKABLE


def _bad_frame(task: Task, signo: int) -> None:
    """A frame had no room, or none was there to restore: SIGSEGV, fatal if it was its own."""
    from blink.kernel.faults import Fault

    action = task.process.actions[sig.SIGSEGV]
    fatal = action.handler in (sig.SIG_DFL, sig.SIG_IGN) or signo == sig.SIGSEGV
    fault = Fault(sig.SIGSEGV, sig.SI_KERNEL, 0, task.trap)
    if fatal or task.sigmask & sig.bit(sig.SIGSEGV):
        die(task, sig.SIGSEGV, fault)
    handle(task, sig.SIGSEGV, fault.siginfo())


def bad_return(task: Task) -> None:
    """rt_sigreturn(2) found no frame."""
    _bad_frame(task, 0)
    deliver(task)


def _default(task: Task, signo: int) -> None:
    """The default action of a signal that was caught by the host's handler before it changed."""
    if signo in sig.DEFAULT_IGNORED:
        return
    if signo in sig.DEFAULT_STOPS:
        _engine.sig_setmask(task.sigmask & ~sig.bit(signo))
        host.now(host.NR_KILL, posix.getpid(), signo)
        return
    die(task, signo, None)


def die(task: Task, signo: int, fault: Fault | None) -> NoReturn:
    """Ends the process by a signal, as the host would have; a fault is reported first."""
    process = task.process
    if process.tracer is not None:
        process.tracer.end("killed by", sig.name(signo))
    if fault is not None and process.report is not None:
        process.report(task, fault)
    if process.director is not None:
        process.director.ending("killed", signo, b"" if fault is None else fault.siginfo())
    process.finish()
    try:
        _engine.sig_die(signo)
    finally:
        posix._exit(128 + signo)
