"""The status line: what happens, how fast, when in history, and what was said last."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.strip import Strip

from blink.tui.lines import fitted
from blink.tui.panel import Content, Panel, row
from blink.tui.speed import short

if TYPE_CHECKING:
    from blink.tui.driver import Frame
    from blink.tui.probe import Probe


class Status(Panel, can_focus=False):
    """One row at the bottom."""

    TITLE: ClassVar[str] = "Status"
    ROWS: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(id="status")
        self.frame: Frame | None = None
        self.message = ""
        self.bad = False
        self.key = ""
        self.speed = ""
        self.action = "starting"

    def collect(self, probe: Probe) -> Content:
        return Content()

    def say(self, text: str, bad: bool = False) -> None:
        """One line for the user, until the next."""
        self.message, self.bad = " ".join(text.split()), bad
        self.refresh()

    def set_key(self, key: str) -> None:
        self.key = key
        self.refresh()

    def set_frame(self, frame: Frame, speed: str) -> None:
        self.frame, self.speed = frame, speed
        if frame.error:
            self.say(frame.error, bad=True)
        elif frame.arrived and frame.stop is not None:
            self.say(frame.stop.text)
        self.refresh()

    def _state(self) -> tuple[str, str]:
        frame = self.frame
        if frame is None:
            return f" {self.action} ", "running"
        if frame.running:
            return " running ", "running"
        if frame.exit_status is not None and frame.time >= frame.end:
            return " ended ", "stopped"
        return (" stopped ", "stopped") if frame.live else (" in the past ", "past")

    def render_line(self, y: int) -> Strip:
        frame = self.frame
        parts = [self._state()]
        if frame is not None:
            if frame.running:
                parts.append((f" {short(frame.rate)} instructions/s", "number"))
            parts.append((f" {self.speed} ", "dim"))
            if frame.threads > 1:
                parts.append((f" {frame.threads} threads ", "dim"))
        parts.append((f" {self.message} ", "warning" if self.bad else ""))
        width = self.size.width
        left, length = fitted(row(*parts), width)
        key = f" {self.key}  ? help  : commands "
        if length + len(key) > width:  # what was said needs the room
            key = ""
        fill = (" " * (width - length - len(key)), "")
        return Strip(
            [Segment(text, self.style_of(names)) for text, names in (*left, fill, (key, "dim"))]
        )
