"""What lies at a guest address: the file that is mapped there, the offset in it, the symbol."""

from __future__ import annotations

from blink.abi.layout import GUEST_TOP
from blink.debugger.symbols import Symbols

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Process

_DELETED = " (deleted)"


class Mapping:
    """One line of /proc/self/maps, at guest addresses; `path` is empty for anonymous memory."""

    __slots__ = ("end", "offset", "path", "start")

    def __init__(self, start: int, end: int, offset: int, path: str) -> None:
        self.start = start
        self.end = end
        self.offset = offset
        self.path = path


def read_mappings(skew: int) -> list[Mapping]:
    """The guest's mappings as the host sees them, ascending; empty without /proc."""
    try:
        with open("/proc/self/maps", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    mappings = (_parse(line, skew) for line in lines)
    return [m for m in mappings if 0 <= m.start < GUEST_TOP]


def _parse(line: bytes, skew: int) -> Mapping:
    """`start-end perms offset device inode   path`."""
    fields = line.decode("utf-8", "surrogateescape").split(None, 5)
    start, _, end = fields[0].partition("-")
    path = fields[5] if len(fields) > 5 else ""
    return Mapping(int(start, 16) - skew, int(end, 16) - skew, int(fields[2], 16), path)


class Places:
    """Describes addresses of a process; reads each file's symbols once."""

    __slots__ = ("_labels", "_mappings", "_tables")

    def __init__(self, process: Process) -> None:
        self._mappings = read_mappings(process.memory.skew)
        self._labels = [(v.start, v.end, v.label.decode()) for v in process.space if v.label]
        self._tables: dict[str, Symbols] = {}

    def mapping(self, address: int) -> Mapping | None:
        """The mapping that holds an address."""
        return next((m for m in self._mappings if m.start <= address < m.end), None)

    def describe(self, address: int) -> str:
        """`main+0x10 (/bin/prog+0x1136)`, `[stack]`, `anonymous memory` or `not mapped`."""
        mapping = self.mapping(address)
        if mapping is None:
            return "not mapped"
        label = next((n for a, b, n in self._labels if a <= address < b), "")
        if label or not mapping.path:
            return label or "anonymous memory"
        offset = mapping.offset + address - mapping.start
        file = f"{mapping.path}+{offset:#x}"
        symbol = self._symbol(mapping.path, offset)
        return f"{symbol} ({file})" if symbol else file

    def _symbol(self, path: str, offset: int) -> str:
        if path.endswith(_DELETED):
            return ""
        if path not in self._tables:
            self._tables[path] = Symbols(path)
        table = self._tables[path]
        address = table.address_of(offset)
        found = None if address is None else table.nearest(address)
        return (
            "" if found is None or address is None else f"{found.name}+{address - found.value:#x}"
        )
