"""From the command line to a session: the program or the recording, and where it stops."""

from __future__ import annotations

import argparse
import os
import shutil
from typing import TYPE_CHECKING, Any

from blink.debugger.errors import DebugError
from blink.roots.plan import Request
from blink.tui.options import roots

if TYPE_CHECKING:
    from blink.debugger.session import Session

TERM = "xterm-256color"
NOT_ITS = ("COLUMNS", "LINES", "TMUX", "TEXTUAL_DRIVER")  # of our own terminal


def open_session(line: argparse.Namespace, words: list[str], stdio: Any = None) -> Session:
    """The program, stopped before its first instruction; or a recording, at its start.

    Raises DebugError.
    """
    from blink.debugger.session import Session

    name = words[0] if words else ""
    if name.endswith(".cap") and not os.access(name, os.X_OK):
        capsules: Any = Session
        session: Session = capsules.open(name)
    else:
        rooted = Request(**roots(line)).wanted
        program = name if "/" in name or rooted else shutil.which(name)
        if program is None:
            raise DebugError(f"{name}: command not found")
        env = dict(os.environ)
        if stdio is not None:
            env |= {"TERM": TERM, "COLORTERM": "truecolor"}
            for gone in (*NOT_ITS, *(["NO_COLOR"] if line.no_colour else [])):  # -H is ours
                env.pop(gone, None)
        session = Session.launch(
            words, env=env, stdio=stdio, options=_options(line), program=program
        )
    try:
        add_stops(session, line)
    except DebugError:
        session.close()
        raise
    return session


def _options(line: argparse.Namespace) -> dict[str, Any]:
    return {
        "calls": True,
        "checked": line.memory_checked,
        "translate": not line.no_jit,
        "cpu": line.cpu,
        **roots(line),
    }


def add_stops(session: Session, line: argparse.Namespace) -> None:
    """The breakpoints and watchpoints of -b and -w.  Raises DebugError."""
    for where in line.breakpoints:
        session.add_breakpoint(where, pending=True)
    for text in line.watchpoints:
        where, _, length = text.partition(",")
        try:
            size = int(length, 0) if length else 8
        except ValueError:
            raise DebugError(f"{length!r} is no length") from None
        session.add_watchpoint(_address(session, where), size, "w")


def _address(session: Session, where: str) -> int:
    try:
        return int(where, 0)
    except ValueError:
        return session.symbols.resolve(where)[0]
