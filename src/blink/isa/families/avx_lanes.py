"""AVX and AVX2 that move lanes: broadcasts, permutations, inserts, variable shifts.

SDM volume 1, 14.4 and 14.7.
"""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite, vmap
from blink.isa.families._vex import define_wide, legacy, two_lengths
from blink.isa.families.sse_shuffle import selected, signs
from blink.isa.host_simd import hosted
from blink.isa.spec import Form, insn
from blink.isa.state import State

# -- broadcasts ------------------------------------------------------------------------------------


def broadcast(name: str, code: str, operands: str, length: int, feature: str) -> None:
    """Define a broadcast of all of the source to `length` bits."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return from_lanes([src] * (length // src.w))

    target = "xmm:w" if length == 128 else "ymm:w"
    form = Form(f"VEX.{length}.66.0F38.W0 {code} /r", f"{target} {operands}")
    insn(name, form, feature=feature)(body)


for length in (128, 256):
    broadcast("VBROADCASTSS", "18", "m32", length, "AVX")
    broadcast("VBROADCASTSS", "18", "X32", length, "AVX2")
    broadcast("VPBROADCASTB", "78", "xm8", length, "AVX2")
    broadcast("VPBROADCASTW", "79", "xm16", length, "AVX2")
    broadcast("VPBROADCASTD", "58", "xm32", length, "AVX2")
    broadcast("VPBROADCASTQ", "59", "xm64", length, "AVX2")
broadcast("VBROADCASTSD", "19", "m64", 256, "AVX")
broadcast("VBROADCASTSD", "19", "X64", 256, "AVX2")
broadcast("VBROADCASTF128", "1A", "m128", 256, "AVX")
broadcast("VBROADCASTI128", "5A", "m128", 256, "AVX2")

# -- halves ----------------------------------------------------------------------------------------


def _chosen_half(a: Bits, b: Bits, control: Bits) -> Bits:
    """One of four halves by two bits; bit 3 clears it."""
    from_a = ite(control.bit(0), a.lane(128, 1), a.lane(128, 0))
    from_b = ite(control.bit(0), b.lane(128, 1), b.lane(128, 0))
    return ite(control.bit(3), Bits.const(0, 128), ite(control.bit(1), from_b, from_a))


def permute_halves(s: State, dst: Bits, a: Bits, b: Bits, control: Bits) -> Bits:
    return from_lanes([_chosen_half(a, b, control), _chosen_half(a, b, control >> 4)])


def insert_half(s: State, dst: Bits, a: Bits, b: Bits, control: Bits) -> Bits:
    upper = control.bit(0)
    return from_lanes([ite(upper, a.lane(128, 0), b), ite(upper, b, a.lane(128, 1))])


def extract_half(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
    return ite(control.bit(0), src.lane(128, 1), src.lane(128, 0))


for suffix, feature, permute, insert, extract in (
    ("F128", "AVX", 0x06, 0x18, 0x19),
    ("I128", "AVX2", 0x46, 0x38, 0x39),
):
    for name, opcode, operands, half_body in (
        ("VPERM2", permute, "ymm:w vy ym256u imm8", permute_halves),
        ("VINSERT", insert, "ymm:w vy xm128u imm8", insert_half),
        ("VEXTRACT", extract, "xm128u:w ymm imm8", extract_half),
    ):
        half_form = Form(f"VEX.256.66.0F3A.W0 {opcode:02X} /r ib", operands)
        insn(name + suffix, half_form, feature=feature)(half_body)

# -- permutations ----------------------------------------------------------------------------------


def permilps(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes(selected(src, 32, 0, order))


def permilpd(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes([src.lane(64, order.bit(i)) for i in range(2)])


def permilps_by_vector(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes([src.lane(32, v & 3) for v in order.lanes(32)])


def permilpd_by_vector(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes([src.lane(64, v.bit(1)) for v in order.lanes(64)])


two_lengths("VPERMILPS", "66.0F3A.W0 04 /r ib", "xmm:w xm128u imm8", permilps, "AVX")
two_lengths("VPERMILPD", "66.0F3A.W0 05 /r ib", "xmm:w xm128u imm8", permilpd, "AVX", step=2)
two_lengths("VPERMILPS", "66.0F38.W0 0C /r", "xmm:w vx xm128u", permilps_by_vector, "AVX")
two_lengths("VPERMILPD", "66.0F38.W0 0D /r", "xmm:w vx xm128u", permilpd_by_vector, "AVX")


@insn("VPERMD", Form("VEX.256.66.0F38.W0 36 /r", "ymm:w vy ym256u"), feature="AVX2")
@insn("VPERMPS", Form("VEX.256.66.0F38.W0 16 /r", "ymm:w vy ym256u"), feature="AVX2")
def vpermd(s: State, dst: Bits, order: Bits, src: Bits) -> Bits:
    """Any of the eight lanes to any place."""
    return from_lanes([src.lane(32, v & 7) for v in order.lanes(32)])


@insn("VPERMQ", Form("VEX.256.66.0F3A.W1 00 /r ib", "ymm:w ym256u imm8"), feature="AVX2")
@insn("VPERMPD", Form("VEX.256.66.0F3A.W1 01 /r ib", "ymm:w ym256u imm8"), feature="AVX2")
def vpermq(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes([src.lane(64, (order >> 2 * i) & 3) for i in range(4)])


# -- AVX2: lanes as in SSE, but across or by a vector ----------------------------------------------


(blendps,) = legacy("BLENDPS")


def vpblendd(s: State, dst: Bits, a: Bits, b: Bits, mask: Bits) -> Bits:
    result: Bits = blendps.body(s, a, b, mask)
    return result


two_lengths("VPBLENDD", "66.0F3A.W0 02 /r ib", "xmm:w vx xm128u imm8", vpblendd, "AVX2", step=4)


pmovmskb = hosted("PMOVMSKB", lambda s, dst, src: signs(src, 8), writes=True)


@insn("VPMOVMSKB", Form("VEX.256.66.0F.WIG D7 /r", "r32:w Y"), feature="AVX2")
def vpmovmskb(s: State, dst: Bits, src: Bits) -> Bits:
    halves: list[Bits] = [pmovmskb(s, dst, half) for half in src.lanes(128)]
    return halves[0] | halves[1] << 16


def shift(name: str, code: str, w: int, kind: str) -> None:
    """Define a shift of each lane by the count in the other operand's lane."""

    def lane(a: Bits, count: Bits) -> Bits:
        if kind == "left":
            return a << count
        return a >> count if kind == "right" else a.sar(count)

    def body(s: State, dst: Bits, a: Bits, b: Bits) -> Bits:
        return vmap(w, lane, a, b)

    two_lengths(name, f"66.0F38.{code} /r", "xmm:w vx xm128u", body, "AVX2")


shift("VPSLLVD", "W0 47", 32, "left")
shift("VPSLLVQ", "W1 47", 64, "left")
shift("VPSRLVD", "W0 45", 32, "right")
shift("VPSRLVQ", "W1 45", 64, "right")
shift("VPSRAVD", "W0 46", 32, "arithmetic")

for kind in "SZ":
    for sizes in ("BW", "BD", "BQ", "WD", "WQ", "DQ"):
        for legacy_insn in legacy(f"PMOV{kind}X{sizes}"):
            define_wide(legacy_insn)
