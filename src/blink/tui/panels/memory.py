"""Memory: bytes in hex or as glyphs, at an address that follows the program or stays where put."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding

from blink.tui.panel import Content, Panel, Row, row
from blink.tui.panels._cp437 import GLYPHS, shade
from blink.tui.panels._lanczos import zoomed
from blink.tui.probe import PAGE

if TYPE_CHECKING:
    from textual import events

    from blink.tui.probe import Probe

    Heats = dict[int, tuple[int, bool]]  # cell -> age of the newest access, whether it wrote

DEEPEST = 8  # a cell stands for 2**DEEPEST bytes at most
HOT = 8  # accesses that count as new
HEAD = 14  # columns of the address
TITLES = {
    "code": ("Code", "Code"),
    "read": ("Read", "Rd"),
    "write": ("Written", "Wr"),
    "stack": ("Stack bytes", "Stk"),
}


class Memory(Panel):
    """One window on memory. `kind` says what it follows: code, read, write or stack."""

    BINDINGS = [
        Binding("up", "scroll_rows(-1)", "scroll", show=False),
        Binding("down", "scroll_rows(1)", show=False),
        Binding("shift+up", "scroll_rows(-8)", show=False),
        Binding("shift+down", "scroll_rows(8)", show=False),
        Binding("plus,equals_sign", "zoom(-1)", "zoom in", show=False),
        Binding("minus", "zoom(1)", "zoom out", show=False),
        Binding("h", "glyphs", "hex or glyphs", show=False),
        Binding("0", "follow", "follow the program", show=False),
    ]
    TITLE: ClassVar[str] = "Memory"

    def __init__(self, kind: str, **names: Any) -> None:
        super().__init__(**names)
        self.kind = kind
        self.title, self.short = TITLES[kind]
        self.pinned: int | None = None
        self.top = 0
        self.level = 0
        self.glyphs = False

    # --- what the user does ---------------------------------------------------------------------

    def look_at(self, address: int | None) -> None:
        """Stays at an address; None follows the program again."""
        self.pinned = address
        self.top = 0 if address is None else address & -self.span
        self.stale()

    def action_follow(self) -> None:
        self.look_at(None)

    def action_glyphs(self) -> None:
        self.glyphs = not self.glyphs
        self.top &= -self.span
        self.stale()

    def action_scroll_rows(self, count: int) -> None:
        self.pinned = self.top = max(0, self.top + count * self.span)
        self.stale()

    def action_zoom(self, by: int) -> None:
        """Zooms out, or in again; the first cell stays."""
        self.level = max(0, min(DEEPEST, self.level + by))
        self.top &= -self.span
        self.stale()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1)

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        event.stop()
        if event.ctrl:
            self.action_zoom(direction)
        else:
            self.action_scroll_rows(direction)

    # --- rows -----------------------------------------------------------------------------------

    @property
    def dense(self) -> bool:
        """Whether a cell is one character."""
        return self.glyphs or self.level > 0

    @property
    def cells(self) -> int:
        """Cells in a row: a power of two."""
        room = max(8, self.size.width - HEAD)
        fit = room if self.dense else (room + 1) // 4
        return max(4, 1 << (fit.bit_length() - 1))

    @property
    def span(self) -> int:
        """Bytes in a row."""
        return self.cells << self.level

    def collect(self, probe: Probe) -> Content:
        focus = self._focus(probe)
        if not focus:
            return Content([row((" nothing yet", "dim"))])
        height, span = max(1, self.size.height), self.span
        if not self.top <= focus < self.top + height * span:
            self.top = max(0, (focus & -span) - (height // 3) * span)
        targets = list(range(self.top, self.top + height * span, span))
        heats = probe.history.heats(self.top, self.top + height * span, 1 << self.level)
        rows = [self._row(probe, start, span, heats) for start in targets]
        return Content(rows, targets, self._note(probe, focus))

    def _focus(self, probe: Probe) -> int:
        """The address that must be in sight."""
        if self.pinned is not None:
            return self.pinned
        history = probe.history
        follows = {"code": probe.rip, "stack": probe.rsp}
        follows |= {"read": history.last_read, "write": history.last_write}
        return follows[self.kind]

    def _note(self, probe: Probe, focus: int) -> str:
        mapping = probe.mapping(focus)
        name = mapping.path.rpartition("/")[2] if mapping is not None else ""
        zoom = f" 1:{1 << self.level}" if self.level else ""
        held = " held" if self.pinned is not None else ""
        return f"{name}{zoom}{held}"

    def _row(self, probe: Probe, start: int, span: int, heats: Heats) -> Row:
        parts = [(f" {start:012x} ", "address")]
        if self.level:
            return (*parts, *self._zoomed(probe, start, span, heats))
        data = probe.read(start, span)
        hot = [_heat(heats, start + i) for i in range(len(data))]
        if self.glyphs:
            parts += [(GLYPHS[b], h or "string") for b, h in zip(data, hot, strict=True)]
            return (*_joined(parts), ("∙" * (span - len(data)), "unmapped"))
        for byte, heat in zip(data, hot, strict=True):
            parts += [(f"{byte:02x}", heat or ("number" if byte else "dim")), (" ", "")]
        parts.append(("∙∙ " * (span - len(data)), "unmapped"))
        parts += [(GLYPHS[b], h or "string") for b, h in zip(data, hot, strict=True)]
        return tuple(_joined(parts))

    def _zoomed(self, probe: Probe, start: int, span: int, heats: Heats) -> list[tuple[str, str]]:
        parts: list[tuple[str, str]] = []
        for at in range(start, start + span, 1 << self.level):
            page, offset = at & -PAGE, at & (PAGE - 1)
            data = probe.read(page, PAGE)
            if len(data) < PAGE:
                parts.append(("∙", "unmapped"))
                continue
            value = zoomed(data, self.level)[offset >> self.level]
            parts.append((shade(value), _heat(heats, at) or "number"))
        return _joined(parts)


def _heat(heats: Heats, address: int) -> str:
    """The style of a cell that was accessed."""
    heat = heats.get(address)
    if heat is None:
        return ""
    age, written = heat
    name = "write" if written else "read"
    return name if age < HOT else f"{name}-old"


def _joined(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbours of one style as one text."""
    joined: list[tuple[str, str]] = []
    for text, names in parts:
        if joined and joined[-1][1] == names:
            joined[-1] = (joined[-1][0] + text, names)
        else:
            joined.append((text, names))
    return joined
