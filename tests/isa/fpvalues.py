"""Bit patterns that floating-point operations find hard, by seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from blink.isa.softfloat import F80, Format

INTEGERS = [0, 1, 2, 3, 0x7F, 0x8000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 1 << 52,
            (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1]  # fmt: skip


def encode(fmt: Format, sign: int, exponent: int, m: int) -> int:
    """From fields; `m` is the stored fraction (f80: with its integer bit)."""
    return sign << (fmt.width - 1) | exponent << fmt.frac_width | m & fmt.frac_mask


def specials(fmt: Format) -> list[int]:
    """Zeros, limits, infinities, NaNs and small numbers of both signs."""
    top = 1 << (fmt.p - 1) if fmt.explicit else 0
    fraction = (1 << (fmt.p - 1)) - 1
    big, one = fmt.exp_mask, fmt.bias
    fields = [
        (0, 0), (0, 1), (0, 2), (0, fraction), (0, fraction - 1), (0, 1 << (fmt.p - 2)),
        (1, top), (1, top | 1), (1, top | fraction), (2, top), (big - 1, top | fraction),
        (big - 1, top), (big, top), (big, top | 1), (big, top | fmt.quiet_bit),
        (big, top | fmt.quiet_bit | 5), (big, top | fraction), (big, top | fraction >> 1),
        (one, top), (one, top | 1), (one - 1, top | fraction), (one - 1, top), (one + 1, top),
        (one + 1, top | fraction), (one - fmt.p, top), (one + fmt.p, top | 1), (one - 2, top | 1),
        (one + 31, top), (one + 30, top | fraction), (one + 62, top), (one + 63, top),
        (one // 2, top), (one // 2 + 1, top | 3), (one + big // 4, top | fraction),
    ]  # fmt: skip
    if fmt.explicit:
        fields += [(big, 0), (big, 1), (1, 1), (one, fraction), (0, top), (0, top | 1), (5, 0)]
    return [encode(fmt, sign, *field) for field in fields for sign in (0, 1)]


def mantissa(rng: Random, fmt: Format) -> int:
    """A fraction: random, sparse, or near a rounding boundary of some precision."""
    bits = fmt.frac_width
    match rng.randrange(4):
        case 0:
            m = rng.getrandbits(bits)
        case 1:
            m = 1 << rng.randrange(bits) | 1 << rng.randrange(bits)
        case 2:
            m = fmt.frac_mask ^ (1 << rng.randrange(bits)) >> rng.randrange(3)
        case _:
            cut = rng.choice([p for p in (1, 11, 24, 40, 53) if p <= bits])
            m = rng.getrandbits(cut) << (bits - cut) | rng.getrandbits(3)
    return m | 1 << (fmt.p - 1) if fmt.explicit else m


def number(rng: Random, fmt: Format, near: int | None = None) -> int:
    """A number whose exponent is anything, or close to `near`."""
    exponent = rng.randrange(fmt.exp_mask + 1) if near is None else near + rng.randint(-4, 4)
    exponent = min(max(exponent, 0), fmt.exp_mask)
    m = mantissa(rng, fmt)
    if fmt.explicit and exponent == 0:
        m &= fmt.frac_mask >> 1
    return encode(fmt, rng.getrandbits(1), exponent, m)


def near_exponents(fmt: Format) -> list[int]:
    """Exponents around which operations change their behaviour."""
    bias = fmt.bias
    return [0, 2, bias // 2, bias, bias, bias + 31, bias + 63, bias + fmt.p, bias * 3 // 2,
            fmt.exp_mask - 2]  # fmt: skip


def values(rng: Random, fmt: Format) -> Iterator[int]:
    """Endless single operands."""
    corner, near = specials(fmt), near_exponents(fmt)
    while True:
        kind = rng.randrange(8)
        if kind < 2:
            yield rng.choice(corner)
        elif kind < 5:
            yield number(rng, fmt, rng.choice(near))
        elif kind == 5 and fmt is F80:
            yield rng.getrandbits(80)
        else:
            yield number(rng, fmt)


def pairs(rng: Random, fmt: Format) -> Iterator[tuple[int, int]]:
    """Endless pairs of operands: all corners with each other, then often close relatives."""
    corner = specials(fmt)
    for a in corner:
        for b in corner:
            yield a, b
    single = values(rng, fmt)
    while True:
        a = next(single)
        if rng.randrange(3) == 0:
            exponent = a >> fmt.frac_width & fmt.exp_mask
            yield a, number(rng, fmt, exponent)
        elif rng.randrange(16) == 0:
            yield a, a ^ rng.choice([0, 1, fmt.sign_bit])
        else:
            yield a, next(single)
