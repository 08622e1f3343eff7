"""The field GF(2^8) of AES (FIPS 197, 4.2; polynomial x^8 + x^4 + x^3 + x + 1), on single bytes.

Written with masks instead of branches or tables, so that a loop over lanes becomes host SIMD.
"""

from __future__ import annotations

from functools import cache

from blink.isa.bits import Bits

REDUCTION = 0x1B  # the polynomial without x^8


def _spread(bit: Bits) -> Bits:
    """All ones where the byte `bit` is 1, zeros where it is 0."""
    return -bit


def double(a: Bits) -> Bits:
    """`a` times x."""
    return (a << 1) ^ (_spread(a >> 7) & REDUCTION)


def multiply(a: Bits, b: Bits) -> Bits:
    """The product of two bytes."""
    product = Bits.const(0, 8)
    for i in range(8):
        product = product ^ (_spread((b >> i) & 1) & a)
        a = double(a)
    return product


def _square(a: Bits) -> Bits:
    """Squaring is linear: each bit i of `a` adds x^(2i)."""
    result, power = a & 1, 1
    for i in range(1, 8):
        for _ in range(2):
            power = (power << 1) ^ (0x100 | REDUCTION if power & 0x80 else 0)
        result = result ^ (_spread((a >> i) & 1) & power)
    return result


def invert(a: Bits) -> Bits:
    """The inverse, a^254; of zero, zero."""
    return _known_inverse(int(a)) if a.is_const else _invert(a)


@cache
def _known_inverse(value: int) -> Bits:
    """The reference asks for the same 256 again and again."""
    return _invert(Bits.const(value, 8))


def _invert(a: Bits) -> Bits:
    a2 = _square(a)
    a3 = multiply(a2, a)
    a12 = _square(_square(a3))
    a15 = multiply(a12, a3)
    a240 = a15
    for _ in range(4):
        a240 = _square(a240)
    return multiply(multiply(a240, a12), a2)
