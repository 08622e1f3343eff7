"""SSE4.1 (SDM volume 1, 12.10); rounding and dot products are in sse41_float."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite, vmap
from blink.isa.families.sse_int import clamp_unsigned, ones_if
from blink.isa.flags import POSITION, STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lane = Callable[[Bits, Bits], Bits]

FEATURE = "SSE4.1"


def lanewise(name: str, opcode: int, w: int, operation: Lane) -> None:
    """Define an instruction that combines the `w`-bit lanes of its operands pairwise."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return vmap(w, operation, dst, src)

    insn(name, Form(f"66 0F 38 {opcode:02X} /r", "xmm:rw xm128"), feature=FEATURE)(body)


lanewise("PMULDQ", 0x28, 64, lambda a, b: a.zext(32).sext(64) * b.zext(32).sext(64))
lanewise("PMULLD", 0x40, 32, lambda a, b: a * b)
lanewise("PCMPEQQ", 0x29, 64, lambda a, b: ones_if(a == b, 64))
for suffix, w, opcode in (("SB", 8, 0x38), ("SD", 32, 0x39)):
    lanewise(f"PMIN{suffix}", opcode, w, lambda a, b: ite(b.slt(a), b, a))
    lanewise(f"PMAX{suffix}", opcode + 4, w, lambda a, b: ite(a.slt(b), b, a))
for suffix, w, opcode in (("UW", 16, 0x3A), ("UD", 32, 0x3B)):
    lanewise(f"PMIN{suffix}", opcode, w, lambda a, b: ite(b.ult(a), b, a))
    lanewise(f"PMAX{suffix}", opcode + 4, w, lambda a, b: ite(a.ult(b), b, a))


@insn("PACKUSDW", Form("66 0F 38 2B /r", "xmm:rw xm128"), feature=FEATURE)
def packusdw(s: State, dst: Bits, src: Bits) -> Bits:
    return from_lanes([clamp_unsigned(v, 16) for v in dst.lanes(32) + src.lanes(32)])


def widening(name: str, opcode: int, narrow: int, wide: int, signed: bool) -> None:
    """Define PMOVSX* or PMOVZX*: the low lanes, each made wider."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return from_lanes([v.sext(wide) if signed else v.zext(wide) for v in src.lanes(narrow)])

    form = Form(f"66 0F 38 {opcode:02X} /r", f"xmm:w xm{128 * narrow // wide}")
    insn(name, form, feature=FEATURE)(body)


WIDTHS = {"B": 8, "W": 16, "D": 32, "Q": 64}
for opcode, suffix in enumerate(("BW", "BD", "BQ", "WD", "WQ", "DQ")):
    narrow, wide = WIDTHS[suffix[0]], WIDTHS[suffix[1]]
    widening(f"PMOVSX{suffix}", 0x20 + opcode, narrow, wide, True)
    widening(f"PMOVZX{suffix}", 0x30 + opcode, narrow, wide, False)


# -- blends ----------------------------------------------------------------------------------------


def blend(name: str, opcode: int, w: int) -> None:
    """Define a blend by the bits of an immediate."""

    def body(s: State, dst: Bits, src: Bits, mask: Bits) -> Bits:
        pairs = zip(dst.lanes(w), src.lanes(w), strict=True)
        return from_lanes([ite(mask.bit(i), new, old) for i, (old, new) in enumerate(pairs)])

    form = Form(f"66 0F 3A {opcode:02X} /r ib", "xmm:rw xm128 imm8")
    insn(name, form, feature=FEATURE)(body)


def blend_by_register(name: str, opcode: int, w: int) -> None:
    """Define a blend by the signs of XMM0's lanes."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return vmap(w, lambda old, new, mask: ite(mask.sign, new, old), dst, src, s.xmm(0))

    insn(name, Form(f"66 0F 38 {opcode:02X} /r", "xmm:rw xm128"), feature=FEATURE)(body)


blend("BLENDPS", 0x0C, 32)
blend("BLENDPD", 0x0D, 64)
blend("PBLENDW", 0x0E, 16)
blend_by_register("PBLENDVB", 0x10, 8)
blend_by_register("BLENDVPS", 0x14, 32)
blend_by_register("BLENDVPD", 0x15, 64)


# -- single lanes ----------------------------------------------------------------------------------


def replaced(dst: Bits, index: Bits, value: Bits) -> Bits:
    """`dst` with the lane `index` (of `value`'s width) replaced."""
    lanes = dst.lanes(value.w)
    return from_lanes([ite(index == i, value, old) for i, old in enumerate(lanes)])


