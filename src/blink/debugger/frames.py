"""Frames of a stopped thread, and what a call looks like."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from blink import _engine
from blink.debugger.modules import Symbols
from blink.debugger.objects import Place
from blink.debugger.unwind import Unwinder

Read = Callable[[int, int], bytes]
_PREFIXES = frozenset((0x66, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, *range(0x40, 0x50)))
_CALL, _GROUP5 = 0xE8, 0xFF
_PAGE = 4096


class Frame(NamedTuple):
    """`pc` where it goes on, `cfa` the stack pointer before the call (0: not known); `how` it was
    found: top, cfi, signal, rbp, stack.  `registers`: DWARF number -> value, of those known."""

    pc: int
    cfa: int
    place: Place
    how: str
    registers: dict[int, int]

    def __repr__(self) -> str:
        return f"<Frame {self.pc:#x} {self.place}>".replace(" >", ">")


def call_length(code: bytes) -> int:
    """Bytes of the instruction when it is a near or far CALL, else 0."""
    try:
        length = _engine.decode(code)["len"]
    except _engine.DecodeError:
        return 0
    at = next((i for i, byte in enumerate(code[:length]) if byte not in _PREFIXES), length - 1)
    is_call = code[at] == _CALL or (code[at] == _GROUP5 and code[at + 1] >> 3 & 7 in (2, 3))
    return length if is_call else 0


def is_return(code: bytes) -> bool:
    """Whether an instruction is a near RET."""
    body = code.lstrip(bytes(_PREFIXES))
    return body[:1] in (b"\xc2", b"\xc3")


def backtrace(registers: dict[str, int], read: Read, symbols: Symbols, limit: int) -> list[Frame]:
    """The frames of a thread with these registers, innermost first."""
    unwinder = Unwinder(_by_page(read), symbols.objects.rules, symbols.is_code)
    return [
        Frame(f.pc, f.cfa, _place(symbols, f.pc, f.lookup), f.how, f.registers)
        for f in islice(unwinder.frames(registers), limit)
    ]


def _by_page(read: Read) -> Read:
    """A backtrace reads many words that lie close together, and each read is a message."""
    pages: dict[int, bytes] = {}

    def part(address: int, length: int) -> bytes:
        page, offset = address & -_PAGE, address & (_PAGE - 1)
        if offset + length > _PAGE:
            return read(address, length)
        if page not in pages:
            pages[page] = read(page, _PAGE)
        return pages[page][offset : offset + length]

    return part


def _place(symbols: Symbols, pc: int, lookup: int) -> Place:
    """Name and line of the call, which may be the last of its function; the offset is pc's."""
    place = symbols.at(lookup)
    return Place(place.name, place.offset + pc - lookup, place.object, place.line)
