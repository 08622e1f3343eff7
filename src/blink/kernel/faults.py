"""From CPU exceptions to signals: Intel SDM volume 3 chapter 6, Linux arch/x86/kernel/traps.c."""

from __future__ import annotations

from struct import pack

from blink.abi import signals as sig
from blink.kernel.frame import Trap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

DE, DB, BP, OF, BR, UD, SS, GP, PF, MF, AC, XM = 0, 1, 3, 4, 5, 6, 12, 13, 14, 16, 17, 19

# Unmasked exceptions, x87 status and MXCSR alike, in the order in which Linux looks at them.
_FLOAT_CODES = (
    (0x01, sig.FPE_FLTINV),
    (0x04, sig.FPE_FLTDIV),
    (0x08, sig.FPE_FLTOVF),
    (0x12, sig.FPE_FLTUND),
    (0x20, sig.FPE_FLTRES),
)


class Fault:
    """A synchronous signal: number, si_code, si_addr, and what the frame says of the trap."""

    __slots__ = ("address", "code", "signo", "trap")

    def __init__(self, signo: int, code: int, address: int, trap: Trap) -> None:
        self.signo = signo
        self.code = code
        self.address = address
        self.trap = trap

    def siginfo(self) -> bytes:
        return pack("<iii4xQ104x", self.signo, 0, self.code, self.address)


class Unimplemented(Fault):
    """SIGILL for an instruction that the engine does not have: our fault, not the guest's."""

    __slots__ = ()


def from_stop(task: Task) -> Fault:
    """The signal for STOP_FAULT."""
    cpu = task.cpu
    return from_vector(task, cpu.stop_vector, cpu.stop_error, cpu.stop_addr)


def from_vector(task: Task, vector: int, error: int, address: int) -> Fault:
    """The signal for an exception; `address` is CR2 of a page fault."""
    rip = task.cpu.rip
    trap = Trap(vector, error, task.trap.cr2)
    if vector == PF:
        return _page_fault(task, error, address)
    if vector in (MF, XM):
        return Fault(sig.SIGFPE, _float_code(task, vector), rip, trap)
    signo, code, at = {
        DE: (sig.SIGFPE, sig.FPE_INTDIV, rip),
        DB: (sig.SIGTRAP, sig.TRAP_TRACE, rip),
        BP: (sig.SIGTRAP, sig.SI_KERNEL, 0),
        UD: (sig.SIGILL, sig.ILL_ILLOPN, rip),
        SS: (sig.SIGBUS, sig.SI_KERNEL, 0),
        AC: (sig.SIGBUS, sig.BUS_ADRALN, 0),
    }.get(vector, (sig.SIGSEGV, sig.SI_KERNEL, 0))
    return Fault(signo, code, at, trap)


def from_int1(task: Task) -> Fault:
    """The signal for INT1: a debug exception for which no debug register is the reason."""
    return Fault(sig.SIGTRAP, sig.TRAP_BRKPT, task.cpu.rip, Trap(DB, 0, task.trap.cr2))


def _page_fault(task: Task, error: int, address: int) -> Fault:
    cpu = task.cpu
    trap = Trap(PF, error, address)
    if cpu.stop_signo == sig.SIGBUS:
        return Fault(sig.SIGBUS, cpu.stop_code, address, trap)
    mapped = task.process.space.find(address) is not None
    return Fault(sig.SIGSEGV, sig.SEGV_ACCERR if mapped else sig.SEGV_MAPERR, address, trap)


def _float_code(task: Task, vector: int) -> int:
    if vector == XM:
        mxcsr = task.cpu.get("mxcsr")
        raised = mxcsr & ~(mxcsr >> 7)
    else:
        image = task.cpu.fxsave()
        control, status = image[0], image[2]
        raised = status & ~control
    return next((code for bits, code in _FLOAT_CODES if raised & bits), 0)


def grow_stack(task: Task) -> bool:
    """Extends a mapping that grows down to the fault's address; the instruction then runs again."""
    cpu = task.cpu
    if cpu.stop_vector != PF or task.process.space.find(cpu.stop_addr) is not None:
        return False
    return task.process.space.grow_down(cpu.stop_addr, task.process.limits.stack())
