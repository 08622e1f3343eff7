"""Registers: what is in them, what that points to, and which have just changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from blink.tui.panel import Content, Panel, Row, row

if TYPE_CHECKING:
    from textual import events

    from blink.tui.probe import Probe

GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()
SEGMENTS = "cs ds es ss fs gs".split()
FLAGS = (
    ("CF", 0), ("PF", 2), ("AF", 4), ("ZF", 6), ("SF", 7), ("DF", 10), ("OF", 11),
)  # fmt: skip
RARE = (("TF", 8), ("IF", 9), ("NT", 14), ("RF", 16), ("AC", 18), ("ID", 21))
TALL = 20
ROOMY = 42


class Registers(Panel):
    """The general registers, RIP, flags and segments of the selected thread."""

    TITLE: ClassVar[str] = "Registers"
    SHORT: ClassVar[str] = "Reg"

    def collect(self, probe: Probe) -> Content:
        values = probe.registers
        if not values:
            return Content([row((" no registers: the program has ended", "dim"))])
        names = [name for name in GENERAL if name in values]
        if self._tall:
            rows = [self._full(probe, name) for name in names]
        else:
            half = len(names) // 2
            rows = [
                self._pair(probe, *pair) for pair in zip(names[:half], names[half:], strict=True)
            ]
        rows.append(self._full(probe, "rip"))
        rows.append(flags_row(values.get("eflags", 0), probe.previous.get("eflags")))
        if self.size.height > len(rows):
            rows.append(self._segments(probe))
        if self.size.height > len(rows):
            rows.append(self._bases(probe))
        return Content(rows, self._targets(probe, names, len(rows)), f"thread {probe.tid}")

    def _targets(self, probe: Probe, names: list[str], count: int) -> list[tuple[int, ...]]:
        """What each row holds: one value, or two side by side, or none."""
        per_row: list[tuple[str, ...]] = [(name,) for name in names]
        if not self._tall:
            half = len(names) // 2
            per_row = list(zip(names[:half], names[half:], strict=True))
        values = [tuple(probe.registers.get(name, 0) for name in row) for row in per_row]
        values.append((probe.rip,))
        return values + [()] * (count - len(values))

    def on_click(self, event: events.Click) -> None:
        """The memory that the value under the pointer is the address of."""
        event.prevent_default()  # the base class would open the row
        values = self.target_at(event.y)
        if values:
            column = 0 if len(values) == 1 else event.x * 2 // max(1, self.size.width)
            self.post_message(self.Chosen(self, values[min(column, len(values) - 1)]))

    @property
    def _tall(self) -> bool:
        """Whether each register has a row."""
        return self.size.height >= TALL - 2

    def _value(self, probe: Probe, name: str) -> tuple[str, str]:
        text = f"{probe.registers.get(name, 0):016x}"
        return text, "changed" if probe.changed(name) else "number"

    def _full(self, probe: Probe, name: str) -> Row:
        return row(
            (f" {name:<3} ", "register"),
            self._value(probe, name),
            *probe.meaning(probe.registers.get(name, 0)),
        )

    def _pair(self, probe: Probe, left: str, right: str) -> Row:
        """Two in a row; with little room, blanks for leading zeros keep names and values apart."""
        gap = " " if self.size.width >= ROOMY else ""
        values = [self._value(probe, name) for name in (left, right)]
        if not gap:
            values = [(f"{text.lstrip('0') or '0':>16}", style) for text, style in values]
        return row(
            (f"{gap}{left:<3}{gap}", "register"),
            values[0],
            (f" {right:<3}{gap}", "register"),
            values[1],
        )

    def _segments(self, probe: Probe) -> Row:
        parts: list[tuple[str, str]] = [(" ", "")]
        for name in SEGMENTS:
            style = "changed" if probe.changed(name) else "number"
            parts += [
                (f"{name} ", "register"),
                (f"{probe.registers.get(name, 0):x}", style),
                (" ", ""),
            ]
        return tuple(parts)

    def _bases(self, probe: Probe) -> Row:
        parts: list[tuple[str, str]] = [(" ", "")]
        for name in ("fs_base", "gs_base"):
            style = "changed" if probe.changed(name) else "number"
            value = f"{probe.registers.get(name, 0):x}"
            parts += [(f"{name[:2]}: ", "register"), (value, style), (" ", "")]
        return tuple(parts)


def flags_row(flags: int, before: int | None) -> Row:
    """The flags that are set in capitals; the rare ones only then."""
    parts: list[tuple[str, str]] = [(" flags ", "register")]
    shown = (*FLAGS, *((name, bit) for name, bit in RARE if flags >> bit & 1 and name != "IF"))
    for name, bit in shown:
        on = flags >> bit & 1
        new = before is not None and before >> bit & 1 != on
        style = "changed" if new else "flag" if on else "dim"
        parts += [(name if on else name.lower(), style), (" ", "")]
    return tuple(parts)
