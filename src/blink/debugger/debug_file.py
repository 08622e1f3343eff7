"""Opens a file's debugging information with pyelftools; damaged files have none."""

from __future__ import annotations

import io
import struct
import zlib

from blink.debugger import separate
from blink.debugger.cfi import FrameTable
from blink.debugger.lines import Lines
from blink.debugger.symbols import Symbols, open_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

    from blink.debugger.symbols import Opener

    Debug = tuple[Lines | None, FrameTable | None]

_NOTHING = (None, None)


def damage() -> tuple[type[Exception], ...]:
    """What pyelftools raises for files that are damaged."""
    from elftools.common.exceptions import DWARFError, ELFError
    from elftools.construct.core import ConstructError

    general = (struct.error, ValueError, LookupError, AssertionError, TypeError, AttributeError)
    absurd = (ArithmeticError, EOFError, MemoryError, OSError, RecursionError, zlib.error)
    return (DWARFError, ELFError, ConstructError, *general, *absurd)


def read(path: str, opener: Opener = open_here) -> tuple[Debug, Symbols | None]:
    """Line tables and frames of a file; its separate file's symbols, if it is stripped.

    For a file that cannot be read there is nothing.
    """
    try:
        return _read(path, opener)
    except OSError:
        return _NOTHING, None
    except damage():
        return _NOTHING, None


def _read(path: str, opener: Opener) -> tuple[Debug, Symbols | None]:
    elf = _open(path, opener)
    frames = FrameTable(elf, elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False))
    if elf.has_dwarf_info(strict=True):
        return (_lines(elf), frames), None
    other = separate.find(path, elf)
    if other is None:
        return (None, frames), None
    return (_lines(_open(other, open_here)), frames), Symbols(other)


def _lines(elf: ELFFile) -> Lines:
    dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)

    def section(name: str) -> bytes:
        found = elf.get_section_by_name(name)
        return b"" if found is None or found["sh_type"] == "SHT_NOBITS" else found.data()

    def line_offset(unit: int) -> int | None:
        try:
            attributes = dwarf.get_CU_at(unit).get_top_DIE().attributes
            return int(attributes["DW_AT_stmt_list"].value)
        except damage():
            return None

    return Lines(section, line_offset)


def _open(path: str, opener: Opener) -> ELFFile:
    from elftools.elf.elffile import ELFFile

    with opener(path) as file:
        return ELFFile(io.BytesIO(file.read()))