def insertion(name: str, encoding: str, w: int, *operands: str) -> None:
    """Define PINSR*: the low `w` bits of a register, or as many of memory."""

    def body(s: State, dst: Bits, value: Bits, index: Bits) -> Bits:
        return replaced(dst, index & (dst.w // w - 1), value.zext(w))

    forms = [Form(f"{encoding} /r ib", f"xmm:rw {operand} imm8") for operand in operands]
    insn(name, *forms, feature=FEATURE)(body)


insertion("PINSRB", "66 0F 3A 20", 8, "m8", "R32")
insertion("PINSRD", "66 0F 3A 22", 32, "rm32")
insertion("PINSRQ", "66 REX.W 0F 3A 22", 64, "rm64")


def extraction(name: str, encoding: str, w: int, *operands: str) -> None:
    """Define PEXTR* or EXTRACTPS; a register gets the lane zero-extended."""

    def body(s: State, dst: Bits, src: Bits, index: Bits) -> Bits:
        return src.lane(w, index & (128 // w - 1)).zext(dst.w)

    forms = [Form(f"{encoding} /r ib", f"{operand}:w xmm imm8") for operand in operands]
    insn(name, *forms, feature=FEATURE)(body)


extraction("PEXTRB", "66 0F 3A 14", 8, "m8", "R32")
extraction("PEXTRW", "66 0F 3A 15", 16, "m16", "R32")
extraction("PEXTRD", "66 0F 3A 16", 32, "rm32")
extraction("PEXTRQ", "66 REX.W 0F 3A 16", 64, "rm64")
extraction("EXTRACTPS", "66 0F 3A 17", 32, "rm32")


def insert_single(dst: Bits, value: Bits, control: Bits) -> Bits:
    """INSERTPS: bits 5..4 of `control` choose the lane, bits 3..0 clear lanes afterwards."""
    lanes = replaced(dst, (control >> 4) & 3, value).lanes(32)
    return from_lanes([ite(control.bit(i), 0, lane) for i, lane in enumerate(lanes)])


@insn("INSERTPS", Form("66 0F 3A 21 /r ib", "xmm:rw m32 imm8"), feature=FEATURE)
def insertps_memory(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
    return insert_single(dst, src, control)


@insn("INSERTPS", Form("66 0F 3A 21 /r ib", "xmm:rw X imm8"), feature=FEATURE)
def insertps(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
    return insert_single(dst, src.lane(32, control >> 6), control)


@insn("MOVNTDQA", Form("66 0F 38 2A /r", "xmm:w m128a"), feature=FEATURE)
def movntdqa(s: State, dst: Bits, src: Bits) -> Bits:
    return src


# -- across lanes ----------------------------------------------------------------------------------


@insn("PTEST", Form("66 0F 38 17 /r", "xmm xm128"), feature=FEATURE)
def ptest(s: State, a: Bits, b: Bits) -> None:
    disjoint, inside = (a & b) == 0, (~a & b) == 0
    flags = (disjoint.zext(32) << POSITION["ZF"]) | (inside.zext(32) << POSITION["CF"])
    s.set_status(flags, STATUS_MASK)


@insn("PHMINPOSUW", Form("66 0F 38 41 /r", "xmm:w xm128"), feature=FEATURE)
def phminposuw(s: State, dst: Bits, src: Bits) -> Bits:
    least, where = src.lane(16, 0), Bits.const(0, 16)
    for i, value in enumerate(src.lanes(16)[1:], 1):
        less = value.ult(least)
        least, where = ite(less, value, least), ite(less, Bits.const(i, 16), where)
    return from_lanes([least, where] + [Bits.const(0, 16)] * 6)


@insn("MPSADBW", Form("66 0F 3A 42 /r ib", "xmm:rw xm128 imm8"), feature=FEATURE)
def mpsadbw(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
    """Eight sums of absolute differences: a sliding window of four bytes against one block."""
    block = [src.lane(8, ((control & 3) << 2) + j) for j in range(4)]
    window = [dst.lane(8, (control & 4) + i) for i in range(11)]
    return from_lanes([_distance(window[i : i + 4], block) for i in range(8)])


def _distance(a: list[Bits], b: list[Bits]) -> Bits:
    total = Bits.const(0, 16)
    for x, y in zip(a, b, strict=True):
        total = total + ite(x.ult(y), y - x, x - y).zext(16)
    return total
