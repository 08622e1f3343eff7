"""Stack: words from RSP on, what they point to, and where frames lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding

from blink.tui.panel import Content, Panel, Row, row

if TYPE_CHECKING:
    from textual import events

    from blink.tui.probe import Probe


class Stack(Panel):
    """The telescoped stack of the selected thread."""

    TITLE: ClassVar[str] = "Stack"
    SHORT: ClassVar[str] = "Stk"
    BINDINGS = [
        Binding("up", "scroll_rows(-1)", "scroll", show=False),
        Binding("down", "scroll_rows(1)", show=False),
    ]

    def __init__(self, **names: Any) -> None:
        super().__init__(**names)
        self.shift = 0

    def action_scroll_rows(self, count: int) -> None:
        self.shift = max(-64, self.shift + count)
        self.stale()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_scroll_rows(-3)

    def collect(self, probe: Probe) -> Content:
        if not probe.registers:
            return Content([row((" no stack", "dim"))])
        ends = {f.cfa: f for f in probe.frames if f.cfa}
        start = (probe.rsp & -8) + 8 * self.shift
        behind = start + 8 * self.size.height
        heats = probe.history.heats(start, behind, 8)
        rows, targets = [], []
        for address in range(start, behind, 8):
            word = probe.word(address)
            rows.append(self._row(probe, address, word, ends, heats.get(address)))
            targets.append(word)
        return Content(rows, targets, f"from rsp{8 * self.shift:+#x}" if self.shift else "")

    def _row(
        self,
        probe: Probe,
        address: int,
        word: int | None,
        ends: dict[int, Any],
        heat: tuple[int, bool] | None,
    ) -> Row:
        if word is None:
            return row((f"   {address:012x} ", "dim"), ("not mapped", "unmapped"))
        offset = address - probe.rsp
        mark = "▶" if not offset else "◆" if address == probe.registers.get("rbp") else " "
        returns = address + 8 in ends
        style = "write" if heat and heat[1] and heat[0] < 8 else "number"
        tail = [("  ◀ return", "mark")] if returns else []
        return row(
            (f" {mark}", "mark"),
            (f"{address:012x} ", "address"),
            (f"{offset:+05x} " if offset else "  rsp ", "dim"),
            ("╰" if returns else "│" if ends and address < max(ends) else " ", "arrow"),
            (f" {word:016x}", style),
            *probe.meaning(word),
            *tail,
        )
