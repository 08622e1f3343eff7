"""Pools of operand values, rich in corner cases, from which cases are drawn quickly.

Each pool holds bytes of one element size.  Drawing from a prepared pool costs a tenth of making a
value; the pools are made anew for each seed.
"""

from __future__ import annotations

from random import Random
from struct import pack

_POOL = 1024


def _near_powers(w: int) -> list[int]:
    """All 2^k - 1, 2^k, 2^k + 1, and their complements."""
    mask = (1 << w) - 1
    near = [(1 << k) + d & mask for k in range(w) for d in (-1, 0, 1)]
    return near + [~v & mask for v in near]


def integers(rng: Random, w: int, n: int = _POOL) -> list[bytes]:
    """Integers of `w` bits: a quarter near powers of two, a quarter small, the rest anything."""
    corners = _near_powers(w)
    patterns = [
        int.from_bytes(bytes([b]) * (w // 8), "little") for b in (0x55, 0xAA, 0x80, 0x7F, 1)
    ]

    def one() -> int:
        kind = rng.randrange(8)
        if kind < 2:
            return rng.choice(corners)
        if kind < 4:
            return rng.choice((0, 1, 2, 3, 5, 7, 8, 9, 15, 31, 32, 63, 64, 65, 127, 128, 255, 256))
        if kind == 4:
            return rng.choice(patterns)
        if kind == 5:
            return rng.getrandbits(rng.randrange(1, w + 1))
        return rng.getrandbits(w)

    return [(one() & (1 << w) - 1).to_bytes(w // 8, "little") for _ in range(n)]


def _float_bits(rng: Random, exponent_bits: int, fraction_bits: int) -> int:
    """Bits of an IEEE number: zeros, subnormals, ordinary values, integers, infinities, NaNs."""
    top = (1 << exponent_bits) - 1
    bias = top >> 1
    fraction = rng.getrandbits(fraction_bits)
    kind = rng.randrange(16)
    if kind < 2:  # zero, infinity
        exponent, fraction = rng.choice((0, top)), 0
    elif kind == 2:  # quiet and signalling NaNs
        exponent, fraction = top, fraction | 1
    elif kind == 3:  # subnormals, often tiny
        exponent, fraction = 0, fraction >> rng.randrange(fraction_bits) | 1
    elif kind < 8:  # near 1, few fraction bits
        exponent = bias + rng.randrange(-3, 4)
        fraction &= ~((1 << fraction_bits - rng.randrange(4)) - 1)
    elif kind < 11:  # around the limits of integers, and ties
        exponent = bias + rng.choice((7, 8, 15, 16, 30, 31, 32, 52, 53, 62, 63, 64)) % top
        fraction = rng.choice((0, 1, (1 << fraction_bits) - 1, fraction))
    elif kind == 11:  # largest and smallest normal numbers
        exponent = rng.choice((1, 2, top - 1))
        fraction = rng.choice((0, (1 << fraction_bits) - 1, fraction))
    elif kind < 14:  # within a few powers of one another, so that sums cancel and round
        exponent = bias + rng.randrange(-fraction_bits, fraction_bits) // 2
    else:
        exponent = rng.randrange(top + 1)
    exponent = min(exponent, top)
    sign = rng.getrandbits(1)
    return (sign << exponent_bits | exponent) << fraction_bits | fraction


def floats32(rng: Random, n: int = _POOL) -> list[bytes]:
    return [pack("<I", _float_bits(rng, 8, 23)) for _ in range(n)]


def floats64(rng: Random, n: int = _POOL) -> list[bytes]:
    return [pack("<Q", _float_bits(rng, 11, 52)) for _ in range(n)]


def floats80(rng: Random, n: int = _POOL) -> list[bytes]:
    """x87 numbers in their 16-byte slots: mostly normal form, seldom unnormals."""

    def one() -> bytes:
        bits = _float_bits(rng, 15, 63)
        sign_exponent, fraction = bits >> 63, bits & (1 << 63) - 1
        integer = (sign_exponent & 0x7FFF) != 0
        if rng.randrange(20) == 0:
            integer = not integer
        return pack("<QHIH", integer << 63 | fraction, sign_exponent, 0, 0)

    return [one() for _ in range(n)]


def _vectors(rng: Random, parts: list[bytes], n: int = _POOL) -> list[bytes]:
    """16-byte vectors of the parts; some with all lanes equal."""
    k = 16 // len(parts[0])
    return [
        b"".join(rng.choices(parts, k=k)) if rng.randrange(8) else rng.choice(parts) * k
        for _ in range(n)
    ]


class Pools:
    """The pools of one seed.  `vector` has a pool of 16-byte values for each element type."""

    def __init__(self, rng: Random) -> None:
        self.i64 = integers(rng, 64)
        f32, f64 = floats32(rng), floats64(rng)
        self.f80 = floats80(rng)
        wide = [integers(rng, w, 256) for w in (8, 16, 32)]
        mixed = [v for parts in (*wide, self.i64, f32, f64) for v in _vectors(rng, parts, 170)]
        self.vector = {
            "int": mixed,
            "f32": _vectors(rng, f32),
            "f64": _vectors(rng, f64),
            "f80": self.f80,
            "text": _vectors(rng, _letters(rng)),
        }


def _letters(rng: Random) -> list[bytes]:
    """Words of few different bytes: strings that match here and there, and end."""
    return [bytes(rng.choices(b"\x00aaab\x80\xff", k=4)) for _ in range(170)]
