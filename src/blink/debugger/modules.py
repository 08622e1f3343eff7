"""What lies where in a guest: its mappings, and the names of addresses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from blink.debugger.errors import DebugError
from blink.debugger.objects import Objects, Place
from blink.debugger.symbols import open_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.debugger.symbols import Opener

PROT_EXEC = 4


@dataclass(slots=True)
class Mapping:
    """A run of pages: `prot` has PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4; `path` is the file, or a
    label such as [stack]."""

    start: int
    end: int
    prot: int
    offset: int
    path: str


class Symbols:
    """All names of a guest.  `maps` gives its mappings as they are now, `opener` opens their
    files."""

    def __init__(self, maps: Callable[[], list[Mapping]], opener: Opener = open_here) -> None:
        self._maps = maps
        self._objects = Objects((), opener)
        self._known: list[Mapping] = []

    def twin(self, maps: Callable[[], list[Mapping]]) -> Symbols:
        """Another view, for other mappings; files that one reads, both have."""
        made = Symbols(maps)
        made._objects = self._objects.twin()
        return made

    @property
    def objects(self) -> Objects:
        """The files in memory."""
        maps = self._maps()
        if maps is not self._known:
            self._known = maps
            self._objects.update(maps)
        return self._objects

    def mapping(self, address: int) -> Mapping | None:
        """The mapping that holds an address."""
        maps = self._maps()
        at = bisect_right(maps, address, key=lambda m: m.start) - 1
        return maps[at] if at >= 0 and address < maps[at].end else None

    def is_code(self, address: int) -> bool:
        """Whether it can be executed."""
        mapping = self.mapping(address)
        return mapping is not None and bool(mapping.prot & PROT_EXEC)

    def at(self, address: int, lines: bool = True) -> Place:
        """What lies at an address; without `lines`, no debugging information is read for it."""
        place = self.objects.at(address, lines)
        if not place.name and not place.object and (mapping := self.mapping(address)):
            return Place("", 0, mapping.path)
        return place

    def find(self, name: str) -> list[int]:
        """The addresses of a symbol, in the order of the files in memory."""
        return self.objects.find(name)

    def resolve(self, where: str) -> list[int]:
        """The addresses that `FILE:LINE`, `NAME` or `NAME+OFFSET` names.  Raises DebugError, with
        near names."""
        file, colon, line = where.rpartition(":")
        if colon and line.isdigit() and not file.endswith(":"):
            found = self.objects.find_line(file, int(line))
            if not found:
                raise DebugError(f"no code is known for line {line} of {file}")
            return found
        name, plus, offset = where.partition("+")
        found = self.find(name.strip())
        if not found:
            raise DebugError(self._absent(name.strip()))
        try:
            return [address + (int(offset, 0) if plus else 0) for address in found]
        except ValueError:
            raise DebugError(f"{offset!r} is no offset") from None

    def _absent(self, name: str) -> str:
        """`no symbol is called mian; near: main`."""
        near = self.objects.like(name)
        hint = f"; near: {', '.join(near)}" if near else ""
        return f"no symbol is called {name}{hint}"
