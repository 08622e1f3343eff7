"""Call frame information of one ELF file: how to find a function's caller.

The table that `.eh_frame_hdr` holds for the C++ runtime leads by binary search to the one entry
that counts, and pyelftools reads that one.  Reading all entries first, its own way, takes a second
for libc.  Sources: System V ABI for x86-64, section 3.7; Linux Standard Base, "DWARF extensions".
"""

from __future__ import annotations

import io
from bisect import bisect_right
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from elftools.dwarf.dwarfinfo import DWARFInfo
    from elftools.elf.elffile import ELFFile

    Row = dict[Any, Any]

_PAIR = Struct("<ii")
_WORD = Struct("<I")
_USUAL_ENCODINGS = b"\x01\x1b\x03\x3b"  # version; pcrel sdata4, udata4, datarel sdata4
_HEADER_SIZE = 12


class Rules:
    """The unwinding rules that hold at one address.

    row      "cfa" -> CFARule, DWARF register number -> RegisterRule (pyelftools)
    returns  the number of the register that stands for the return address
    signal   a signal frame: its caller was interrupted, and is not behind a call
    """

    __slots__ = ("returns", "row", "signal")

    def __init__(self, row: Row, returns: int, signal: bool) -> None:
        self.row = row
        self.returns = returns
        self.signal = signal


class FrameTable:
    """The frame descriptions of a file, by address of the file's own range."""

    __slots__ = ("_address", "_cache", "_dwarf", "_frames", "_index", "_rest")

    def __init__(self, elf: ELFFile, dwarf: DWARFInfo) -> None:
        self._dwarf = dwarf
        self._cache: dict[int, Any] = {}
        self._index: list[tuple[int, int]] = []
        self._rest: list[Any] | None = None
        header = elf.get_section_by_name(".eh_frame_hdr")
        frames = elf.get_section_by_name(".eh_frame")
        self._frames, self._address = b"", 0
        if header is not None and frames is not None and frames["sh_type"] != "SHT_NOBITS":
            self._frames, self._address = frames.data(), frames["sh_addr"]
            self._index = _read_index(header.data(), header["sh_addr"])

    def rules(self, address: int) -> Rules | None:
        """The rules for an address, or None where the file says nothing."""
        entry = self._indexed(address) or self._searched(address)
        if entry is None or not _covers(entry, address):
            return None
        rows = [row for row in entry.get_decoded().table if row["pc"] <= address]
        if not rows:
            return None
        cie = entry.cie
        return Rules(rows[-1], cie["return_address_register"], b"S" in cie["augmentation"])

    def _indexed(self, address: int) -> Any:
        at = bisect_right(self._index, (address, 1 << 64)) - 1
        if at < 0:
            return None
        place = self._index[at][1]
        if place not in self._cache:
            self._cache[place] = self._read(place - self._address)
        return self._cache[place]

    def _read(self, offset: int) -> Any:
        """One entry with its CIE, laid out as a section of their own for pyelftools."""
        from elftools.dwarf.callframe import FDE, CallFrameInfo

        fde = _record(self._frames, offset)
        (back,) = _WORD.unpack_from(fde, 4)
        cie = _record(self._frames, offset + 4 - back)
        section = cie + fde[:4] + _WORD.pack(len(cie) + 4) + fde[8:]
        structs = self._dwarf.structs
        address = self._address + offset - len(cie)  # so that the FDE is where it was: PC-relative
        parsed = CallFrameInfo(io.BytesIO(section), len(section), address, structs, True)
        return next((e for e in parsed.get_entries() if isinstance(e, FDE)), None)

    def _searched(self, address: int) -> Any:
        """Among all entries, for files without an index."""
        if self._index:
            return None
        if self._rest is None:
            self._rest = self._all()
        return next((entry for entry in self._rest if _covers(entry, address)), None)

    def _all(self) -> list[Any]:
        from elftools.dwarf.callframe import FDE

        found: list[Any] = []
        if self._dwarf.has_EH_CFI():
            found += self._dwarf.EH_CFI_entries()
        if self._dwarf.has_CFI():
            found += self._dwarf.CFI_entries()
        return [entry for entry in found if isinstance(entry, FDE)]


def _covers(entry: Any, address: int) -> bool:
    low: int = entry["initial_location"]
    return low <= address < low + int(entry["address_range"])


def _read_index(data: bytes, address: int) -> list[tuple[int, int]]:
    """(first address, address of the entry), ascending; empty when it is encoded unusually."""
    if len(data) < _HEADER_SIZE or data[:4] != _USUAL_ENCODINGS:
        return []
    (count,) = _WORD.unpack_from(data, 8)
    table = data[_HEADER_SIZE : _HEADER_SIZE + count * _PAIR.size]
    if len(table) < count * _PAIR.size:
        return []
    return [(start + address, entry + address) for start, entry in _PAIR.iter_unpack(table)]


def _record(frames: bytes, offset: int) -> bytes:
    """The bytes of the entry at an offset, its length field included."""
    (length,) = _WORD.unpack_from(frames, offset)
    return frames[offset : offset + 4 + length]
