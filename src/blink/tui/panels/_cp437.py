"""Bytes as the glyphs of code page 437, each one cell wide and none of them blank but two."""

from __future__ import annotations

_LOW = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
_HIGH = bytes(range(128, 256)).decode("cp437")
GLYPHS = tuple(_LOW + "".join(map(chr, range(32, 127))) + "⌂" + _HIGH[:-1] + "λ")
SHADES = " ░▒▓█"


def shade(value: int) -> str:
    """The darkness of a cell that stands for many bytes."""
    return SHADES[(value * (len(SHADES) - 1) + 127) // 255]
