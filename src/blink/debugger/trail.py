"""A trail: what was on the way to where a replay goes, instruction by instruction."""

from __future__ import annotations

from typing import NamedTuple

from blink.debugger import state
from blink.debugger.wire import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.replay.runner import Runner

NAMES = ("rip", "rsp", "rbp")
_OVER = ("exit", "killed", "end", "diverged")


class Row(NamedTuple):
    """A time, the registers of NAMES, and the bytes that were asked for."""

    time: int
    registers: list[int]
    data: list[bytes]


def follow(runner: Runner, until: int, reads: list[list[int]]) -> list[Any]:
    """The rows of each time from here on, before `until`, behind the last one with two threads."""
    rows: list[Any] = []
    while runner.time < until:
        if len(runner.tasks) > 1:
            rows.clear()
        else:
            rows.append(_row(runner, reads))
        before = runner.time
        if runner.run(before + 1).reason in _OVER or runner.time == before:
            break
    return rows


def _row(runner: Runner, reads: list[list[int]]) -> list[Any]:
    get = runner.current.cpu.get
    found = [text_of(state.read(runner.process, at, length)) for at, length in reads]
    return [runner.time, [get(name) for name in NAMES], found]
