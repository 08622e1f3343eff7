"""x87: the register stack, and its control and status in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from blink.tui.panel import Content, Panel, Row, row

if TYPE_CHECKING:
    from blink.tui.probe import Probe

EXCEPTIONS = ("IE", "DE", "ZE", "OE", "UE", "PE", "SF", "ES")
PRECISION = ("24 bits", "?", "53 bits", "64 bits")
ROUNDING = ("nearest", "down", "up", "zero")
BIAS, TOP_EXPONENT = 16383, 0x7FFF


class X87(Panel):
    """ST(0) to ST(7)."""

    TITLE: ClassVar[str] = "x87"
    SHORT: ClassVar[str] = "x87"

    def collect(self, probe: Probe) -> Content:
        values = probe.registers
        if "st0" not in values:
            return Content([row((" no x87 registers", "dim"))])
        rows = [self._row(probe, i) for i in range(8)]
        rows += [self._control(probe), self._status(probe)]
        return Content(rows)

    def _row(self, probe: Probe, number: int) -> Row:
        name = f"st{number}"
        bits = probe.registers[name]
        tags = probe.registers.get("ftw", 0xFFFF)
        physical = (number + (probe.registers.get("fsw", 0) >> 11 & 7)) & 7
        empty = tags >> (2 * physical) & 3 == 3
        style = "changed" if probe.changed(name) else "dim" if empty else "number"
        return row(
            (f" st{number} ", "register"),
            (f"{bits >> 64:04x} {bits & (1 << 64) - 1:016x} ", style),
            ("empty" if empty else text_of(bits), style),
        )

    def _control(self, probe: Probe) -> Row:
        value = probe.registers.get("fcw", 0x37F)
        unmasked = [EXCEPTIONS[i] for i in range(6) if not value >> i & 1]
        return row(
            (" fcw ", "register"),
            (f"{value:04x} ", "changed" if probe.changed("fcw") else "number"),
            (f"{PRECISION[value >> 8 & 3]}, round {ROUNDING[value >> 10 & 3]}", "dim"),
            ("".join(f" !{name}" for name in unmasked), "warning"),
        )

    def _status(self, probe: Probe) -> Row:
        value = probe.registers.get("fsw", 0)
        conditions = [f"C{i}" for i, bit in enumerate((8, 9, 10, 14)) if value >> bit & 1]
        raised = [name for i, name in enumerate(EXCEPTIONS) if value >> i & 1]
        return row(
            (" fsw ", "register"),
            (f"{value:04x} ", "changed" if probe.changed("fsw") else "number"),
            (f"top {value >> 11 & 7} ", "dim"),
            (" ".join(conditions + raised), "flag"),
        )


def text_of(bits: int) -> str:
    """An 80-bit number in decimal, to the precision of a double and beyond its range."""
    sign = "-" if bits >> 79 & 1 else ""
    exponent, mantissa = bits >> 64 & TOP_EXPONENT, bits & (1 << 64) - 1
    if exponent == TOP_EXPONENT:
        return sign + ("inf" if mantissa << 1 & (1 << 64) - 1 == 0 else "nan")
    if not mantissa:
        return sign + "0"
    power = max(exponent, 1) - BIAS - 63
    try:
        return f"{sign}{float(mantissa) * 2.0**power:.17g}"
    except OverflowError:
        return f"{sign}{mantissa / (1 << 63):.17g}*2^{power + 63}"
