"""Zooming out of memory: each level halves the bytes, by a Lanczos kernel, so that texture stays.

A page is halved by itself, its border repeated, so that halves can be kept for as long as the page
stays as it is.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sin

LOBES = 2
BITS = 12


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else sin(pi * x) / (pi * x)


def _kernel() -> tuple[int, ...]:
    """Weights, in 1/4096, of the eight samples around the middle of a pair."""
    places = [(i - 2 * LOBES + 0.5) / 2 for i in range(4 * LOBES)]
    weights = [_sinc(x) * _sinc(x / LOBES) for x in places]
    scale = (1 << BITS) / sum(weights)
    whole = [round(w * scale) for w in weights]
    whole[2 * LOBES] += (1 << BITS) - sum(whole)
    return tuple(whole)


KERNEL = _kernel()


def halve(data: bytes) -> bytes:
    """Half as many samples; an even number in, edges repeated."""
    edge = 2 * LOBES - 1
    padded = data[:1] * edge + data + data[-1:] * edge
    half, count = 1 << (BITS - 1), len(data)
    taps = [padded[i : i + count : 2] for i in range(len(KERNEL))]
    a, b, c, d, e, f, g, h = KERNEL
    sums = [
        (a * s + b * t + c * u + d * v + e * w + f * x + g * y + h * z + half) >> BITS
        for s, t, u, v, w, x, y, z in zip(*taps, strict=True)
    ]
    return bytes([0 if v < 0 else 255 if v > 255 else v for v in sums])


@lru_cache(2048)
def zoomed(data: bytes, level: int) -> bytes:
    """Each 2**level bytes as one."""
    if level == 0 or len(data) < 2:
        return data
    return halve(zoomed(data, level - 1))
