"""The report about a guest that dies by a fault, or by an instruction that we do not have.

Who reads it: a guest's own crash is the guest's business, as natively, so the report goes to the
log, and without one a single line goes to a terminal.  An instruction that we lack is our fault:
then everybody gets the report.
"""

from __future__ import annotations

import os
from itertools import islice

from blink import __version__
from blink.abi import signals as sig
from blink.debugger.disassembly import MAX_INSTRUCTION, disassemble
from blink.debugger.places import Places
from blink.debugger.unwind import NAMES, Unwinder
from blink.kernel import faults
from blink.kernel.faults import Fault, Unimplemented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink import _engine
    from blink.kernel.task import Task

_REGISTERS = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()
_FLAGS = {
    0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF", 14: "NT",
    16: "RF", 18: "AC", 21: "ID",
}  # fmt: skip
_CODE_LINES = 4
_CALLS = 32
_NULL_PAGE = 0x1000
_PF_WRITE, _PF_FETCH = 2, 16

_TEXTS = {
    faults.DE: "division by zero, or a quotient that is too large",
    faults.DB: "a trap after one instruction",
    faults.BP: "a breakpoint instruction",
    faults.OF: "an overflow trap",
    faults.UD: "an invalid instruction",
    faults.SS: "a stack address that is not canonical",
    faults.GP: "a privileged instruction, or an operand that is misaligned or not canonical",
    faults.MF: "an x87 floating-point exception that is not masked",
    faults.AC: "a misaligned access while alignment is checked",
    faults.XM: "an SSE floating-point exception that is not masked",
}


def report(task: Task, fault: Fault) -> None:
    """Tells of a fault before it kills the process; never raises."""
    messages = task.process.messages
    ours = isinstance(fault, Unimplemented)
    try:
        if ours or messages.is_open:
            say = messages.tell if ours else messages.line
            for line in lines(task, fault):
                say(line)
        elif messages.has_stderr and os.isatty(2):
            messages.tell_stderr(_headline(task, fault, Places(task.process)))
    except Exception as error:  # the guest's death must not wait for our mistake
        messages.line(f"no report: {error!r}")


def lines(task: Task, fault: Fault) -> Iterator[str]:
    """The whole report."""
    places = Places(task.process)
    yield _headline(task, fault, places)
    yield from register_lines(task.cpu)
    yield from _code_lines(task)
    for i, address in enumerate(call_path(task)):
        yield f"#{i:<2} {address:#014x} {places.describe(address)}"
    if isinstance(fault, Unimplemented):
        yield "This is a fault of blink: please report it, with these lines, the program's"
        yield f"package and version, and how it was started (blink {__version__})."
    else:
        yield "If the program works without blink, this is our fault: please report it, with"
        yield f"these lines, the program's package and version (blink {__version__})."


def _headline(task: Task, fault: Fault, places: Places) -> str:
    rip, why, model = task.cpu.rip, cause(fault, places), task.process.options.cpu
    if model and fault.trap.number == faults.UD:
        why += f" on the CPU model {model}"
    return f"{sig.name(fault.signo)}: {why}, at {rip:#x} {places.describe(rip)}"


def cause(fault: Fault, places: Places) -> str:
    """Why, in one phrase."""
    if isinstance(fault, Unimplemented):
        return "an instruction that blink does not have"
    vector, error = fault.trap.number, fault.trap.error
    if fault.code == sig.SI_KERNEL and vector not in _TEXTS:
        return "no room for a signal frame"
    if vector != faults.PF:
        return _TEXTS.get(vector, f"exception {vector}")
    how = "write" if error & _PF_WRITE else "execute" if error & _PF_FETCH else "read"
    if fault.signo == sig.SIGBUS:
        return f"{how} of {fault.address:#x}, behind the end of {places.describe(fault.address)}"
    if fault.address < _NULL_PAGE:
        return f"{how} through a null pointer ({fault.address:#x})"
    if places.mapping(fault.address) is None:
        return f"{how} of {fault.address:#x}, which is not mapped"
    return f"no permission to {how} {fault.address:#x} in {places.describe(fault.address)}"


def register_lines(cpu: _engine.Cpu) -> Iterator[str]:
    """All general registers four a line, then RIP, flags and segment bases."""
    texts = [f"{name:>3} {cpu.get(name):016x}" for name in _REGISTERS]
    for i in range(0, len(texts), 4):
        yield "  ".join(texts[i : i + 4])
    flags = cpu.get("eflags")
    names = " ".join(name for bit, name in _FLAGS.items() if flags >> bit & 1)
    yield f"rip {cpu.rip:016x}  eflags {flags:08x} [{names}]"
    yield f"fs  {cpu.get('fs_base'):016x}  gs {cpu.get('gs_base'):016x}"


def _code_lines(task: Task) -> Iterator[str]:
    rip = task.cpu.rip
    code = _read_up_to(task, rip, _CODE_LINES * MAX_INSTRUCTION)
    if not code:
        yield "code: none can be read here"
        return
    for address, data, text in disassemble(code, rip, _CODE_LINES):
        mark = "=>" if address == rip else "  "
        yield f"{mark} {address:#x}  {data.hex(' '):30}  {text}".rstrip()


def _read_up_to(task: Task, address: int, size: int) -> bytes:
    """What can be read of `size` bytes, which may end before a page that is not mapped."""
    try:
        bad = task.memory.probe(address, size, False)
        return task.memory.read(address, size if bad is None else bad - address)
    except task.MemoryFault:
        return b""


def call_path(task: Task) -> list[int]:
    """RIP and the return addresses behind it, by the chain of frame pointers.

    Not by call frame information: a report must not depend on what is installed, nor read files
    for seconds while a program dies.
    """
    unwinder = Unwinder(
        lambda address, size: _read_up_to(task, address, size),
        lambda address: None,
        lambda address: bool(_read_up_to(task, address, 1)),
    )
    registers = {name: task.cpu.get(name) for name in NAMES}
    return [frame.pc for frame in islice(unwinder.frames(registers), _CALLS)]
