"""The files that a program has mapped, and what their symbols and debugging information say.

`Objects` answers for addresses of the running program: `at(address)` gives a `Place`, `find(name)`
addresses, `find_line(file, line)` breakpoints, `rules(address)` how to unwind.  pyelftools is
loaded when source lines or frames are asked for; symbols need nothing.
"""

from __future__ import annotations

import difflib
from bisect import bisect_right

from blink.debugger.demangle import bare, demangle
from blink.debugger.symbols import Symbols, open_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from blink.debugger.cfi import FrameTable, Rules
    from blink.debugger.lines import Line, Lines
    from blink.debugger.symbols import Opener

    class Mapped(Protocol):
        """A part of a file in memory."""

        start: int
        end: int
        offset: int
        path: str


class Place:
    """What lies at an address.

    name, offset    the symbol (demangled) and the distance from it; "" when none is known
    object          path of the mapped file; "" for anonymous memory
    line            a `Line`, or None
    """

    __slots__ = ("line", "name", "object", "offset")

    def __init__(self, name: str, offset: int, object: str, line: Line | None = None) -> None:
        self.name = name
        self.offset = offset
        self.object = object
        self.line = line

    def __str__(self) -> str:
        symbol = f"{self.name}+{self.offset:#x}" if self.offset else self.name
        return symbol if self.line is None else f"{symbol} at {self.line!r}"

    def __repr__(self) -> str:
        return f"<Place {self}>" if self.name else f"<Place in {self.object or 'no file'}>"


class Object:
    """One mapped file.  `bias` is what is added to its own addresses."""

    def __init__(self, path: str, start: int, offset: int, opener: Opener = open_here) -> None:
        self.path = path
        self._opener = opener
        self.symbols = Symbols(path, opener)
        own = self.symbols.address_of(offset)
        self.bias = start - (offset if own is None else own)
        self._debug: tuple[Lines | None, FrameTable | None] | None = None
        self._names: dict[str, list[int]] | None = None

    @property
    def lines(self) -> Lines | None:
        """Its line tables, or those of its separate file; None without."""
        return self._read()[0]

    @property
    def frames(self) -> FrameTable | None:
        """Its call frame information; None for what is no ELF file."""
        return self._read()[1]

    def names(self) -> dict[str, list[int]]:
        """Symbol -> own addresses; demangled and without parameters, too."""
        if self._names is None:
            self._names = {}
            for symbol in (*self.symbols.symbols, *self.symbols.data):
                plain = symbol.name.partition("@")[0]
                for name in {plain, demangle(plain), bare(plain)}:
                    addresses = self._names.setdefault(name, [])
                    if symbol.value not in addresses:
                        addresses.append(symbol.value)
        return self._names

    def read_separate(self) -> bool:
        """Reads the separate file, if there is one; whether that brought symbols just now."""
        before = self.symbols
        self._read()
        return self.symbols is not before

    def _read(self) -> tuple[Lines | None, FrameTable | None]:
        if self._debug is None:
            from blink.debugger.debug_file import read

            self._debug, symbols = read(self.path, self._opener)
            if symbols is not None:
                self.symbols, self._names = symbols, None
        return self._debug


class Objects:
    """All of a program; `update` it when its mappings change.  `opener` opens files by path."""

    def __init__(self, mappings: Iterable[Mapped] = (), opener: Opener = open_here) -> None:
        self._opener = opener
        self._known: dict[tuple[str, int], Object] = {}
        self._ranges: list[tuple[int, int, Object]] = []
        self.update(mappings)

    def twin(self) -> Objects:
        """Another view, for other mappings; files that one reads, both have."""
        made = Objects((), self._opener)
        made._known = self._known
        return made

    def update(self, mappings: Iterable[Mapped]) -> None:
        """Takes the mappings as they are now; files that were known stay read."""
        bases: dict[str, tuple[int, int]] = {}
        self._ranges = []
        for mapping in sorted(mappings, key=lambda m: m.start):
            if not mapping.path.startswith("/") or mapping.path.endswith(" (deleted)"):
                continue
            if mapping.offset == 0 or mapping.path not in bases:
                bases[mapping.path] = (mapping.start, mapping.offset)
            base, offset = bases[mapping.path]
            key = (mapping.path, base)
            if key not in self._known:
                self._known[key] = Object(mapping.path, base, offset, self._opener)
            self._ranges.append((mapping.start, mapping.end, self._known[key]))

    def all(self) -> list[Object]:
        """The files, in the order of their addresses."""
        return list(dict.fromkeys(found for _, _, found in self._ranges))

    def object(self, address: int) -> Object | None:
        """The file that is mapped at an address."""
        at = bisect_right(self._ranges, address, key=lambda r: r[0]) - 1
        if at < 0 or address >= self._ranges[at][1]:
            return None
        return self._ranges[at][2]

    def at(self, address: int, lines: bool = True) -> Place:
        """What lies at an address; without `lines`, no debugging information is read for it."""
        found = self.object(address)
        if found is None:
            return Place("", 0, "")
        own = address - found.bias
        line = found.lines.at(own) if lines and found.lines is not None else None
        symbol = found.symbols.nearest(own)
        if symbol is None:
            return Place("", 0, found.path, line)
        return Place(demangle(symbol.name), own - symbol.value, found.path, line)

    def find(self, name: str) -> list[int]:
        """Addresses that a name stands for, in the order of the files in memory.

        Separate files with symbols are read only for names that are found nowhere else.
        """
        return self._find(name) or (self._read_separate() and self._find(name)) or []

    def _find(self, name: str) -> list[int]:
        return [own + f.bias for f in self.all() for own in f.names().get(name, ())]

    def _read_separate(self) -> bool:
        """Reads what is left to read; whether that brought symbols."""
        brought = [found.read_separate() for found in self.all()]
        return any(brought)

    def find_line(self, file: str, line: int) -> list[int]:
        """Addresses for a breakpoint on a source line."""
        readable = ((f.lines, f.bias) for f in self.all())
        return [
            own + bias
            for lines, bias in readable
            if lines is not None
            for own in lines.find(file, line)
        ]

    def behind_prologue(self, address: int) -> int:
        """Where in a function that begins at an address a breakpoint belongs."""
        found = self.object(address)
        symbol = None if found is None else found.symbols.nearest(address - found.bias)
        if found is None or found.lines is None or symbol is None:
            return address
        end = symbol.value + max(symbol.size, 1)
        return found.lines.behind_prologue(address - found.bias, end) + found.bias

    def like(self, name: str, count: int = 3) -> Sequence[str]:
        """Names that come near, for who mistyped one."""
        names = {n for found in self.all() for n in found.names()}
        return difflib.get_close_matches(name, names, count)

    def rules(self, address: int) -> tuple[Rules, int] | None:
        """Unwinding rules for an address, and the bias of its file."""
        found = self.object(address)
        if found is None or found.frames is None:
            return None
        from blink.debugger.debug_file import damage

        try:
            rules = found.frames.rules(address - found.bias)
        except damage():
            return None
        return None if rules is None else (rules, found.bias)
