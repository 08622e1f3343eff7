"""The program's terminal: keys go to the program while this panel has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from blink.tui.panel import Content, Panel, row
from blink.tui.term import keys
from blink.tui.term.parser import MOUSE

if TYPE_CHECKING:
    from textual import events

    from blink.tui.probe import Probe
    from blink.tui.term.pty import Pty

COLUMNS, LINES = 80, 24  # what programs may expect at least
LEAVE = "ctrl+right_square_bracket"
DECCKM, SGR_MOUSE, BRACKETED = 1, 1006, 2004
COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow"}


class ProgramTerminal(Panel):
    """Shows a `Pty`; a panel smaller than 80 by 24 shows the part with the cursor."""

    TITLE: ClassVar[str] = "Terminal"
    SHORT: ClassVar[str] = "Term"
    ROWS: ClassVar[bool] = False
    DRAW_RATE = 1 / 25

    def __init__(self, pty: Pty | None, **names: Any) -> None:
        super().__init__(**names)
        self.pty = pty
        self._dirty = True
        self._origin = (0, 0)

    def collect(self, probe: Probe) -> Content:
        if self.pty is None:
            return Content([row((" a recording has no terminal", "dim"))])
        return Content([], [], "ctrl-] leaves" if self.has_focus else "")

    def show(self, content: Content) -> None:
        """The rows are the terminal's, not the frame's: `_draw` has them."""
        self.content = content

    def on_mount(self) -> None:
        self.set_interval(self.DRAW_RATE, self._draw)

    def changed(self) -> None:
        """The program wrote; called from the reader's thread."""
        self._dirty = True

    def _draw(self) -> None:
        if self._dirty:
            self._dirty = False
            self.refresh()

    def on_focus(self) -> None:
        self.refresh()  # the cursor

    on_blur = on_focus

    def on_resize(self, event: events.Resize) -> None:
        if self.pty is not None and event.size.width and event.size.height:
            self.pty.resize(max(COLUMNS, event.size.width), max(LINES, event.size.height))

    # --- drawing --------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        if self.pty is None:
            return super().render_line(y)
        terminal, lock = self.pty.look()
        with lock:
            screen = terminal.screen
            if y == 0:
                self._origin = self._place(screen)
            left, top = self._origin
            segments = self._cells(screen, top + y, left)
        return Strip(segments).adjust_cell_length(self.size.width, self.style_of("")).simplify()

    def _place(self, screen: Any) -> tuple[int, int]:
        """The first cell in sight: the cursor is."""
        left = max(0, min(screen.cursor.x - self.size.width + 1, screen.columns - self.size.width))
        top = max(0, min(screen.cursor.y - self.size.height + 1, screen.lines - self.size.height))
        return left, top

    def _cells(self, screen: Any, y: int, left: int) -> list[Segment]:
        if y >= screen.lines:
            return []
        line, segments = screen.buffer[y], []
        text, last = "", None
        width = min(screen.columns, left + self.size.width)
        cursor = screen.cursor if self.has_focus and screen.cursor.y == y else None
        for x in range(left, width):
            cell = line[x]
            key = cell[1:]
            if cursor is not None and cursor.x == x and not cursor.hidden:
                key = (*key[:6], not cell.reverse, cell.blink)
            if key != last:
                if text:
                    segments.append(Segment(text, self._look(last)))
                text, last = "", key
            text += cell.data
        if text:
            segments.append(Segment(text, self._look(last)))
        return segments

    def _look(self, key: Any) -> Style:
        """The style of a cell; the terminal's own colours over the panel's."""
        fg, bg, bold, italics, underscore, strike, reverse, blink = key
        name = f"\0{key}"
        style = self._styles.get(name)
        if style is None:
            style = self.style_of("") + Style(
                color=_colour(fg), bgcolor=_colour(bg), bold=bold, italic=italics,
                underline=underscore, strike=strike, reverse=reverse, blink=blink,
            )  # fmt: skip
            self._styles[name] = style
        return style

    # --- what the user types --------------------------------------------------------------------

    def takes(self, key: str) -> bool:
        return self.pty is not None

    def on_key(self, event: events.Key) -> None:
        if self.pty is None:
            return
        event.stop()
        event.prevent_default()
        self._send(keys.encode(event.key, event.character, self._mode(DECCKM)))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        text = event.text.replace("\n", "\r").encode()
        self._send(b"\x1b[200~" + text + b"\x1b[201~" if self._mode(BRACKETED) else text)

    def _send(self, data: bytes) -> None:
        if self.pty is not None and data:
            self.pty.write(data)

    def _mode(self, number: int) -> bool:
        if self.pty is None:
            return False
        terminal, _ = self.pty.look()
        return terminal.screen.has_mode(number)

    def on_click(self, event: events.Click) -> None:
        event.stop()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._mouse(event, event.button - 1, True)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._mouse(event, event.button - 1, False)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._mouse(event, 64, True)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._mouse(event, 65, True)

    def _mouse(self, event: events.MouseEvent, button: int, pressed: bool) -> None:
        """To the program, if it asked for the mouse."""
        if self.has_focus and any(map(self._mode, MOUSE)):
            left, top = self._origin
            x, y = event.x + left, event.y + top
            self._send(keys.mouse(max(0, button), x, y, pressed, self._mode(SGR_MOUSE)))
            event.stop()


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if len(name) == 6 and name not in ("brightblack",):
        try:
            int(name, 16)
            return f"#{name}"
        except ValueError:
            pass
    name = COLOURS.get(name, name)
    return (
        name.replace("bright", "bright_") if name.startswith("bright") and "_" not in name else name
    )
