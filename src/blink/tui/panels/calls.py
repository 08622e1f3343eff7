"""System calls: the log, with the present in it; a line that is opened is gone to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from blink.tui.panel import ListPanel, Row, row

if TYPE_CHECKING:
    from blink.tui.probe import Probe

LIMIT = 500


class Calls(ListPanel):
    """What the program asked of Linux until now, and what is known of later.

    A long recording is learnt piece by piece: as long as there is more, the panel asks again.
    """

    TITLE: ClassVar[str] = "System calls"
    SHORT: ClassVar[str] = "Sys"

    def __init__(self, **names: Any) -> None:
        super().__init__(**names)
        self._last: Any = None

    def items(self, probe: Probe) -> list[tuple[Row, Any]]:
        calls = self._calls(probe)
        if calls and calls[-1] != self._last:
            self._last = calls[-1]
            self.stale()
        many = len({call.tid for call in calls}) > 1
        return [(self._row(probe, call, many), call.time) for call in calls]

    def _calls(self, probe: Probe) -> list[Any]:
        log = getattr(probe.session, "calls", None)  # only a recording has one
        nothing: list[Any] = []
        return nothing if log is None else probe.ask(log, nothing, None, LIMIT, False)

    def current(self, probe: Probe) -> int | None:
        times = [call.time for call in self._calls(probe)]
        past = [i for i, time in enumerate(times) if time <= probe.time]
        return past[-1] if past else None

    def _row(self, probe: Probe, call: Any, many: bool) -> Row:
        name, bracket, rest = call.text.partition("(")
        style = "" if call.time <= probe.time else "dim"
        head, equals, result = rest.rpartition(" = ")
        bad = result.startswith("-")
        return row(
            (f"{call.time:>12,} ", "dim"),
            (f"{call.tid} " if many else "", "dim"),
            (name, style if style else "mnemonic"),
            (bracket + (head if equals else rest) + equals, style),
            (result if equals else "", "warning" if bad else "number"),
        )
