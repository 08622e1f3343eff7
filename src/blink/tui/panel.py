"""What every panel is: rows made in the driver's thread and drawn in the UI's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from blink.tui.lines import Kept, cropped, filtered, fitted, line
from blink.tui.lines import Row as Row

if TYPE_CHECKING:
    from rich.console import Console
    from textual import events

    from blink.tui.probe import Probe

RESET = "\x1b[0m"
STYLES = (
    "dim address number symbol string comment mnemonic operand jump register keyword "
    "changed current selected mark off source header arrow read read-old write write-old "
    "flag block unmapped warning ok running stopped past slider-past slider-future slider-here"
).split()


@dataclass
class Content:
    """The rows of a panel, what each of them stands for, and what its title adds."""

    rows: list[Row] = field(default_factory=list)
    targets: list[Any] = field(default_factory=list)
    note: str = ""


def row(*parts: tuple[str, str] | str) -> Row:
    """A row of texts; those without a style are plain."""
    return tuple((part, "") if isinstance(part, str) else part for part in parts)


class Panel(Kept, can_focus=True):
    """Base of the panels.

    `collect` runs in the driver's thread: it reads the probe and this object's plain attributes and
    touches no widget.  `show` runs in the UI's thread and draws the rows that changed.
    """

    TITLE: ClassVar[str] = ""
    SHORT: ClassVar[str] = ""  # for tabs with little room
    ROWS: ClassVar[bool] = True  # what is drawn follows from `content.rows`
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"panel--{name}" for name in STYLES}

    class Stale(Message):
        """The panel wants to be collected again: it was scrolled, say."""

    class Chosen(Message):
        """A row was clicked or entered; `target` is what it stands for."""

        def __init__(self, panel: Panel, target: Any, what: str = "open") -> None:
            super().__init__()
            self.panel = panel
            self.target = target
            self.what = what

    def __init__(self, **names: Any) -> None:
        super().__init__(**names)
        self.content = Content()
        self.title, self.short = self.TITLE, self.SHORT or self.TITLE
        self._styles: dict[str, Style] = {}
        self._drawn: dict[str, Style] = {}  # as the application's filters leave them
        self._codes: dict[str, str] = {}  # what switches the terminal to them
        self._lines: dict[int, tuple[Row | None, int, Strip]] = {}  # as they were drawn last

    def collect(self, probe: Probe) -> Content:
        """The panel's rows for the program at this time."""
        raise NotImplementedError

    def show(self, content: Content) -> None:
        """Takes new rows and draws those that differ."""
        old, self.content = self.content.rows, content
        width = self.size.width
        changed = [
            Region(0, y, width, 1)
            for y in range(max(len(old), len(content.rows)))
            if _at(old, y) != _at(content.rows, y)
        ]
        if changed:
            self.refresh(*changed)

    @property
    def wanted(self) -> bool:
        """Whether it can be seen."""
        return self.is_mounted and self.size.height > 0 and self.is_on_screen

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()
        self._drawn.clear()
        self._codes.clear()
        self._lines.clear()

    def style_of(self, names: str) -> Style:
        """The style of a text: the panel's own with those of the names on top."""
        style = self._styles.get(names)
        if style is None:
            style = self.rich_style
            for name in names.split():
                style += self.get_component_rich_style(f"panel--{name}", partial=True)
            self._styles[names] = style
        return style

    def _drawn_style(self, names: str) -> Style:
        """The style of a text on the screen."""
        style = self._drawn.get(names)
        if style is None:
            strip = filtered(self, Strip([Segment("x", self.style_of(names))]))
            style = self._drawn[names] = next(iter(strip)).style or Style.null()
        return style

    def render_line(self, y: int) -> Strip:
        return self._line(y, self.size.width)

    def render_lines(self, crop: Region) -> list[Strip]:
        if not self.ROWS:
            return super().render_lines(crop)
        width = self.size.width
        return cropped([self._line(y, width) for y in crop.line_range], crop, width)

    def _line(self, y: int, width: int) -> Strip:
        parts = _at(self.content.rows, y)
        known = self._lines.get(y)
        if known is not None and known[1] == width and known[0] == parts:
            return known[2]
        style_of, (shown, _) = self._drawn_style, fitted(parts or (), width)
        fill = style_of(_fill(shown))
        strip = line([(text, style_of(names)) for text, names in shown], width, fill)
        self._lines[y] = parts, width, strip
        return strip

    def text_of(self, y: int, console: Console) -> str:
        if not self.ROWS:
            return super().text_of(y, console)
        parts, length = fitted(_at(self.content.rows, y) or (), self.size.width)
        fill = " " * (self.size.width - length)
        texts: list[str] = []
        last = None
        for text, names in (*parts, (fill, _fill(parts))):
            if names != last:
                texts.append(self._code(names, console))
                last = names
            texts.append(text)
        return "".join(texts) + RESET

    def _code(self, names: str, console: Console) -> str:
        """What gives the terminal a style, whichever it has."""
        code = self._codes.get(names)
        if code is None:
            marked = Strip([Segment("x", self._drawn_style(names))]).render(console)
            code = self._codes[names] = RESET + marked.partition("x")[0]
        return code

    def target_at(self, y: int) -> Any:
        """What a row stands for, None where there is none."""
        return self.content.targets[y] if 0 <= y < len(self.content.targets) else None

    def on_click(self, event: events.Click) -> None:
        target = self.target_at(event.y)
        if target is not None:
            self.post_message(self.Chosen(self, target))

    def takes(self, key: str) -> bool:
        """Whether a key goes to the panel's `on_key`, whatever else it is bound to."""
        return False

    def stale(self) -> None:
        """Asks to be collected again."""
        self.post_message(self.Stale())


