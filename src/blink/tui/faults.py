"""What happened to the program, in words: the text of the dialogs.

A program that is killed stands at the instruction that did it, so what went wrong is read off that
instruction, its operands and the mappings.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blink.debugger.stop import Stop
    from blink.tui.code import Access, Line
    from blink.tui.probe import Probe

WRITE, EXEC = 2, 4  # bits of a mapping's protection
CANONICAL = 1 << 47
FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP)
BACKWARDS = (
    "All of its past is there: ↑ goes back, r continues backwards to a break- or watchpoint, "
    "W finds who wrote a byte, R restarts."
)
FORWARDS = "R restarts the program."
X87 = ("f", "wait")


@dataclass(frozen=True)
class Report:
    """A dialog: `kind` is fault, end or trap."""

    title: str
    text: str
    kind: str = "fault"
    can_go_back: bool = True


def report(stop: Stop, probe: Probe | None, reversible: bool) -> Report | None:
    """The dialog for a stop, None where the status line says enough."""
    hint = BACKWARDS if reversible else FORWARDS
    if stop.reason in ("killed", "signal"):
        return _signal(stop, probe, reversible)
    if stop.reason == "exit":
        return Report(
            "The program has ended", f"{_sentence(stop.text)}\n\n{hint}", "end", reversible
        )
    if stop.reason == "gone":
        return Report("The program's process is gone", f"{stop.text}\n\n{hint}", "fault", False)
    if stop.reason == "diverged":
        text = f"{stop.text}\n\nRecording and replay differ from here on: a bug of ours."
        return Report("The replay went another way", text)
    return None


def _signal(stop: Stop, probe: Probe | None, reversible: bool) -> Report | None:
    number = int(stop.details.get("signo", stop.details.get("number", 0)) or 0)
    title, reason = _explain(number, probe)
    if not title and stop.reason == "signal":
        return None
    name = _name(number)
    title = f"{title} ({name})" if title else f"Killed by {name}"
    hint = BACKWARDS if reversible else FORWARDS
    parts = [_sentence(reason or stop.text), _where(stop, probe), hint]
    kind = "trap" if number == signal.SIGTRAP else "fault"
    return Report(title, "\n\n".join(parts), kind, reversible)


def _explain(number: int, probe: Probe | None) -> tuple[str, str]:
    """A title and a reason; empty when it was no fault of the program's own."""
    if number == signal.SIGABRT:
        return "Abort", "the program gave up by abort(3)"
    if number == signal.SIGSYS:
        return "Bad system call", "a filter of its own (seccomp) forbids the call"
    if number not in FAULTS or probe is None or not probe.registers:
        return "", ""
    line = probe.here()
    if line is None or not _is_code(probe):
        return "Segmentation fault", f"it went to {probe.rip:#x}, where no code is"
    if number == signal.SIGFPE:
        return _arithmetic(line)
    if number == signal.SIGILL:
        return _invalid(line)
    if number == signal.SIGTRAP:
        return "Trap", "a breakpoint instruction of its own, or a single-step trap"
    if number == signal.SIGBUS:
        return "Bus error", "a file ends before the page of its mapping that was touched"
    return _access(line, probe)


def _is_code(probe: Probe) -> bool:
    mapping = probe.mapping(probe.rip)
    return mapping is not None and bool(mapping.prot & EXEC)


def _arithmetic(line: Line) -> tuple[str, str]:
    if line.mnemonic in ("div", "idiv"):
        return "Divide error", "the divisor is zero, or the quotient does not fit"
    if line.mnemonic.startswith(X87):
        return "FPU exception", "an x87 exception that the program has unmasked"
    return "SIMD fault", "a floating-point exception that the program has unmasked in MXCSR"


def _invalid(line: Line) -> tuple[str, str]:
    if line.mnemonic == "(bad)":
        return "Decode error", "these bytes are no instruction"
    return "Undefined instruction", "this CPU does not have it"


def _access(line: Line, probe: Probe) -> tuple[str, str]:
    """Which operand of the instruction a segmentation fault is about."""
    if line.mnemonic == "hlt":
        return "Halt", "HLT is for the system only"
    if line.privileged:
        return "Protection fault", f"{line.mnemonic.upper()} is for the system only"
    for access in probe.accesses():
        if found := _trouble(access, probe):
            return found
    return "Segmentation fault", "an access to memory is not allowed"


def _trouble(access: Access, probe: Probe) -> tuple[str, str] | None:
    address = access.address
    verb = "write" if access.write else "read"
    if CANONICAL <= address < (1 << 64) - CANONICAL:
        return "Protection fault", f"it {verb}s {address:#x}, which is no canonical address"
    mapping = probe.mapping(address) or probe.mapping(address + access.size - 1)
    if mapping is None:
        return "Segmentation fault", f"it {verb}s {address:#x}, where nothing is mapped"
    if access.write and not mapping.prot & WRITE:
        return "Segmentation fault", f"it writes {address:#x}, which is read-only"
    if not mapping.prot & 1:
        return "Segmentation fault", f"it {verb}s {address:#x}, which is not accessible"
    if access.size >= 16 and address % access.size:
        return "Protection fault", f"{address:#x} is not aligned to {access.size} bytes"
    return None


def _where(stop: Stop, probe: Probe | None) -> str:
    """Address, place, source and instruction."""
    if stop.rip is None or probe is None or not probe.registers:
        return f"thread {stop.tid}"
    lines = [f"rip    {probe.rip:#x}  {probe.name(probe.rip)}".rstrip()]
    if source := probe.source(probe.rip):
        lines.append(f"source {source[0]}:{source[1]}")
    if line := probe.here():
        lines.append(f"code   {line.mnemonic} {line.operands}")
    lines.append(f"thread {stop.tid}")
    return "\n".join(lines)


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
