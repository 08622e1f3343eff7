"""The code of an x86-64 ELF file: executable sections, and the functions that unwinding knows.

Formats: elf(5); the System V psABI for x86-64, chapter 4; the LSB core specification for .eh_frame
and .eh_frame_hdr.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from struct import Struct, error
from typing import NamedTuple

_EHDR = Struct("<16xHHIQQQIHHHHHH")
_SHDR = Struct("<IIQQQQIIQQ")
_PHDR = Struct("<IIQQQQQQ")
_MAGIC = b"\x7fELF\x02\x01"
_LINKED = (2, 3)  # ET_EXEC, ET_DYN
_EM_X86_64 = 62
_PT_LOAD, _PT_GNU_EH_FRAME = 1, 0x6474E550
_SHT_PROGBITS, _SHF_EXECINSTR = 1, 4
_PF_X = 1
# Pointer encodings of .eh_frame (DW_EH_PE_*): the low four bits are the format.
_OMITTED, _FORMAT = 0xFF, 15
_SIZES = {0: 8, 2: 2, 3: 4, 4: 8, 10: 2, 11: 4, 12: 8}
_HEADER = (1, 0x1B, 0x03, 0x3B)  # version, and how GNU ld, gold, lld and mold encode the table


class NotCode(Exception):
    """A file without code that could be looked at; the message says why."""


class Section(NamedTuple):
    """Executable bytes."""

    name: str
    address: int
    data: bytes


class Segment(NamedTuple):
    """A row of the program header."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int


class CodeFile:
    """An ELF file's code.  Raises NotCode for other files, and for what is not linked."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(_MAGIC):
            raise NotCode("no 64-bit ELF file")
        try:
            self.data = data
            kind, machine, _, _, phoff, self._shoff, _, _, _, phnum, _, self._shnum, self._names = (
                _EHDR.unpack_from(data)
            )
            self.segments = [self._segment(phoff + i * _PHDR.size) for i in range(phnum)]
        except (error, OverflowError):
            raise NotCode("truncated") from None
        if machine != _EM_X86_64 or kind not in _LINKED:
            raise NotCode("not linked" if machine == _EM_X86_64 else "another machine")
        self.unwind = Unwind(self)

    def _segment(self, at: int) -> Segment:
        kind, flags, offset, address, _, size, _, _ = _PHDR.unpack_from(self.data, at)
        return Segment(kind, flags, offset, address, size)

    def sections(self) -> list[Section]:
        """Executable sections; the executable segments of a file without section headers."""
        try:
            found = list(self._from_sections())
        except (error, ValueError, OverflowError):
            found = []
        return found or [
            Section("segment", s.address, self.data[s.offset : s.offset + s.size])
            for s in self.segments
            if s.kind == _PT_LOAD and s.flags & _PF_X
        ]

    def _from_sections(self) -> Iterator[Section]:
        rows = [_SHDR.unpack_from(self.data, self._shoff + i * 64) for i in range(self._shnum)]
        names = rows[self._names][4] if self._names < len(rows) else 0
        for name, kind, flags, address, offset, size, *_ in rows:
            if kind == _SHT_PROGBITS and flags & _SHF_EXECINSTR:
                at = names + name
                text = self.data[at : self.data.index(b"\0", at)].decode("utf-8", "replace")
                yield Section(text, address, self.data[offset : offset + size])

    def offset_of(self, address: int) -> int:
        """The file offset of a loaded address.  ValueError if there is none."""
        for s in self.segments:
            if s.kind == _PT_LOAD and s.address <= address < s.address + s.size:
                return address - s.address + s.offset
        raise ValueError(f"{address:#x} is in no segment")


class Unwind:
    """The table of functions in .eh_frame_hdr; empty where the file has none that we can read."""

    def __init__(self, file: CodeFile) -> None:
        self.file = file
        self.starts: list[int] = []
        self._entries: list[int] = []
        header = next((s for s in file.segments if s.kind == _PT_GNU_EH_FRAME), None)
        if header is not None:
            self._read(header.offset, header.address)

    def __bool__(self) -> bool:
        return bool(self.starts)

    def _read(self, offset: int, address: int) -> None:
        data = self.file.data
        if tuple(data[offset : offset + 4]) != _HEADER:
            return
        count = int.from_bytes(data[offset + 8 : offset + 12], "little")
        table = data[offset + 12 : offset + 12 + 8 * count]
        rows = list(Struct("<ii").iter_unpack(table[: len(table) & -8]))
        starts = [address + start for start, _ in rows]
        if starts == sorted(starts):  # as the format demands; else it is no table
            self.starts = starts
            self._entries = [address + entry for _, entry in rows]

    def function(self, address: int) -> tuple[int, int] | None:
        """Start and end of the function around an address, if there is one."""
        i = bisect_right(self.starts, address) - 1
        if i < 0:
            return None
        try:
            size = self._size(self.file.offset_of(self._entries[i]))
        except (ValueError, IndexError, KeyError):
            return None
        start = self.starts[i]
        return (start, start + size) if address < start + size else None

    def starts_in(self, address: int, size: int) -> array[int]:
        """Offsets from an address where functions within `size` bytes start."""
        first, end = (bisect_left(self.starts, at) for at in (address, address + size))
        return array("Q", (start - address for start in self.starts[first:end]))

    def _size(self, at: int) -> int:
        """How long the function of the frame description at a file offset is."""
        data = self.file.data
        cie = at + 4 - int.from_bytes(data[at + 4 : at + 8], "little")
        width = _SIZES[_pointer_encoding(data, cie) & _FORMAT]
        return int.from_bytes(data[at + 8 + width : at + 8 + 2 * width], "little")


def _skip_leb128(data: bytes, at: int) -> int:
    while data[at] & 0x80:
        at += 1
    return at + 1


def _pointer_encoding(data: bytes, cie: int) -> int:
    """How the frame descriptions of this common entry write addresses."""
    version, at = data[cie + 8], data.index(b"\0", cie + 9)
    augmentation = data[cie + 9 : at]
    at = _skip_leb128(data, _skip_leb128(data, at + 1))  # alignment factors
    at = at + 1 if version == 1 else _skip_leb128(data, at)  # return address register
    if augmentation.startswith(b"z"):
        at = _skip_leb128(data, at)
    for letter in augmentation[1:]:
        if letter == ord("R"):
            return data[at]
        if letter == ord("P"):
            at += _SIZES[data[at] & _FORMAT]
        at += letter in b"PL"
    return 0
