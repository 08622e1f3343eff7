"""The field of isa/galois.py on symbols.

Products are written with masks instead of branches, so that a loop over lanes becomes host SIMD;
inverses are looked up.
"""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.galois import REDUCTION
from blink.isa.state import State


def _spread(bit: Bits) -> Bits:
    """All ones where the byte `bit` is 1, zeros where it is 0."""
    return -bit


def _double(a: Bits) -> Bits:
    """`a` times x."""
    return (a << 1) ^ (_spread(a >> 7) & REDUCTION)


def multiply(a: Bits, b: Bits) -> Bits:
    """The product of two bytes."""
    product = Bits.const(0, 8)
    for i in range(8):
        product = product ^ (_spread((b >> i) & 1) & a)
        a = _double(a)
    return product


def inverses(s: State, vector: Bits) -> Bits:
    """The inverse of each byte of 128 bits."""
    return s.call("invert_bytes", vector, w=128)
