"""What a session tells about its program, row by row."""

from __future__ import annotations

from typing import NamedTuple


class Thread(NamedTuple):
    """A thread of the guest; `state` is current, ready or waiting."""

    tid: int
    name: str
    rip: int
    state: str


class CallLine(NamedTuple):
    """A system call, as `blink -s` shows it, and the time at which it came back."""

    time: int
    tid: int
    text: str


class View(NamedTuple):
    """Threads, the registers of the selected one, and pages of memory by address."""

    threads: list[Thread]
    registers: dict[str, int]
    pages: dict[int, bytes]
