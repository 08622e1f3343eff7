"""The time slider: where in the history of the run we are; a click or a drag goes there."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from blink.tui.panel import Content, Panel

if TYPE_CHECKING:
    from textual import events

    from blink.tui.probe import Probe

ENDS = 2  # columns at each side of the bar


class Slider(Panel, can_focus=False):
    """One row: time, a bar with marks, the end."""

    TITLE: ClassVar[str] = "Time"
    ROWS: ClassVar[bool] = False
    time: reactive[int] = reactive(0)
    end: reactive[int] = reactive(0)
    growing: reactive[bool] = reactive(True)

    class Moved(Message):
        """The user chose a time."""

        def __init__(self, time: int) -> None:
            super().__init__()
            self.time = time

    def __init__(self) -> None:
        super().__init__(id="slider")
        self.marks: dict[str, int] = {}
        self._dragging = False

    def collect(self, probe: Probe) -> Content:
        return Content()

    def set_marks(self, marks: dict[str, int]) -> None:
        """Named times, drawn on the bar."""
        if marks != self.marks:
            self.marks = marks
            self.refresh()

    @property
    def label(self) -> str:
        return f" {self.time:,} "

    @property
    def tail(self) -> str:
        return f" {self.end:,}{' and growing' if self.growing else ''} "

    @property
    def bar(self) -> tuple[int, int]:
        """The first column of the bar and its width."""
        width = self.size.width - len(self.label) - len(self.tail)
        return len(self.label), max(1, width)

    def column(self, time: int) -> int:
        """Where on the bar a time is."""
        _, width = self.bar
        return min(width - 1, time * (width - 1) // max(1, self.end))

    def render_line(self, y: int) -> Strip:
        _, width = self.bar
        here = self.column(self.time)
        cells = ["━" if x < here else "─" for x in range(width)]
        styles = ["slider-past" if x < here else "slider-future" for x in range(width)]
        for time in self.marks.values():
            x = self.column(time)
            cells[x], styles[x] = "◆", "mark"
        cells[here], styles[here] = "●", "slider-here"
        bar = [
            Segment("".join(cell for cell, _ in run), self.style_of(names))
            for names, run in groupby(zip(cells, styles, strict=True), key=itemgetter(1))
        ]
        left = Segment(self.label, self.style_of("number"))
        right = Segment(self.tail, self.style_of("dim"))
        return Strip([left, *bar, right]).adjust_cell_length(self.size.width)

    def _time_at(self, x: int) -> int:
        start, width = self.bar
        place = max(0, min(width - 1, x - start))
        return self.end * place // max(1, width - 1)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._dragging = True
        self.capture_mouse()
        event.stop()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._dragging:
            self._dragging = False
            self.release_mouse()
            self.post_message(self.Moved(self._near_mark(event.x)))

    def _near_mark(self, x: int) -> int:
        """A click on a mark goes exactly there."""
        start, _ = self.bar
        for time in self.marks.values():
            if self.column(time) == x - start:
                return time
        return self._time_at(x)
