"""Threads: one a row; a row that is opened is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from blink.tui.panel import ListPanel, Row, row

if TYPE_CHECKING:
    from blink.tui.probe import Probe


class Threads(ListPanel):
    """The threads of the program, and what each does."""

    TITLE: ClassVar[str] = "Threads"
    SHORT: ClassVar[str] = "Thr"

    def items(self, probe: Probe) -> list[tuple[Row, Any]]:
        return [(self._row(probe, t), t.tid) for t in probe.threads]

    def current(self, probe: Probe) -> int | None:
        tids = [t.tid for t in probe.threads]
        return tids.index(probe.tid) if probe.tid in tids else None

    def _row(self, probe: Probe, thread: Any) -> Row:
        where = probe.name(thread.rip) or f"{thread.rip:#x}"
        return row(
            ("▶" if thread.tid == probe.tid else " ", "mark"),
            (f"{thread.tid:>6} ", "number"),
            (f"{thread.name:<15} ", "register"),
            (f"{thread.state:<10} ", "dim"),
            (where, "symbol"),
        )