def _at(rows: list[Row], y: int) -> Row | None:
    return rows[y] if y < len(rows) else None


def _fill(parts: Row) -> str:
    """A highlighted row is highlighted to its end."""
    names = parts[-1][1].split() if parts else []
    return " ".join(name for name in names if name in ("current", "selected"))


class ListPanel(Panel):
    """A panel of items that scrolls, with a cursor; Enter or a click opens the item."""

    def __init__(self, **names: Any) -> None:
        super().__init__(**names)
        self.cursor = 0
        self.top = 0
        self.count = 0
        self.follows = True  # the cursor goes where `current` says, until it is moved

    def items(self, probe: Probe) -> list[tuple[Row, Any]]:
        """All rows and what they stand for."""
        raise NotImplementedError

    def current(self, probe: Probe) -> int | None:
        """The row of the present, if the list has one."""
        return None

    def empty(self) -> str:
        """What is said when there is nothing."""
        return "none"

    def note(self, probe: Probe) -> str:
        return ""

    def collect(self, probe: Probe) -> Content:
        items = self.items(probe)
        if not items:
            self.count = 0
            return Content([row((f" {self.empty()}", "dim"))])
        self.count = len(items)
        present = self.current(probe)
        if self.follows and present is not None:
            self.cursor = present
        self.cursor = min(self.cursor, self.count - 1)
        self._keep_in_sight()
        shown = items[self.top : self.top + self.size.height]
        rows = [
            _marked(cells, self.top + i == self.cursor and self.has_focus, self.top + i == present)
            for i, (cells, _) in enumerate(shown)
        ]
        return Content(rows, [target for _, target in shown], self.note(probe))

    def _keep_in_sight(self) -> None:
        height = max(1, self.size.height)
        self.top = min(self.top, self.cursor, max(0, self.count - height))
        self.top = max(self.top, self.cursor - height + 1)

    def move(self, by: int) -> None:
        """Moves the cursor."""
        self.follows = False
        self.cursor = max(0, min(self.count - 1, self.cursor + by))
        self.stale()

    def takes(self, key: str) -> bool:
        return key in ("up", "down", "pageup", "pagedown", "home", "end", "enter", "delete")

    def on_key(self, event: events.Key) -> None:
        steps = {"up": -1, "down": 1, "pageup": -self.size.height, "pagedown": self.size.height}
        steps |= {"home": -self.count, "end": self.count}
        if event.key in steps:
            self.move(steps[event.key])
        elif event.key in ("enter", "delete"):
            target = self.target_at(self.cursor - self.top)
            if target is not None:
                what = "open" if event.key == "enter" else "delete"
                self.post_message(self.Chosen(self, target, what))
        else:
            return
        event.stop()
        event.prevent_default()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.move(3)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.move(-3)
        event.stop()

    def on_focus(self) -> None:
        self.stale()

    def on_blur(self) -> None:
        self.follows = True
        self.stale()


def _marked(cells: Row, selected: bool, current: bool) -> Row:
    extra = " selected" if selected else " current" if current else ""
    return tuple((text, names + extra) for text, names in cells) if extra else cells
