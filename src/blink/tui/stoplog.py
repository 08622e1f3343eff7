"""The log of stops: -L."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TextIO

from blink.debugger.errors import DebugError

if TYPE_CHECKING:
    from blink.debugger.stop import Stop


def open_log(line: argparse.Namespace) -> TextIO | None:
    """The file of -L, if it was asked for.  Raises DebugError."""
    try:
        return open(line.log, "a", encoding="utf-8") if line.log else None
    except OSError as error:
        raise DebugError(f"{line.log}: {error.strerror}") from None


def log_stop(log: TextIO, stop: Stop) -> None:
    """A stop as a line of a log."""
    log_line(log, stop.time, stop.text)


def log_line(log: TextIO, time: int, text: str) -> None:
    """A line of a log."""
    log.write(f"{time:>14,}  {text}\n")
    log.flush()
