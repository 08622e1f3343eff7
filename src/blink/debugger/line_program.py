"""The line number programs of `.debug_line`: DWARF versions 2 to 5, 32-bit format.

A reader of its own: for libc with its debugging information pyelftools took 30 s to tell in which
units a source file occurs, and this one takes half a second.  Source: DWARF 5, section 6.2.
"""

from __future__ import annotations

import posixpath
from contextlib import suppress
from struct import Struct, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple

    class Row(NamedTuple):
        """From `address` on the code belongs to this line; `end`: nothing does any more."""

        address: int
        file: int
        line: int
        column: int
        statement: bool
        end: bool


_HEAD = Struct("<IH")
_U16, _U32, _U64 = Struct("<H"), Struct("<I"), Struct("<Q")
_PATH, _DIRECTORY = 1, 2  # DW_LNCT_*
_STRING, _STRP, _LINE_STRP, _UDATA = 0x08, 0x0E, 0x1F, 0x0F  # DW_FORM_*
_FIXED = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16}  # data1, data2, data4, data8, data16
_MASK = (1 << 64) - 1


class Malformed(Exception):
    """A unit that cannot be read."""


class Reader:
    """A position in a section."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self, form: Struct) -> int:
        (value,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return int(value)

    def leb(self) -> int:
        """An unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed_leb(self) -> int:
        start = self.at
        value = self.leb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if self.data[self.at - 1] & 0x40 else value

    def text(self) -> str:
        end = self.data.index(0, self.at)
        start, self.at = self.at, end + 1
        return self.data[start:end].decode("utf-8", "replace")


class Unit:
    """One program.

    offset  of its header in the section
    files   file number -> path as the compiler wrote it; relative ones begin at its folder
    """

    __slots__ = ("_data", "_end", "_files", "_header", "_lengths", "_start", "_tables", "offset")

    def __init__(self, data: bytes, offset: int, strings: tuple[bytes, bytes]) -> None:
        """`strings` are the sections .debug_str and .debug_line_str.  Raises Malformed."""
        self.offset = offset
        self._data = data
        self._files: dict[int, str] | None = None
        try:
            self._read(strings)
        except (IndexError, error):
            raise Malformed from None

    def _read(self, strings: tuple[bytes, bytes]) -> None:
        data, offset = self._data, self.offset
        reader = Reader(data, offset)
        length, version = _HEAD.unpack_from(data, offset)
        self._end = offset + 4 + length
        if not 2 <= version <= 5 or self._end > len(data):
            raise Malformed
        reader.at += _HEAD.size + (2 if version == 5 else 0)  # address and segment sizes
        header_length = reader.number(_U32)
        self._start = reader.at + header_length
        unit = reader.byte()
        reader.at += version >= 4  # operations an instruction: VLIW machines
        default, base, span, first = (reader.byte() for _ in range(4))
        self._header = (unit, default, base - ((base & 0x80) << 1), span or 1, first)
        self._lengths = [0, *(reader.byte() for _ in range(first - 1))]
        self._tables = (reader.at, strings if version == 5 else None)

    @property
    def files(self) -> dict[int, str]:
        """Empty when the tables cannot be read."""
        if self._files is None:
            at, strings = self._tables
            reader = Reader(self._data, at)
            try:
                self._files = _files_4(reader) if strings is None else _files_5(reader, strings)
            except (Malformed, IndexError, ValueError, error):
                self._files = {}
        return self._files

    def rows(self) -> list[Row]:
        """What the program says, by address; at one address the last counts, but for ends."""
        try:
            found = list(self._run())
        except (IndexError, error):
            raise Malformed from None
        found.sort(key=lambda row: (row[0], not row[5]))
        return found  # type: ignore[return-value]

    def _run(self) -> Iterator[tuple[int, int, int, int, bool, bool]]:
        unit, default, base, span, first = self._header
        reader, end = Reader(self._data, self._start), self._end
        address, file, line, column, statement = 0, 1, 1, 0, bool(default)
        while reader.at < end:
            op = reader.byte()
            if op >= first:  # a special opcode
                op -= first
                address += op // span * unit
                line += base + op % span
                yield address, file, line, column, statement, False
            elif op == 0:  # an extended one
                size = reader.leb()
                behind = reader.at + size
                op = reader.byte() if size else 0
                if op == 1:  # DW_LNE_end_sequence
                    yield address, file, line, column, statement, True
                    address, file, line, column, statement = 0, 1, 1, 0, bool(default)
                elif op == 2:  # DW_LNE_set_address
                    address = reader.number(_U64 if size == 9 else _U32)
                reader.at = behind
            elif op == 1:  # DW_LNS_copy
                yield address, file, line, column, statement, False
            elif op == 2:  # DW_LNS_advance_pc
                address += reader.leb() * unit
            elif op == 3:  # DW_LNS_advance_line
                line += reader.signed_leb()
            elif op == 4:  # DW_LNS_set_file
                file = reader.leb()
            elif op == 5:  # DW_LNS_set_column
                column = reader.leb()
            elif op == 6:  # DW_LNS_negate_stmt
                statement = not statement
            elif op == 8:  # DW_LNS_const_add_pc
                address += (255 - first) // span * unit
            elif op == 9:  # DW_LNS_fixed_advance_pc
                address += reader.number(_U16)
            else:  # marks of blocks and prologues, and what later versions add
                for _ in range(self._lengths[op]):
                    reader.leb()


