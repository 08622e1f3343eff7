"""SSE and AVX: the vector registers as numbers of any type, size and radix."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

from blink.tui.panel import Content, Panel, Row, row
from blink.tui.panels._cp437 import GLYPHS

if TYPE_CHECKING:
    from blink.tui.probe import Probe

TYPES = ("int", "unsigned", "float", "bytes")
SIZES = (1, 2, 4, 8, 16)
RADIXES = ("hex", "dec", "oct", "bin")
FORMATS = {2: "<e", 4: "<f", 8: "<d"}
MXCSR = ("IE", "DE", "ZE", "OE", "UE", "PE", "DAZ", "IM", "DM", "ZM", "OM", "UM", "PM")
ROUNDING = ("nearest", "down", "up", "zero")


class Vector(Panel):
    """XMM registers; their YMM halves too while any is in use."""

    TITLE: ClassVar[str] = "SSE/AVX"
    SHORT: ClassVar[str] = "SSE"

    def __init__(self, **names: object) -> None:
        super().__init__(**names)
        self.type = 0
        self.size_index = 2
        self.radix = 0

    def next_type(self) -> str:
        self.type = (self.type + 1) % len(TYPES)
        if TYPES[self.type] == "float" and SIZES[self.size_index] not in FORMATS:
            self.size_index = SIZES.index(8)
        return self._say()

    def next_size(self) -> str:
        sizes = FORMATS if TYPES[self.type] == "float" else SIZES
        while True:
            self.size_index = (self.size_index + 1) % len(SIZES)
            if SIZES[self.size_index] in sizes:
                return self._say()

    def next_radix(self) -> str:
        self.radix = (self.radix + 1) % len(RADIXES)
        return self._say()

    def _say(self) -> str:
        self.stale()
        return (
            f"vectors as {8 * SIZES[self.size_index]}-bit {TYPES[self.type]}, {RADIXES[self.radix]}"
        )

    def collect(self, probe: Probe) -> Content:
        values = probe.registers
        if "ymm0" not in values:
            return Content([row((" no vector registers", "dim"))])
        wide = any(values.get(f"ymm{i}", 0) >> 128 for i in range(16))
        rows = [self._row(probe, i, wide) for i in range(16) if f"ymm{i}" in values]
        rows.insert(0, mxcsr_row(values.get("mxcsr", 0x1F80), probe.previous.get("mxcsr")))
        note = f"{8 * SIZES[self.size_index]}-bit {TYPES[self.type]} {RADIXES[self.radix]}"
        return Content(rows, [], note)

    def _row(self, probe: Probe, number: int, wide: bool) -> Row:
        name = f"ymm{number}"
        data = probe.registers[name].to_bytes(32, "little")[: 32 if wide else 16]
        old = probe.previous.get(name, probe.registers[name]).to_bytes(32, "little")
        size = SIZES[self.size_index]
        parts = [(f" {'ymm' if wide else 'xmm'}{number:<2} ", "register")]
        for at in range(len(data) - size, -1, -size):
            new = data[at : at + size] != old[at : at + size]
            text = lane(data[at : at + size], TYPES[self.type], RADIXES[self.radix])
            zero = not any(data[at : at + size])
            parts += [(text, "changed" if new else "dim" if zero else "number"), (" ", "")]
        return tuple(parts)


def lane(data: bytes, kind: str, radix: str) -> str:
    """One element, in a column of its own width."""
    if kind == "bytes":
        return "".join(GLYPHS[byte] for byte in reversed(data))
    if kind == "float":
        return f"{struct.unpack(FORMATS[len(data)], data)[0]:>{len(data) + 6}.{len(data)}g}"
    bits = 8 * len(data)
    value = int.from_bytes(data, "little")
    if radix == "dec":
        signed = value - (1 << bits) if kind == "int" and value >> (bits - 1) else value
        return f"{signed:>{len(str(1 << bits)) + 1}}"
    if radix == "oct":
        return f"{value:0{-(-bits // 3)}o}"
    return f"{value:0{bits}b}" if radix == "bin" else f"{value:0{2 * len(data)}x}"


def mxcsr_row(value: int, before: int | None) -> Row:
    """MXCSR in words: exceptions that have happened, those that are not masked, rounding."""
    style = "changed" if before is not None and before != value else "number"
    parts = [(" mxcsr ", "register"), (f"{value:04x} ", style)]
    parts += [(f"{MXCSR[bit]} ", "flag") for bit in range(7) if value >> bit & 1]
    unmasked = [MXCSR[bit] for bit in range(7, 13) if not value >> bit & 1]
    parts += [(f"!{name} ", "warning") for name in unmasked]
    parts.append((f"round {ROUNDING[value >> 13 & 3]}", "dim"))
    if value >> 15 & 1:
        parts.append((" FTZ", "flag"))
    return tuple(parts)
