"""How a motion ended, for programs and in words."""

from __future__ import annotations

from typing import Any, NamedTuple

from blink.abi.signals import CODES, FAULT_CODES
from blink.abi.signals import name as signal_name
from blink.debugger.modules import Symbols
from blink.syscalls._table import find

# What the target calls a halt -> what a session calls it.
_NAMES = {"until": "step", "guard": "step"}


class Stop(NamedTuple):
    """`reason`: step, breakpoint, watchpoint, interrupt, syscall, signal, exec, clone, fork, load,
    exit, killed, end (of a recording), start (of one, backwards), diverged, error, gone (the
    process of the program has ended by itself).  `numbers`: of the breakpoints that were hit."""

    reason: str
    tid: int
    rip: int | None
    time: int
    text: str
    numbers: list[int]
    details: dict[str, Any]


def stop_of(result: dict[str, Any], symbols: Symbols) -> Stop:
    """From a reply of the target."""
    reason = _NAMES.get(result["reason"], result["reason"])
    details = result.get("details", {})
    numbers = [n for n in result.get("numbers", []) if n]
    rip = result.get("rip")
    at = _place(rip, symbols) if reason not in ("exit", "killed", "gone", "error") else ""
    text = " ".join(filter(None, (_what(reason, details, numbers), at)))
    return Stop(reason, result["tid"], rip, result.get("time", 0), text, numbers, details)


def _place(rip: int | None, symbols: Symbols) -> str:
    if rip is None:
        return ""
    try:
        place = str(symbols.at(rip))
    except Exception:  # the words are not worth failing for: the target may be dying
        place = ""
    return f"at {rip:#x} {place}".rstrip()


def _what(reason: str, details: dict[str, Any], numbers: list[int]) -> str:
    which = ", ".join(map(str, numbers))
    if reason == "watchpoint":
        old, new = (_number(details.get(key, "")) for key in ("old", "new"))
        change = f"{old} -> {new}" if old != new else f"value {new}"
        name = f"watchpoint {which}" if which else "last write"
        return f"{name}: {details.get('address', 0):#x}: {change},"
    texts = {
        "step": "stopped",
        "breakpoint": f"breakpoint {which}",
        "interrupt": "interrupted",
        "syscall": f"system call {_call(details)}",
        "signal": f"signal {_signal(details.get('number'))}",
        "exec": f"executes {details.get('path')}",
        "clone": f"new thread {details.get('number')}",
        "fork": f"new process {details.get('number')}",
        "load": f"loaded {details.get('path')}",
        "exit": f"the program has ended with status {details.get('status')}",
        "killed": f"the program was killed by {_signal(details.get('signo'))}{_cause(details)}",
        "end": "the end of the recording",
        "start": f"the start of {_start(details)}",
    }
    return texts.get(reason) or str(details.get("text", reason))


def _start(details: dict[str, Any]) -> str:
    return f"thread {details['thread']}" if "thread" in details else "the recording"


def _signal(number: object) -> str:
    return signal_name(number) if isinstance(number, int) else str(number)


def _cause(details: dict[str, Any]) -> str:
    """The kind and the address of a fault: ` (SEGV_MAPERR, 0x8)`."""
    if "code" not in details:
        return ""
    code = details["code"]
    name = FAULT_CODES.get((details["signo"], code), CODES.get(code, code))
    return f" ({name}, {details.get('address', 0):#x})"


def _call(details: dict[str, Any]) -> str:
    """`read = 5`, `open = -1 ENOENT (No such file or directory)`; without a result where it has
    none."""
    from blink.syscalls._trace import format_result

    number, result = details.get("number"), details.get("result")
    call = find(number) if isinstance(number, int) else None
    name = str(number) if call is None else call.name
    if not isinstance(result, int) or call is None:
        return name if result is None else f"{name} = {result}"
    return f"{name} = {format_result(call, result - (1 << 64) if result >> 63 else result)}"


def _number(text: str) -> str:
    """A value that a watchpoint saw: a number when it is short, else its bytes."""
    data = bytes.fromhex(text)
    return hex(int.from_bytes(data, "little")) if 0 < len(data) <= 8 else text or "unmapped"