def units(data: bytes, strings: tuple[bytes, bytes]) -> Iterator[Unit]:
    """All programs of a section; what cannot be read is left out."""
    offset = 0
    while offset + _HEAD.size <= len(data):
        (length,) = _U32.unpack_from(data, offset)
        if length >= 0xFFFFFFF0:  # the 64-bit format
            return
        with suppress(Malformed):
            yield Unit(data, offset, strings)
        offset += 4 + length


def _files_4(reader: Reader) -> dict[int, str]:
    folders = [""]
    while name := reader.text():
        folders.append(name)
    files: dict[int, str] = {}
    while name := reader.text():
        folder = reader.leb()
        reader.leb(), reader.leb()  # time of change, size
        files[len(files) + 1] = _join(folders, folder, name)
    return files


def _files_5(reader: Reader, strings: tuple[bytes, bytes]) -> dict[int, str]:
    folders = [str(entry.get(_PATH, "")) for entry in _entries(reader, strings)]
    folders[1:] = [posixpath.join(folders[0], folder) for folder in folders[1:]]
    files = enumerate(_entries(reader, strings))
    return {
        n: _join(folders, int(entry.get(_DIRECTORY, 0)), str(entry.get(_PATH, "")))
        for n, entry in files
    }


def _entries(reader: Reader, strings: tuple[bytes, bytes]) -> list[dict[int, int | str]]:
    """A table that describes itself: pairs of content and form, then the entries."""
    formats = [(reader.leb(), reader.leb()) for _ in range(reader.byte())]
    count = reader.leb()
    if count > len(reader.data):
        raise Malformed
    return [{kind: _value(reader, form, strings) for kind, form in formats} for _ in range(count)]


def _value(reader: Reader, form: int, strings: tuple[bytes, bytes]) -> int | str:
    if form == _STRING:
        return reader.text()
    if form in (_STRP, _LINE_STRP):
        return Reader(strings[form == _LINE_STRP], reader.number(_U32)).text()
    if form == _UDATA:
        return reader.leb()
    if form not in _FIXED:
        raise Malformed
    reader.at += _FIXED[form]
    return int.from_bytes(reader.data[reader.at - _FIXED[form] : reader.at], "little")


def _join(folders: list[str], folder: int, name: str) -> str:
    base = folders[folder] if folder < len(folders) else ""
    return posixpath.normpath(posixpath.join(base, name))
