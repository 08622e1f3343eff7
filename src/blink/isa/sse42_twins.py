"""Python twins of engine/sse42.c: comparison of strings in registers, CRC-32C."""

from __future__ import annotations

from blink.isa.flags import POSITION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.isa.reference import Reference

CRC_POLYNOMIAL = 0x82F6_3B78  # 0x1EDC6F41 with its bits reflected


def _elements(vector: int, control: int) -> list[int]:
    w = 16 if control & 1 else 8
    values = [vector >> (w * i) & ((1 << w) - 1) for i in range(128 // w)]
    half = 1 << (w - 1)
    return [(v ^ half) - half for v in values] if control & 2 else values


def _any(a: list[int], b: list[int], count: int) -> list[bool]:
    return [value in a for value in b]


def _ranges(a: list[int], b: list[int], count: int) -> list[bool]:
    ranges = list(zip(a[::2], a[1::2], strict=False))
    return [any(low <= value <= high for low, high in ranges) for value in b]


def _each(a: list[int], b: list[int], count: int) -> list[bool]:
    """Beyond the ends of both, elements are equal."""
    return [a[i : i + 1] == b[i : i + 1] for i in range(count)]


def _ordered(a: list[int], b: list[int], count: int) -> list[bool]:
    """Whether `a` begins at each place of `b`; what lies beyond the register does not count."""
    return [a[: count - i] == b[i : i + len(a)] for i in range(count)]


_COMPARISONS: tuple[Callable[[list[int], list[int], int], list[bool]], ...] = (
    _any, _ranges, _each, _ordered,
)  # fmt: skip


def compare_strings(s: Reference, a: int, b: int, la: int, lb: int, control: int) -> int:
    """One bit for each element of `b` (SDM volume 2, 4.1)."""
    first, second = _elements(a, control)[:la], _elements(b, control)[:lb]
    count = 128 // (16 if control & 1 else 8)
    found = _COMPARISONS[control >> 2 & 3](first, second, count)
    result = sum(1 << i for i, yes in enumerate(found) if yes)
    if control & 0x10:
        result ^= (1 << (lb if control & 0x20 else count)) - 1
    return result


def string_length(s: Reference, v: int, control: int) -> int:
    """How many elements come before the first zero."""
    return [*_elements(v, control), 0].index(0)


def string_flags(s: Reference, found: int, la: int, lb: int, control: int) -> int:
    """CF, ZF, SF, OF at their EFLAGS positions."""
    count = 8 if control & 1 else 16
    flags = {"CF": found != 0, "ZF": lb < count, "SF": la < count, "OF": found & 1}
    return sum(1 << POSITION[name] for name, value in flags.items() if value)


def string_index(s: Reference, found: int, control: int) -> int:
    """The first or last element found; their number if there is none."""
    if not found:
        return 8 if control & 1 else 16
    return found.bit_length() - 1 if control & 0x40 else (found & -found).bit_length() - 1


def string_mask(s: Reference, found: int, control: int) -> int:
    """The mask for XMM0: bits, or whole elements."""
    if not control & 0x40:
        return found
    w = 16 if control & 1 else 8
    return sum(((1 << w) - 1) << (w * i) for i in range(128 // w) if found >> i & 1)


def crc32c(s: Reference, crc: int, data: int, bits: int) -> int:
    """The low `bits` bits of `data`, least significant first."""
    crc ^= data  # one register of `bits` or 32 bits, whichever is more
    for _ in range(bits):
        crc = crc >> 1 ^ (CRC_POLYNOMIAL if crc & 1 else 0)
    return crc


TWINS = {
    f.__name__: f
    for f in (compare_strings, string_length, string_flags, string_index, string_mask, crc32c)
}
