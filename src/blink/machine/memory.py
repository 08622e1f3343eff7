"""The guest's memory: bytes, integers, strings, mappings and search, by guest address.

`Memory` is the engine's own class plus what Python does as well, so a read costs 0.1 us and nothing
is wrapped.  Addresses and lengths are in bytes; an address that the guest could not access raises
`MemoryFault`, whose `address` is the first bad one.
"""

from __future__ import annotations

from .. import _engine
from .._engine import (
    GUEST_TOP,
    PAGE_CODE,
    PAGE_DIRTY,
    PAGE_MAPPED,
    PAGE_R,
    PAGE_SHARED,
    PAGE_TRACK,
    PAGE_W,
    PAGE_X,
    MemoryFault,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PAGE_CODE",
    "PAGE_DIRTY",
    "PAGE_MAPPED",
    "PAGE_R",
    "PAGE_SHARED",
    "PAGE_TRACK",
    "PAGE_W",
    "PAGE_X",
    "Memory",
    "MemoryFault",
    "Region",
]

_PAGE = 0x1000
_CHUNK = 1 << 20  # bytes that find() looks at in one go
_READABLE = PAGE_R | PAGE_W | PAGE_X  # on x86 each of them lets a program read


class Region:
    """Adjacent pages of equal protection: start <= address < end; PAGE_* bits in `flags`."""

    __slots__ = ("end", "flags", "start")

    def __init__(self, start: int, end: int, flags: int) -> None:
        self.start = start
        self.end = end
        self.flags = flags

    @property
    def size(self) -> int:
        """Length in bytes, a multiple of 4096."""
        return self.end - self.start

    @property
    def readable(self) -> bool:
        """Whether loads succeed (on x86, writable and executable pages are readable)."""
        return bool(self.flags & _READABLE)

    def __repr__(self) -> str:
        prot = "".join(c if self.flags & bit else "-" for bit, c in _LETTERS)
        return f"<Region {self.start:#x}-{self.end:#x} {prot}>"


_LETTERS = ((PAGE_R, "r"), (PAGE_W, "w"), (PAGE_X, "x"), (PAGE_SHARED, "s"))


class Memory(_engine.Memory):
    """A guest address space.

    From the engine: `map`, `unmap`, `protect`, `remap` and `reset` (OSError on failure), `read`,
    `write`, `zero`, `read_cstr` (MemoryFault), `probe`, `flags`.  `paged=True` checks every access
    of instructions in software; else the host's page protection does.
    """

    __slots__ = ()

    def read_u8(self, addr: int) -> int:
        """The byte at addr.  Raises MemoryFault."""
        return self.read(addr, 1)[0]

    def read_u16(self, addr: int) -> int:
        """The 2 bytes at addr as a little-endian unsigned integer.  Raises MemoryFault."""
        return int.from_bytes(self.read(addr, 2), "little")

    def read_u32(self, addr: int) -> int:
        """The 4 bytes at addr as a little-endian unsigned integer.  Raises MemoryFault."""
        return int.from_bytes(self.read(addr, 4), "little")

    def read_u64(self, addr: int) -> int:
        """The 8 bytes at addr as a little-endian unsigned integer.  Raises MemoryFault."""
        return int.from_bytes(self.read(addr, 8), "little")

    def write_u8(self, addr: int, value: int) -> None:
        """Store the low 8 bits of value, which may be negative.  Raises MemoryFault."""
        self.write(addr, (value & 0xFF).to_bytes(1, "little"))

    def write_u16(self, addr: int, value: int) -> None:
        """Store the low 16 bits of value, which may be negative.  Raises MemoryFault."""
        self.write(addr, (value & 0xFFFF).to_bytes(2, "little"))

    def write_u32(self, addr: int, value: int) -> None:
        """Store the low 32 bits of value, which may be negative.  Raises MemoryFault."""
        self.write(addr, (value & 0xFFFF_FFFF).to_bytes(4, "little"))

    def write_u64(self, addr: int, value: int) -> None:
        """Store the low 64 bits of value, which may be negative.  Raises MemoryFault."""
        self.write(addr, (value & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little"))

    def regions(self, start: int = 0, end: int = GUEST_TOP) -> list[Region]:
        """The mapped regions between two addresses (clipped to them, at page bounds), ascending."""
        return [Region(*run) for run in self.runs(start, end)]

    def find(self, pattern: bytes, start: int = 0, end: int = GUEST_TOP) -> Iterator[int]:
        """The addresses where pattern occurs inside [start, end), ascending, overlaps included.

        Looks at readable memory only; an occurrence may span adjacent regions.  Pages past the end
        of their file are skipped.  Raises ValueError for an empty pattern.
        """
        if not pattern:
            raise ValueError("find() needs a pattern that is not empty")
        return self._find(bytes(pattern), start, end)

    def _find(self, pattern: bytes, start: int, end: int) -> Iterator[int]:
        for low, high in self._readable_spans(start, end):
            at = max(low, start)
            stop = min(high, end)
            while stop - at >= len(pattern):
                data, behind = self._read_chunk(at, min(stop - at, _CHUNK + len(pattern) - 1))
                hit = data.find(pattern)
                while hit >= 0:
                    yield at + hit
                    hit = data.find(pattern, hit + 1)
                at = behind or at + _CHUNK

    def _readable_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        low = high = 0
        for first, last, flags in self.runs(start, end):
            if not flags & _READABLE:
                continue
            if first == high:
                high = last
                continue
            if low < high:
                yield low, high
            low, high = first, last
        if low < high:
            yield low, high

    def _read_chunk(self, addr: int, size: int) -> tuple[bytes, int]:
        """The bytes up to the first bad page, and the address behind that page (0: all is good)."""
        try:
            return self.read(addr, size), 0
        except MemoryFault as fault:
            bad = fault.address
        behind = (bad | (_PAGE - 1)) + 1
        try:
            return self.read(addr, bad - addr), behind
        except MemoryFault:  # another thread unmapped it meanwhile
            return b"", behind
