"""`blinkenlights -t`: the program runs in this terminal; its stops are lines on standard error."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, TextIO

from blink.debugger.errors import DebugError
from blink.tui.starting import open_session
from blink.tui.stoplog import log_line, log_stop, open_log

if TYPE_CHECKING:
    from blink.debugger.session import Session
    from blink.debugger.stop import Stop

OVER = ("exit", "killed", "gone", "end", "diverged")
SHOWN = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags".split()


def run(line: argparse.Namespace, words: list[str]) -> int:
    """Runs to the end; the exit status of the program, 128 and the number of a signal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the program's
    begun = time.monotonic()
    log = open_log(line) or sys.stderr
    session = open_session(line, words)
    try:
        if line.strace:
            session.catch("syscall")
        stop = _run(session, line, log)
        if line.stats:
            _statistics(session, time.monotonic() - begun, log)
        return _status(session, stop)
    finally:
        session.close()
        if log is not sys.stderr:
            log.close()


def _run(session: Session, line: argparse.Namespace, log: TextIO) -> Stop:
    """Continues past every stop but the last."""
    while True:
        session.cont()
        stop = session.wait()
        if stop.reason == "error":
            raise DebugError(stop.text)
        if stop.reason == "syscall" and (calls := session.calls(count=1)):
            log_line(log, stop.time, calls[-1].text)
        elif stop.reason not in ("exit", "end") or line.verbose:
            log_stop(log, stop)
        if stop.reason in OVER:
            return stop
        if line.verbose:
            _registers(session, log)


def _registers(session: Session, log: TextIO) -> None:
    values = session.registers()
    for start in range(0, len(SHOWN), 4):
        names = SHOWN[start : start + 4]
        log.write("  " + "  ".join(f"{n:>6} {values[n]:016x}" for n in names) + "\n")


def _statistics(session: Session, seconds: float, log: TextIO) -> None:
    count = session.end
    rate = count / seconds / 1e6 if seconds else 0
    log.write(f"blinkenlights: {count:,} instructions in {seconds:.3f} s, {rate:.1f} million/s\n")


def _status(session: Session, stop: Stop) -> int:
    """As a shell would tell it."""
    status = session.exit_status
    if status is None:
        return 0
    return 128 - status if status < 0 else os.EX_OK if stop.reason == "end" else status
