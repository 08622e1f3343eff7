"""Names for flag words: bits, multi-bit fields and plain enumerations, for the call log."""

from __future__ import annotations


class FlagSet:
    """Names of the bits of a word.

    `bits` maps names to values; a name may have several bits (it is shown before its parts).
    `enum` maps the values of the field `mask` to names: `MAP_TYPE`, `O_ACCMODE`; a pure enumeration
    has the mask -1.
    """

    __slots__ = ("bits", "enum", "mask")

    def __init__(
        self,
        bits: dict[str, int] | None = None,
        enum: dict[int, str] | None = None,
        mask: int = 0,
    ) -> None:
        self.bits = sorted((bits or {}).items(), key=lambda item: -item[1].bit_count())
        self.enum = enum or {}
        self.mask = mask

    def format(self, value: int) -> str:
        """`O_RDWR|O_CREAT`; unknown bits in hexadecimal, no bits at all as 0."""
        names = []
        if self.mask:
            field = value & self.mask
            name = self.enum.get(field)
            if name is not None:
                names.append(name)
                value &= ~self.mask
            if self.mask == -1:
                return name or str(value)
        for name, bits in self.bits:
            if bits and value & bits == bits:
                names.append(name)
                value &= ~bits
        if value:
            names.append(hex(value))
        return "|".join(names) or "0"


def enumeration(names: dict[str, int]) -> FlagSet:
    """A set of names of which a word holds one."""
    return FlagSet(enum={value: name for name, value in names.items()}, mask=-1)
