"""Names of addresses: the symbol tables of an ELF64 file, and which part of it lies where.

A small reader of its own, because a crash report must not depend on what is installed.  Layout:
elf(5).  Anything malformed reads as "no symbols".
"""

from __future__ import annotations

import os
from bisect import bisect_right
from itertools import accumulate
from struct import Struct, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    Opener = Callable[[str], IO[bytes]]

_HEADER = Struct("<16xHHIQQQIHHHHHH")  # type .. shstrndx
_SEGMENT = Struct("<IIQQQQQQ")  # type flags offset vaddr paddr filesz memsz align
_SECTION = Struct("<IIQQQQIIQQ")  # name type flags addr offset size link info addralign entsize
_SYMBOL = Struct("<IBBHQQ")  # name info other shndx value size
PT_LOAD = 1
SHT_SYMTAB, SHT_DYNSYM = 2, 11
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_GNU_IFUNC = 0, 1, 2, 10
_CODE = (STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC)
_RESERVED = 0xFF00  # from here on no section: SHN_ABS (names of versions), SHN_COMMON
_LIMIT = 256 << 20  # bytes of one table: more than any program has


def open_here(path: str) -> IO[bytes]:
    """The file that this machine has; an Opener.  Raises OSError."""
    return open(path, "rb", buffering=0, opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK))


class Symbol:
    """A name for the bytes [value, value + size) of a file's own address range; size may be 0."""

    __slots__ = ("name", "size", "value")

    def __init__(self, name: str, value: int, size: int) -> None:
        self.name = name
        self.value = value
        self.size = size

    def reaches(self, address: int) -> bool:
        """Whether an address behind its start may belong to it."""
        return not self.size or address < self.value + self.size


class Symbols:
    """The segments, code symbols and data symbols of one file; empty for what is no ELF64 file."""

    __slots__ = ("_code", "_objects", "data", "segments", "symbols")

    def __init__(self, path: str, opener: Opener = open_here) -> None:
        self.segments: list[tuple[int, int, int]] = []  # file offset, address, size in the file
        self.symbols: list[Symbol] = []
        self.data: list[Symbol] = []
        self._open(path, opener)
        self._code, self._objects = _Order(self.symbols), _Order(self.data)

    def _open(self, path: str, opener: Opener) -> None:
        try:
            with opener(path) as file:
                self._read(file)
        except (OSError, OverflowError, error, IndexError, ValueError):
            return  # absent, truncated or malformed: what was read until now stays

    def _read(self, file: IO[bytes]) -> None:
        head = _pread(file, 0, 64)
        if head[:5] != b"\x7fELF\x02":
            return
        values = _HEADER.unpack(head)
        phoff, shoff, phentsize, phnum, shnum = values[4], values[5], *values[8:10], values[11]
        if phentsize == _SEGMENT.size:
            table = _SEGMENT.iter_unpack(_pread(file, phoff, phnum * _SEGMENT.size))
            self.segments = [(s[2], s[3], s[5]) for s in table if s[0] == PT_LOAD]
        sections = list(_SECTION.iter_unpack(_pread(file, shoff, shnum * _SECTION.size)))
        for section in sections:
            if section[1] in (SHT_SYMTAB, SHT_DYNSYM):
                self._read_table(file, section, sections[section[6]])

    def _read_table(
        self, file: IO[bytes], table: tuple[int, ...], strings: tuple[int, ...]
    ) -> None:
        names = _pread(file, strings[4], strings[5])
        size = table[5] - table[5] % _SYMBOL.size
        for name, info, _, section, value, length in _SYMBOL.iter_unpack(
            _pread(file, table[4], size)
        ):
            kind = info & 15
            wanted = kind in _CODE or kind == STT_OBJECT
            if 0 < section < _RESERVED and wanted and names[name : name + 1] not in (b"", b"\0"):
                text = names[name : names.index(b"\0", name)].decode("utf-8", "replace")
                table_of_kind = self.data if kind == STT_OBJECT else self.symbols
                table_of_kind.append(Symbol(text, value, length))

    def address_of(self, offset: int) -> int | None:
        """The file's own address for a place in the file, None when no segment loads it."""
        for start, address, size in self.segments:
            if start <= offset < start + size:
                return address + offset - start
        return None

    def nearest(self, address: int) -> Symbol | None:
        """The last symbol at or before an address that may hold it; one with a size before others.

        One with a size must reach the address, so that in a stripped file no distant name is given.
        """
        code, data = self._code.nearest(address), self._objects.nearest(address)
        return data if code is None or (data is not None and not code.size) else code


class _Order:
    """Symbols by address, and how far those up to each of them reach."""

    __slots__ = ("_reach", "_starts", "_symbols")

    def __init__(self, symbols: list[Symbol]) -> None:
        self._symbols = sorted(symbols, key=lambda s: (s.value, s.size))
        self._starts = [s.value for s in self._symbols]
        ends = (s.value + s.size if s.size else 1 << 64 for s in self._symbols)
        self._reach = list(accumulate(ends, max))

    def nearest(self, address: int) -> Symbol | None:
        at = bisect_right(self._starts, address) - 1
        while at >= 0 and self._reach[at] > address:
            if self._symbols[at].reaches(address):
                return self._symbols[at]
            at -= 1
        return None


def _pread(file: IO[bytes], offset: int, size: int) -> bytes:
    if size > _LIMIT:
        raise ValueError("an absurd table")
    file.seek(offset)
    return file.read(size)
