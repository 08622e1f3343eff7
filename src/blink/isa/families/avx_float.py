"""AVX that SSE has not in this form: VCMP*, variable blends, wide conversions, tests, VZERO*.

SDM volume 1, 14.3 to 14.5.
"""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite, vmap
from blink.isa.families._vex import derive, two_lengths
from blink.isa.families.sse_shuffle import signs
from blink.isa.flags import POSITION, STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import State

FEATURE = "AVX"
derive("LDMXCSR", "LZ")
derive("STMXCSR", "LZ")

# suffix, VEX prefix, lane width, scalar?
TYPES = (("PS", "", 32, False), ("PD", "66.", 64, False), ("SS", "F3.", 32, True),
         ("SD", "F2.", 64, True))  # fmt: skip


def comparison(suffix: str, prefix: str, w: int, scalar: bool) -> None:
    """Define VCMP*: all 32 predicates."""

    def packed(s: State, dst: Bits, a: Bits, b: Bits, predicate: Bits) -> Bits:
        return s.fp(f"v_f{w}_cmp", 128, a, b, (predicate & 31).zext(32))

    def one(s: State, dst: Bits, a: Bits, b: Bits, predicate: Bits) -> Bits:
        return a.with_lane(0, s.fp(f"f{w}_cmp", w, a.lane(w, 0), b, (predicate & 31).zext(32)))

    tail = f"{prefix}0F.WIG C2 /r ib"
    if scalar:
        insn(f"VCMP{suffix}", Form(f"VEX.LIG.{tail}", f"xmm:w vx xm{w} imm8"), feature=FEATURE)(one)
    else:
        two_lengths(f"VCMP{suffix}", tail, "xmm:w vx xm128u imm8", packed, FEATURE)


for suffix, prefix, w, scalar in TYPES:
    comparison(suffix, prefix, w, scalar)


def blend(name: str, opcode: int, w: int, wide_feature: str = FEATURE) -> None:
    """Define a blend by the signs of a fourth operand's lanes."""

    def body(s: State, dst: Bits, a: Bits, b: Bits, mask: Bits) -> Bits:
        return vmap(w, lambda old, new, m: ite(m.sign, new, old), a, b, mask)

    tail, operands = f"66.0F3A.W0 {opcode:02X} /r /is4", "xmm:w vx xm128u ix"
    two_lengths(name, tail, operands, body, FEATURE, wide_feature=wide_feature)


blend("VBLENDVPS", 0x4A, 32)
blend("VBLENDVPD", 0x4B, 64)
blend("VPBLENDVB", 0x4C, 8, "AVX2")

# -- conversions that change the width -------------------------------------------------------------


def widening(name: str, encoding: str, primitive: str) -> None:
    """Define a conversion of four lanes of 32 bits to 64."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return from_lanes([s.fp(primitive, 128, src.lane(64, n).zext(128)) for n in s.halves()])

    insn(name, Form(f"VEX.256.{encoding} /r", "ymm:w xm128u"), feature=FEATURE)(body)


def narrowing(name: str, encoding: str, primitive: str) -> None:
    """Define a conversion of four lanes of 64 bits to 32."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        parts = [s.fp(primitive, 128, src.lane(128, n)) for n in s.halves()]
        return from_lanes([part.lane(64, 0) for part in parts])

    insn(name, Form(f"VEX.256.{encoding} /r", "xmm:w ym256u"), feature=FEATURE)(body)


widening("VCVTDQ2PD", "F3.0F.WIG E6", "v_cvt_s32_f64")
widening("VCVTPS2PD", "0F.WIG 5A", "v_cvt_f32_f64")
narrowing("VCVTPD2PS", "66.0F.WIG 5A", "v_cvt_f64_f32")
narrowing("VCVTPD2DQ", "F2.0F.WIG E6", "v_cvt_f64_s32")
narrowing("VCVTTPD2DQ", "66.0F.WIG E6", "v_cvtt_f64_s32")


@insn("VMOVDDUP", Form("VEX.256.F2.0F.WIG 12 /r", "ymm:w ym256u"), feature=FEATURE)
def vmovddup(s: State, dst: Bits, src: Bits) -> Bits:
    a, _, b, _ = src.lanes(64)
    return from_lanes([a, a, b, b])


# -- masks and tests -------------------------------------------------------------------------------


@insn("VMOVMSKPS", Form("VEX.256.0F.WIG 50 /r", "r32:w Y"), feature=FEATURE)
def vmovmskps(s: State, dst: Bits, src: Bits) -> Bits:
    return signs(src, 32)


@insn("VMOVMSKPD", Form("VEX.256.66.0F.WIG 50 /r", "r32:w Y"), feature=FEATURE)
def vmovmskpd(s: State, dst: Bits, src: Bits) -> Bits:
    return signs(src, 64)


def test(s: State, a: Bits, b: Bits, counted: Bits) -> None:
    """ZF: a and b have no counted bit in common; CF: all counted bits of b are in a."""
    common = missing = Bits.const(0, 128)
    for x, y in zip(a.lanes(128), b.lanes(128), strict=True):
        common = common | (x & y & counted)
        missing = missing | (~x & y & counted)
    disjoint, inside = common == 0, missing == 0
    flags = (disjoint.zext(32) << POSITION["ZF"]) | (inside.zext(32) << POSITION["CF"])
    s.set_status(flags, STATUS_MASK)


@insn("VPTEST", Form("VEX.256.66.0F38.WIG 17 /r", "ymm ym256u"), feature=FEATURE)
def vptest(s: State, a: Bits, b: Bits) -> None:
    test(s, a, b, Bits.const(-1, 128))


def test_signs(name: str, opcode: int, w: int) -> None:
    """Define VTESTPS or VTESTPD."""
    counted = from_lanes([Bits.const(1 << (w - 1), w)] * (128 // w))

    def body(s: State, a: Bits, b: Bits) -> None:
        test(s, a, b, counted)

    tail = f"66.0F38.W0 {opcode:02X} /r"
    forms = [
        Form(f"VEX.128.{tail}", "xmm xm128u"),
        Form(f"VEX.256.{tail}", "ymm ym256u"),
    ]
    insn(name, *forms, feature=FEATURE)(body)


test_signs("VTESTPS", 0x0E, 32)
test_signs("VTESTPD", 0x0F, 64)


@insn("VZEROUPPER", Form("VEX.128.0F.WIG 77"), feature=FEATURE)
def vzeroupper(s: State) -> None:
    """Writing the lower half clears the upper one."""
    for n in range(16 if s.mode == 64 else 8):
        s.set_xmm(n, s.xmm(n))


@insn("VZEROALL", Form("VEX.256.0F.WIG 77"), feature=FEATURE)
def vzeroall(s: State) -> None:
    for n in range(16 if s.mode == 64 else 8):
        s.set_xmm(n, Bits.const(0, 128))
