"""Maps: what lies where in memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from blink.tui.panel import ListPanel, Row, row
from blink.tui.speed import short

if TYPE_CHECKING:
    from blink.tui.probe import Probe

ROOMY = 52  # columns that are enough for ends, too


class Maps(ListPanel):
    """The mappings; one that is opened is shown in the memory panel."""

    TITLE: ClassVar[str] = "Maps"
    SHORT: ClassVar[str] = "Map"

    def items(self, probe: Probe) -> list[tuple[Row, Any]]:
        return [(self._row(probe, m), m.start) for m in probe.maps]

    def current(self, probe: Probe) -> int | None:
        return next((i for i, m in enumerate(probe.maps) if m.start <= probe.rip < m.end), None)

    def _row(self, probe: Probe, mapping: Any) -> Row:
        marks = []
        for name in ("rip", "rsp"):
            if mapping.start <= probe.registers.get(name, 0) < mapping.end:
                marks.append(name)
        end = f"-{mapping.end:012x}" if self.size.width >= ROOMY else ""
        return row(
            (f" {mapping.start:012x}{end} ", "address"),
            (f"{protection(mapping.prot)} ", "mnemonic"),
            (f"{size(mapping.end - mapping.start):>6} ", "number"),
            (os.path.basename(mapping.path) or mapping.path or "anonymous", "symbol"),
            ("  ◀ " + " ".join(marks) if marks else "", "mark"),
        )


def protection(prot: int) -> str:
    """`r-x`."""
    return "".join(letter if prot & bit else "-" for letter, bit in (("r", 1), ("w", 2), ("x", 4)))


def size(count: int) -> str:
    """Bytes in a few characters."""
    for unit in ("B", "K", "M", "G"):
        if count < 1024:
            return f"{count}{unit}"
        count //= 1024
    return short(count) + "T"
