"""Source: the file around the line that runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from blink.tui.panel import Content, Panel, Row, row
from blink.tui.probe import source_of
from blink.tui.sources import Sources

if TYPE_CHECKING:
    from textual import events

    from blink.tui.probe import Probe


class Source(Panel):
    """Keeps still while the line moves within it."""

    TITLE: ClassVar[str] = "Source"
    SHORT: ClassVar[str] = "Src"

    def __init__(self, **names: Any) -> None:
        super().__init__(**names)
        self.sources = Sources()
        self.top = 0
        self.shift = 0
        self._seen: tuple[str, int] | None = None

    def collect(self, probe: Probe) -> Content:
        place = self._place(probe)
        if place is None:
            return Content([row((" no source: the program has no line table here", "dim"))])
        file, line = place
        rows = self.sources.rows(file)
        title = f"{os.path.basename(file)}:{line}"
        if not rows:
            return Content([row((f" {file} is not on this machine", "dim"))], [], title)
        self._scroll(place, len(rows))
        shown = range(self.top, min(len(rows), self.top + self.size.height))
        made = [_line(i + 1, rows[i], i + 1 == line) for i in shown]
        return Content(made, [f"{file}:{i + 1}" for i in shown], title)

    def _place(self, probe: Probe) -> tuple[str, int] | None:
        """The line that runs: that of the innermost frame that has one."""
        source = probe.source(probe.rip)
        if source is not None:
            return source
        return next((found for f in probe.frames if (found := source_of(f.place))), None)

    def _scroll(self, place: tuple[str, int], count: int) -> None:
        height = max(1, self.size.height)
        line = place[1] - 1
        if self._seen != place:
            self.shift = 0
            self._seen = place
        if not self.shift and not self.top + 1 <= line < self.top + height - 2:
            self.top = line - height // 3
        self.top = max(0, min(self.top, count - height))

    def scroll_rows(self, by: int) -> None:
        """Scrolls; the next line that runs brings it back."""
        self.shift = 1
        self.top += by
        self.stale()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    def on_click(self, event: events.Click) -> None:
        where = self.target_at(event.y)
        if where is not None and (event.x < 7 or event.chain > 1):
            self.post_message(self.Chosen(self, where, "breakpoint"))


def _line(number: int, parts: Row, here: bool) -> Row:
    extra = " current" if here else ""
    head = (f"{number:>5} {'▶' if here else ' '}", "dim" + extra)
    return (head, *((text, names + extra) for text, names in parts))
