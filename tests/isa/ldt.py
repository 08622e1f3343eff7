"""The segments of 16 and 32-bit cases: a local descriptor table, the same for host and guests."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

CODE_LOW = 0x1357_0000  # where 16 and 32-bit code lies
LDT_BASE = 0x1400_0000  # of the guests; the host's is the kernel's
_LOW = 0x2460_0000  # cpustate.LOW_BASE
DATA16_BASE = _LOW - 0x2000
_FLAT = (0, 0xFFFFFFFF)


class Segment(NamedTuple):
    """Base, limit and rights (bits 40 to 55 of the descriptor) of a selector."""

    base: int
    limit: int
    rights: int

    @property
    def raw(self) -> int:
        """The descriptor's 8 bytes; limits of all ones are in pages."""
        limit = self.limit >> 12 if self.rights & 0x8000 else self.limit
        low = limit & 0xFFFF | (self.base & 0xFFFFFF) << 16
        high = self.rights | (limit & 0xF0000) >> 8
        return low | high << 40 | self.base >> 24 << 56


LDT = (
    Segment(CODE_LOW, 0xFFFF, 0x00FB),  # 07: 16-bit code
    Segment(DATA16_BASE, 0xFFFF, 0x00F3),  # 0f: data, 16-bit stack
    Segment(_LOW, 0x7FF, 0x40F3),  # 17: short
    Segment(_LOW, 0x3FF, 0x40F7),  # 1f: expands down, to 0x400
    Segment(_LOW, 0xFFF, 0x40F1),  # 27: read-only
    Segment(CODE_LOW, 0xFFFF, 0x40FB),  # 2f: 32-bit code that is not flat
    Segment(_LOW, 0xFFF, 0x40F9),  # 37: execute-only code
    Segment(_LOW, 0xFFF, 0x4073),  # 3f: not present
    Segment(_LOW - 0x1000, 0x1800, 0x00F7),  # 47: expands down, 16-bit
    Segment(_LOW - 0x10000, 0xFFFFFFFF, 0xC0F3),  # 4f: 32-bit data with a base
)
LDT_LIMIT = 8 * len(LDT) - 1
CODE16, DATA16, SHORT, DOWN, READ_ONLY, CODE32_BASED = 0x07, 0x0F, 0x17, 0x1F, 0x27, 0x2F
DOWN16, DATA32_BASED = 0x47, 0x4F
USER32, USER_DATA, USER64 = 0x23, 0x2B, 0x33
_LINUX = {
    USER32: Segment(*_FLAT, 0xC0FB),
    USER_DATA: Segment(*_FLAT, 0xC0F3),
    USER64: Segment(*_FLAT, 0xA0FB),
}
SELECTORS_64 = (0, USER64, USER_DATA, 0, 0, 0)  # ES CS SS DS FS GS
SELECTORS = {
    64: SELECTORS_64,
    32: (USER_DATA, USER32, USER_DATA, USER_DATA, 0, 0),
    16: (DATA16, CODE16, DATA16, DATA16, 0, 0),
}
RIP = {64: 0x1357_0000_0000, 32: CODE_LOW + 0x100, 16: 0x100}  # where code lies, if nothing is said


@cache
def segment(selector: int) -> Segment:
    """What a selector stands for; the null ones are unusable."""
    if selector < 4:
        return Segment(0, 0, 0)
    return LDT[selector >> 3] if selector & 4 else _LINUX[selector | 3]


def image() -> bytes:
    """The table as it lies in memory."""
    return b"".join(s.raw.to_bytes(8, "little") for s in LDT)


def words() -> list[str]:
    """The descriptors as a server's arguments."""
    return [f"{s.raw:x}" for s in LDT]
