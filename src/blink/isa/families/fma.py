"""FMA: a product and a sum, rounded once (SDM volume 1, 14.5)."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, vmap
from blink.isa.families._vex import two_lengths
from blink.isa.families.sse3 import negated
from blink.isa.spec import Form, insn
from blink.isa.state import State

TYPES = (("PS", "W0", 32, False), ("PD", "W1", 64, False), ("SS", "W0", 32, True),
         ("SD", "W1", 64, True))  # fmt: skip
# The digits say which operands are multiplied, and which is added last
ORDERS = {"132": 0x90, "213": 0xA0, "231": 0xB0}
# operation -> opcode's low digit (packed; scalars are one above), the product's sign, the signs
# with which even and odd lanes are added
OPERATIONS = {
    "FMADDSUB": (0x6, 0, 1, 0),
    "FMSUBADD": (0x7, 0, 0, 1),
    "FMADD": (0x8, 0, 0, 0),
    "FMSUB": (0xA, 0, 1, 1),
    "FNMADD": (0xC, 1, 0, 0),
    "FNMSUB": (0xE, 1, 1, 1),
}


def roles(order: str, dst: Bits, second: Bits, third: Bits) -> tuple[Bits, Bits, Bits]:
    """Multiplicand, multiplier, addend."""
    if order == "132":
        return dst, third, second
    return (second, dst, third) if order == "213" else (second, third, dst)


def with_signs(value: Bits, w: int, even: int, odd: int) -> Bits:
    """The lanes negated where asked for; NaNs stay."""
    if not even and not odd:
        return value
    signs = [Bits.const(sign << (w - 1), w) for sign in (even, odd)]
    if value.w == w:
        return negated(value, signs[0])
    return vmap(w, negated, value, from_lanes(signs * (64 // w)))


def multiply_add(order: str, operation: str, suffix: str, vex_w: str, w: int, scalar: bool) -> None:
    """Define VF(N)M* in one order, for one type."""
    digit, minus, even, odd = OPERATIONS[operation]
    opcode = ORDERS[order] + digit + scalar
    name, code = f"V{operation}{order}{suffix}", f"{vex_w} {opcode:02X}"

    def packed(s: State, dst: Bits, second: Bits, third: Bits) -> Bits:
        a, b, c = roles(order, dst, second, third)
        c = with_signs(c, w, even, odd)
        return s.fp(f"v_f{w}_fma", 128, with_signs(a, w, minus, minus), b, c)

    def one(s: State, dst: Bits, second: Bits, third: Bits) -> Bits:
        a, b, c = roles(order, dst.lane(w, 0), second.lane(w, 0), third)
        c = with_signs(c, w, even, odd)
        return dst.with_lane(0, s.fp(f"f{w}_fma", w, with_signs(a, w, minus, minus), b, c))

    if scalar:
        form = Form(f"VEX.LIG.66.0F38.{code} /r", f"xmm:rw vx xm{w}")
        insn(name, form, feature="FMA")(one)
    else:
        two_lengths(name, f"66.0F38.{code} /r", "xmm:rw vx xm128u", packed, "FMA")


for order in ORDERS:
    for operation in OPERATIONS:
        for suffix, vex_w, w, scalar in TYPES:
            if not (scalar and operation in ("FMADDSUB", "FMSUBADD")):
                multiply_add(order, operation, suffix, vex_w, w, scalar)
