"""Stop replies: how a motion ended, as GDB is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NamedTuple

from blink.debugger.gdb import recorded, registers
from blink.debugger.gdb.signals import to_gdb
from blink.debugger.session import Session
from blink.debugger.stop import Stop

_EXPEDITED = ("rbp", "rsp", "rip")
_TRAP, _INT = b"05", b"02"


class Known(NamedTuple):
    """What GDB can read.  `watches`: number -> GDB's name of its kind, and the address."""

    watches: dict[int, tuple[str, int]]
    exec_events: bool
    thread_id: Callable[[int], str]


def reply(session: Session, stop: Stop, known: Known) -> bytes:
    """For one stop."""
    reason = stop.reason
    if reason == "exit":
        return b"W%02x" % (session.exit_status or 0)
    if reason == "gone":
        return b"X%02x" % to_gdb(-min(session.exit_status or 0, 0) or signal.SIGKILL)
    if reason in ("killed", "signal"):
        number = stop.details["signo" if reason == "killed" else "number"]
        return b"T%02x" % to_gdb(number) + _thread(session, stop, known)
    head = _INT if reason == "interrupt" else _TRAP
    return b"T" + head + _why(session, stop, known) + _thread(session, stop, known)


def _why(session: Session, stop: Stop, known: Known) -> bytes:
    if stop.reason in ("start", "end"):
        return b"replaylog:" + (b"begin;" if stop.reason == "start" else b"end;")
    if stop.reason == "watchpoint":
        for number in stop.numbers:
            if number in known.watches:
                kind, address = known.watches[number]
                return b"%s:%x;" % (kind.encode(), address)
    if stop.reason == "exec" and known.exec_events:
        return b"exec:" + os.fsencode(recorded.executable(session)).hex().encode() + b";"
    if stop.reason == "syscall":
        return b"syscall_return:%x;" % stop.details["number"]
    return b"swbreak:;" if stop.reason == "breakpoint" else b""


def stepped(tid: int, values: dict[str, int], known: Known) -> bytes:
    """For a step of a thread whose registers are these."""
    return b"T" + _TRAP + _registers(tid, values, known)


def _thread(session: Session, stop: Stop, known: Known) -> bytes:
    return _registers(stop.tid, session.registers(stop.tid), known)


def _registers(tid: int, values: dict[str, int], known: Known) -> bytes:
    parts = [b"thread:%s;" % known.thread_id(tid).encode()]
    for name in _EXPEDITED:
        number = registers.NUMBER[name]
        parts.append(b"%x:%s;" % (number, registers.encode_one(registers.ALL[number], values)))
    return b"".join(parts)
