"""Elementary functions to any precision, in fixed-point integers.

A fixed-point number x with p fraction bits stands for x / 2**p.  Every function here is off by at
most a few hundred units of its last place; callers work with GUARD extra bits.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

GUARD = 24


def _arctan_inverse(n: int, p: int) -> int:
    """arctan(1/n) by its series."""
    term = (1 << p) // n
    total, k, square = term, 1, n * n
    while term:
        term //= -square
        k += 2
        total += term // k
    return total


@lru_cache(maxsize=64)
def pi(p: int) -> int:
    """Pi, by Machin's formula."""
    q = p + GUARD
    return (16 * _arctan_inverse(5, q) - 4 * _arctan_inverse(239, q)) >> GUARD


@lru_cache(maxsize=64)
def ln2(p: int) -> int:
    """The natural logarithm of 2 is 2 artanh(1/3)."""
    return 2 * artanh(1, 3, p + GUARD) >> GUARD


def artanh(numerator: int, denominator: int, p: int) -> int:
    """artanh of a fraction of magnitude at most 1/3."""
    z = (numerator << p) // denominator
    square = z * z >> p
    total, term, k = z, z, 1
    while term not in (0, -1):
        term = term * square >> p
        k += 2
        total += term // k
    return total


def ln1p(m: int, shift: int, p: int) -> int:
    """ln(1 + d) for d = m / 2**shift, -1/2 <= d <= 1."""
    return 2 * artanh(m, (2 << shift) + m, p)


def expm1(t: int, p: int) -> int:
    """e**t - 1 for |t| < 1: Taylor's series of t / 2**k, then k doublings."""
    k = min(isqrt(p), max(0, 8 + t.bit_length() - p + isqrt(p)))
    q = p + 2 * k + GUARD
    t <<= q - p
    t >>= k
    total = term = t
    n = 1
    while term not in (0, -1):
        n += 1
        term = (term * t >> q) // n
        total += term
    for _ in range(k):  # (1 + r)**2 - 1
        total = 2 * total + (total * total >> q)
    return total >> (q - p)


def arctan(t: int, p: int) -> int:
    """arctan of 0 <= t <= 1, halving the angle while it is large."""
    doublings = 0
    while t.bit_length() > p - 4:
        root = isqrt((1 << 2 * p) + t * t)
        t = (t << p) // ((1 << p) + root)
        doublings += 1
    square = t * t >> p
    total, term, k = t, t, 1
    while term not in (0, -1):
        term = -(term * square >> p)
        k += 2
        total += term // k
    return total << doublings


def sin_cos(r: int, p: int) -> tuple[int, int]:
    """Sine and cosine of |r| <= pi / 4, by Taylor's series."""
    square = r * r >> p
    return _alternating(r, square, 1, p), _alternating(1 << p, square, 0, p)


def _alternating(first: int, square: int, n: int, p: int) -> int:
    total = term = first
    while term not in (0, -1):
        term = -(term * square >> p) // ((n + 1) * (n + 2))
        n += 2
        total += term
    return total
