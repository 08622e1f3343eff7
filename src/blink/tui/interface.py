"""The interface from its start to its end: the program's terminal, the session, the application."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable

from blink.debugger.session import Session
from blink.tui.app import Blinkenlights
from blink.tui.panels.terminal import COLUMNS, LINES
from blink.tui.settings import Settings
from blink.tui.starting import open_session
from blink.tui.stoplog import open_log
from blink.tui.term import input as keyboard
from blink.tui.term.pty import Pty

COLLECTIONS = (10_000, 20, 20)  # objects and rounds between the garbage collector's looks


def run_interface(line: argparse.Namespace, words: list[str]) -> int:
    """As the command line says; the exit status."""
    log = open_log(line)
    settings = Settings(
        dialogs=not line.no_dialogs,
        natural=line.natural,
        light=line.light,
        zoom=line.zoom,
        calls=bool(line.strace),
        log=log,
    )
    told: list[str] = []
    try:
        return watch(settings, lambda terminal: open_session(line, words, terminal), told=told)
    finally:
        if log is not None:
            log.close()
        if line.stats:
            sys.stderr.writelines(told)


def watch(
    settings: Settings,
    start: Callable[[int], Session],
    make: Callable[[Session, Pty, Settings], Blinkenlights] = Blinkenlights,
    told: list[str] | None = None,
) -> int:
    """Shows what `start` starts in the terminal that it is given; the exit status.  `told` gets a
    line about the program."""
    _forget_size()
    keyboard.install()
    pty = Pty(COLUMNS, LINES)
    try:
        session = start(pty.slave)
    except BaseException:
        pty.close()
        raise
    try:
        app = make(session, pty, settings)
        _collect_rarely()
        return app.run() or 0
    finally:
        if told is not None:
            told.append(_statistics(session))
        session.close()
        pty.close()


def _forget_size() -> None:
    """A terminal knows its size, and it may change."""
    if "TEXTUAL_DRIVER" not in os.environ:
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)


def _collect_rarely() -> None:
    """A look at all objects takes a tenth of a second, and what is here stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def _statistics(session: Session) -> str:
    ended = session.exit_status
    how = "" if ended is None else f", exit status {ended}"
    return f"blinkenlights: {session.end:,} instructions{how}\n"
