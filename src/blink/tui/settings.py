"""What the command line chose for the interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO


@dataclass
class Settings:
    """From the options of `blinkenlights`.

    dialogs   whether faults get a dialog (-R: only the status line)
    natural   the wheel turns the other way (-N)
    light     the light theme
    zoom      levels that memory panels are zoomed out by (-z)
    calls     the system calls are in front (-s)
    log       a file for stops (-L)
    """

    dialogs: bool = True
    natural: bool = False
    light: bool = False
    zoom: int = 0
    calls: bool = False
    log: TextIO | None = None
