"""SSE4.1 floating point: ROUND* and dot products.

Baseline hosts have no instruction for them, so they are made of other primitives.
"""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite
from blink.isa.spec import Form, insn
from blink.isa.state import State

FEATURE = "SSE4.1"
NEAREST, DOWN, UP = 0, 1, 2  # rounding modes; 3 is towards zero
MANTISSA = {32: 23, 64: 52}
ONE = {32: 0x3F80_0000, 64: 0x3FF << 52}
# 1 + TINY is inexact in every rounding mode, and raises nothing else
TINY = {32: 0x3080_0000, 64: 0x3C0 << 52}


def rounds_up(mode: Bits, negative: Bits, inexact: Bits, nearest: Bits) -> Bits:
    """Whether the magnitude grows; `nearest`: whether it does when rounding to nearest even."""
    directed = ite(mode == DOWN, negative, ite(mode == UP, ~negative, Bits.const(0, 1)))
    return ite(mode == NEAREST, nearest, directed & inexact)


def below_one(magnitude: Bits, negative: Bits, mode: Bits) -> Bits:
    """The rounded magnitude of a number below one: zero or one."""
    w = magnitude.w
    half = ONE[w] - (1 << MANTISSA[w])
    up = rounds_up(mode, negative, magnitude != 0, magnitude.ugt(half))
    return ite(up, Bits.const(ONE[w], w), 0)


def from_one(magnitude: Bits, negative: Bits, mode: Bits) -> tuple[Bits, Bits]:
    """The rounded magnitude of a number with an integer part, and its fraction bits."""
    w = magnitude.w
    one, last = Bits.const(1, w), (ONE[w] >> MANTISSA[w]) + MANTISSA[w]
    places = (last - (magnitude >> MANTISSA[w])).zext(8)  # how many bits are fraction
    unit = one << places
    fraction = magnitude & (unit - 1)
    half, odd = unit >> 1, (magnitude & unit) != 0
    up = rounds_up(mode, negative, fraction != 0, half.ult(fraction) | ((fraction == half) & odd))
    return magnitude - fraction + ite(up, unit, 0), fraction


def rounded(value: Bits, mode: Bits, flush: Bits) -> tuple[Bits, Bits]:
    """A number that is no NaN, rounded to an integer, and whether that lost anything.

    `flush`: denormals are zero.
    """
    w = value.w
    sign = value & (1 << (w - 1))
    magnitude = value ^ sign
    tiny = magnitude.ult(1 << MANTISSA[w]) & flush
    magnitude = ite(tiny, 0, magnitude)
    small, whole = magnitude.ult(ONE[w]), ~magnitude.ult(ONE[w] + (MANTISSA[w] << MANTISSA[w]))
    large, fraction = from_one(magnitude, sign != 0, mode)
    result = ite(small, below_one(magnitude, sign != 0, mode), ite(whole, magnitude, large))
    lost = ite(small, magnitude != 0, ~whole & (fraction != 0))
    return sign | result, lost


def round_lanes(s: State, values: list[Bits], control: Bits) -> list[Bits]:
    """All lanes rounded; what they raise, they raise together, in one packed addition."""
    w, mxcsr = values[0].w, s.call("mxcsr_store", w=32)
    mode = ite(control.bit(2), (mxcsr >> 13).zext(8), control) & 3
    nans = [
        (v & ((1 << (w - 1)) - 1)).ugt(((1 << (w - 1 - MANTISSA[w])) - 1) << MANTISSA[w])
        for v in values
    ]
    results = [rounded(v, mode, mxcsr.bit(6)) for v in values]
    first = [
        ite(nan, v, ite(lost & ~control.bit(3), ONE[w], Bits.const(0, w)))
        for v, nan, (_, lost) in zip(values, nans, results, strict=True)
    ]
    second = [ite(a == ONE[w], Bits.const(TINY[w], w), 0) for a in first]
    raised = add(s, first, second)
    return [ite(nan, r, v) for nan, r, (v, _) in zip(nans, raised, results, strict=True)]


def add(s: State, a: list[Bits], b: list[Bits]) -> list[Bits]:
    """Sums, by one primitive."""
    w = a[0].w
    if len(a) == 1:
        return [s.fp(f"f{w}_add", w, a[0], b[0])]
    return s.fp(f"v_f{w}_add", 128, from_lanes(a), from_lanes(b)).lanes(w)


def rounding(suffix: str, opcode: int, w: int) -> None:
    """Define ROUND* of packed or scalar numbers."""

    def packed(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
        return from_lanes(round_lanes(s, src.lanes(w), control))

    def scalar(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
        return dst.with_lane(0, round_lanes(s, [src], control)[0])

    one = suffix[0] == "S"
    form = Form(f"66 0F 3A {opcode:02X} /r ib", f"xmm:rw xm{w} imm8" if one else "xmm:w xm128 imm8")
    insn(f"ROUND{suffix}", form, feature=FEATURE)(scalar if one else packed)


rounding("PS", 0x08, 32)
rounding("PD", 0x09, 64)
rounding("SS", 0x0A, 32)
rounding("SD", 0x0B, 64)


def dot_product(name: str, opcode: int, w: int) -> None:
    """Define DPPS or DPPD: the immediate chooses products and where the sum goes."""

    def body(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
        chosen = [control.bit(4 + i).sext(w) for i in range(128 // w)]
        mask = from_lanes(chosen)
        terms = s.fp(f"v_f{w}_mul", 128, dst & mask, src & mask).lanes(w)
        while len(terms) > 1:
            terms = add_neighbours(s, terms)
        return from_lanes([ite(control.bit(i), terms[0], 0) for i in range(128 // w)])

    form = Form(f"66 0F 3A {opcode:02X} /r ib", "xmm:rw xm128 imm8")
    insn(name, form, feature=FEATURE)(body)


def add_neighbours(s: State, terms: list[Bits]) -> list[Bits]:
    """Half as many terms; the others of the packed addition are zeros."""
    zeros = [Bits.const(0, terms[0].w)] * (128 // terms[0].w - len(terms) // 2)
    sums = add(s, terms[::2] + zeros, terms[1::2] + zeros)
    return sums[: len(terms) // 2]


dot_product("DPPS", 0x40, 32)
dot_product("DPPD", 0x41, 64)
