"""The field GF(2^8) of AES (FIPS 197, 4.2) on plain numbers: polynomial x^8 + x^4 + x^3 + x + 1."""

from __future__ import annotations

REDUCTION = 0x1B  # the polynomial without x^8


def product(a: int, b: int) -> int:
    """The product of two bytes."""
    result = 0
    for i in range(8):
        result ^= a if b >> i & 1 else 0
        a = a << 1 & 0xFF ^ (REDUCTION if a & 0x80 else 0)
    return result


def inverse(a: int) -> int:
    """a^254; of zero, zero."""
    power, result = a, 1
    for _ in range(7):  # 254 = 2 + 4 + ... + 128
        power = product(power, power)
        result = product(result, power)
    return result


INVERSES = bytes(map(inverse, range(256)))
