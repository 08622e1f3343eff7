"""Profile: in which functions the program was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from blink.tui.panel import ListPanel, Row, row

if TYPE_CHECKING:
    from blink.tui.probe import Probe

BAR = 20
EIGHTHS = " ▏▎▍▌▋▊▉█"


class Profile(ListPanel):
    """A sample a frame: how often each function was the one that ran."""

    TITLE: ClassVar[str] = "Profile"
    SHORT: ClassVar[str] = "Prof"

    def items(self, probe: Probe) -> list[tuple[Row, Any]]:
        samples = sorted(probe.history.samples.items(), key=lambda item: (-item[1], item[0]))
        total = sum(count for _, count in samples)
        return [(self._row(name, count, total), name) for name, count in samples]

    def empty(self) -> str:
        return "nothing yet: c lets the program run"

    def note(self, probe: Probe) -> str:
        return f"{sum(probe.history.samples.values())} samples"

    def _row(self, name: str, count: int, total: int) -> Row:
        share = count / total
        return row(
            (f" {100 * share:5.1f}% ", "number"),
            (bar(share, BAR), "read"),
            (f" {count:>6} ", "dim"),
            (name, "symbol"),
        )


def bar(share: float, width: int) -> str:
    """A bar in eighths of a cell."""
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)
