"""Frames: who called whom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from blink.tui.panel import ListPanel, Row, row
from blink.tui.probe import source_of

if TYPE_CHECKING:
    from blink.tui.probe import Probe


class Frames(ListPanel):
    """The backtrace of the selected thread; a frame opens its code."""

    TITLE: ClassVar[str] = "Frames"
    SHORT: ClassVar[str] = "Frm"

    def items(self, probe: Probe) -> list[tuple[Row, Any]]:
        last = len(probe.frames) - 1
        return [(self._row(i, f, i == last), f.pc) for i, f in enumerate(probe.frames)]

    def current(self, probe: Probe) -> int | None:
        return 0

    def _row(self, number: int, frame: Any, outermost: bool) -> Row:
        place = frame.place
        name, where = "??", ""
        if place is not None and place.name:
            name = f"{place.name}+{place.offset:#x}" if place.offset else place.name
        if place is not None and (source := source_of(place)):
            where = f"  {os.path.basename(source[0])}:{source[1]}"
        parts = [
            (f" #{number:<2} ", "dim"),
            (f"{frame.pc:012x} ", "address"),
            (name, "symbol"),
            (where, "source"),
        ]
        if trouble := flaws(frame, outermost):
            parts.append((f"  {trouble}", "warning"))
        return row(*parts)


def flaws(frame: Any, outermost: bool) -> str:
    """Blink's words for frames that are not as compilers make them; the outermost has no caller."""
    words = []
    if frame.cfa & 15 and not outermost:
        words.append("misaligned")
    if frame.place is None or not frame.place.name:
        words.append("stray")
    if not frame.cfa and not outermost:
        words.append("corrupt")
    return " ".join(words)
