"""Machine code as text: by iced-x86 where it is installed, else the bytes of one instruction."""

from __future__ import annotations

from blink import _engine

MAX_INSTRUCTION = 15


def disassemble(
    code: bytes, rip: int, count: int, syntax: str = "intel"
) -> list[tuple[int, bytes, str]]:
    """Up to `count` instructions from the start of `code`: address, bytes, text.

    `syntax` is intel or att.  Without iced-x86 it is one instruction and the text is empty.
    """
    try:
        import iced_x86
    except ImportError:
        return [(rip, code[: _length(code)], "")]
    decoder = iced_x86.Decoder(64, code, ip=rip)
    style = iced_x86.FormatterSyntax.GAS if syntax == "att" else iced_x86.FormatterSyntax.INTEL
    formatter = iced_x86.Formatter(style)
    formatter.hex_prefix, formatter.hex_suffix = "0x", ""
    formatter.uppercase_hex = formatter.branch_leading_zeros = False
    lines: list[tuple[int, bytes, str]] = []
    for instruction in decoder:
        at = instruction.ip - rip
        if len(lines) == count or not instruction:
            break
        data = code[at : at + instruction.len]
        lines.append((instruction.ip, data, formatter.format(instruction)))
    return lines or [(rip, code[: _length(code)], "")]


def _length(code: bytes) -> int:
    """Bytes of the first instruction; all that may belong to it when it is invalid."""
    try:
        return _engine.decode(code)["len"]
    except _engine.DecodeError:
        return MAX_INSTRUCTION
