"""Source lines of one ELF file: of an address, and addresses of a line.

Programs of line numbers are run when an address or a file name leads to their unit.
"""

from __future__ import annotations

from bisect import bisect_right
from struct import Struct

from blink.debugger.line_program import Malformed, Unit, units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blink.debugger.line_program import Row

_SET = Struct("<IHIBB")  # of .debug_aranges: length, version, offset of the unit, sizes
_PAIR = Struct("<QQ")


class Line:
    """Where an address comes from: `file` is a path as the compiler knew it; lines count from 1."""

    __slots__ = ("column", "file", "line")

    def __init__(self, file: str, line: int, column: int = 0) -> None:
        self.file = file
        self.line = line
        self.column = column

    def __repr__(self) -> str:
        return f"{self.file}:{self.line}"


class Lines:
    """Addresses are those of the file's own range.

    section         section(name): the bytes of a section, empty when it is missing
    line_offset     line_offset(unit): where the program of a compilation unit begins, by the unit's
                    offset in .debug_info; None without one
    """

    __slots__ = (
        "_data",
        "_line_offset",
        "_rows",
        "_some",
        "_spans",
        "_strings",
        "_units",
        "_whole",
    )

    def __init__(
        self, section: Callable[[str], bytes], line_offset: Callable[[int], int | None]
    ) -> None:
        self._data = section(".debug_line")
        self._strings = section(".debug_str"), section(".debug_line_str")
        self._line_offset = line_offset
        self._units: dict[int, Unit] | None = None
        self._some: dict[int, Unit | None] = {}
        self._rows: dict[int, list[Row]] = {}
        self._spans = sorted(_aranges(section(".debug_aranges")))
        self._whole: list[tuple[int, int, int]] | None = None

    def at(self, address: int) -> Line | None:
        """The line that an address belongs to."""
        unit = self._unit_of(address)
        if unit is None:
            return None
        rows = self._table(unit)
        at = bisect_right(rows, address, key=lambda row: row[0]) - 1
        if at < 0:
            return None
        _, file, line, column, _, end = rows[at]
        return None if end or not line else Line(unit.files.get(file, "?"), line, column)

    def find(self, file: str, line: int) -> list[int]:
        """Where a breakpoint on a line goes: the first address of each stretch of code of it.

        `file` is a path or its end (`main.c`, `src/main.c`).  A line without code stands for the
        next one that has some, as in GDB.
        """
        found: dict[int, list[int]] = {}
        for unit in self._all().values() if self._names(file) else ():
            wanted = {n for n, path in unit.files.items() if _ends_with(path, file)}
            for address, number in self._begins(unit, wanted) if wanted else ():
                if number >= line:
                    found.setdefault(number, []).append(address)
        return sorted(set(found[min(found)])) if found else []

    def behind_prologue(self, start: int, end: int) -> int:
        """Where a breakpoint on a function goes: its second line's address, as in GDB."""
        unit = self._unit_of(start)
        rows = [] if unit is None else self._table(unit)
        later = (
            row[0] for row in rows if start < row[0] < end and row[4] and row[2] and not row[5]
        )
        return next(later, start)

    def files(self) -> set[str]:
        """All source files that the line tables name."""
        return {path for unit in self._all().values() for path in unit.files.values()}

    def _names(self, file: str) -> bool:
        """Whether any unit may name the file: a search for its last part."""
        name = file.rpartition("/")[2].encode()
        return any(name in text for text in (self._data, *self._strings))

    def _begins(self, unit: Unit, files: set[int]) -> Iterator[tuple[int, int]]:
        """Address and line where a stretch of statements of one line begins."""
        before = None
        for address, file, line, _, statement, end in self._table(unit):
            here = (file, line)
            if statement and not end and file in files and here != before:
                yield address, line
            before = None if end else here

    def _all(self) -> dict[int, Unit]:
        if self._units is None:
            self._units = {unit.offset: unit for unit in units(self._data, self._strings)}
        return self._units

    def _unit(self, offset: int) -> Unit | None:
        if offset not in self._some:
            try:
                self._some[offset] = Unit(self._data, offset, self._strings)
            except Malformed:
                self._some[offset] = None
        return self._some[offset]

    def _table(self, unit: Unit) -> list[Row]:
        if unit.offset not in self._rows:
            try:
                self._rows[unit.offset] = unit.rows()
            except Malformed:
                self._rows[unit.offset] = []
        return self._rows[unit.offset]

    def _unit_of(self, address: int) -> Unit | None:
        """By .debug_aranges; units that are not there (clang's) by what their programs cover."""
        info = _span(self._spans, address)
        offset = None if info is None else self._line_offset(info)
        if offset is None:
            if self._whole is None:
                self._whole = sorted(
                    s for unit in self._all().values() for s in self._covered(unit)
                )
            offset = _span(self._whole, address)
        return None if offset is None else self._unit(offset)

    def _covered(self, unit: Unit) -> Iterator[tuple[int, int, int]]:
        first = None
        for row in self._table(unit):
            first = row[0] if first is None else first
            if row[5]:
                yield first, row[0], unit.offset
                first = None


def _span(spans: list[tuple[int, int, int]], address: int) -> int | None:
    at = bisect_right(spans, address, key=lambda span: span[0]) - 1
    return spans[at][2] if at >= 0 and address < spans[at][1] else None


def _aranges(data: bytes) -> Iterator[tuple[int, int, int]]:
    """First address, the one behind the last, offset of the unit.  DWARF 5, section 6.1.2."""
    at = 0
    while at + _SET.size <= len(data):
        length, version, info, size, segments = _SET.unpack_from(data, at)
        end = at + 4 + length
        if length < _SET.size or version != 2 or size != 8 or segments or end > len(data):
            return
        first = at + _SET.size
        first += -(first - at) % 16
        body = data[first:end]
        for start, count in _PAIR.iter_unpack(body[: len(body) // 16 * 16]):
            if count:
                yield start, start + count, info
        at = end


def _ends_with(path: str, end: str) -> bool:
    return path == end or path.endswith("/" + end.lstrip("/"))
