"""Packed integers: arithmetic, logic, comparison, shifts (SDM volume 1, 9.4 and 11.4.2)."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite, vmap
from blink.isa.families._simd import mmx_form, packed
from blink.isa.spec import Form, insn
from blink.isa.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lane = Callable[[Bits, Bits], Bits]


def lanewise(name: str, opcode: int, w: int, lane: Lane, mmx: str = "MMX") -> None:
    """Define an instruction that combines the `w`-bit lanes of its operands pairwise."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return vmap(w, lane, dst, src)

    packed(name, opcode, body, mmx)


def ones_if(c: Bits, w: int) -> Bits:
    return c.sext(w)


def clamp_signed(wide: Bits, w: int) -> Bits:
    """Signed saturation of a wider value to `w` bits."""
    low, high = Bits.const(-(1 << (w - 1)), wide.w), Bits.const((1 << (w - 1)) - 1, wide.w)
    return ite(wide.slt(low), low, ite(high.slt(wide), high, wide)).zext(w)


def clamp_unsigned(wide: Bits, w: int) -> Bits:
    """Saturation of a signed wider value to the unsigned range of `w` bits."""
    zero, high = Bits.const(0, wide.w), Bits.const((1 << w) - 1, wide.w)
    return ite(wide.slt(zero), zero, ite(high.slt(wide), high, wide)).zext(w)


def add_signed(a: Bits, b: Bits) -> Bits:
    return clamp_signed(a.sext(32) + b.sext(32), a.w)


def sub_signed(a: Bits, b: Bits) -> Bits:
    return clamp_signed(a.sext(32) - b.sext(32), a.w)


def add_unsigned(a: Bits, b: Bits) -> Bits:
    return clamp_unsigned(a.zext(32) + b.zext(32), a.w)


def sub_unsigned(a: Bits, b: Bits) -> Bits:
    return clamp_unsigned(a.zext(32) - b.zext(32), a.w)


def average(a: Bits, b: Bits) -> Bits:
    return ((a.zext(32) + b.zext(32) + 1) >> 1).zext(a.w)


for suffix, w, add, sub in (("B", 8, 0xFC, 0xF8), ("W", 16, 0xFD, 0xF9), ("D", 32, 0xFE, 0xFA)):
    lanewise(f"PADD{suffix}", add, w, lambda a, b: a + b)
    lanewise(f"PSUB{suffix}", sub, w, lambda a, b: a - b)
lanewise("PADDQ", 0xD4, 64, lambda a, b: a + b, mmx="SSE2")
lanewise("PSUBQ", 0xFB, 64, lambda a, b: a - b, mmx="SSE2")
for suffix, w, opcode in (("B", 8, 0), ("W", 16, 1)):
    lanewise(f"PADDS{suffix}", 0xEC + opcode, w, add_signed)
    lanewise(f"PADDUS{suffix}", 0xDC + opcode, w, add_unsigned)
    lanewise(f"PSUBS{suffix}", 0xE8 + opcode, w, sub_signed)
    lanewise(f"PSUBUS{suffix}", 0xD8 + opcode, w, sub_unsigned)
for suffix, w, opcode in (("B", 8, 0), ("W", 16, 1), ("D", 32, 2)):
    lanewise(f"PCMPEQ{suffix}", 0x74 + opcode, w, lambda a, b: ones_if(a == b, a.w))
    lanewise(f"PCMPGT{suffix}", 0x64 + opcode, w, lambda a, b: ones_if(b.slt(a), a.w))
lanewise("PMULLW", 0xD5, 16, lambda a, b: a * b)
lanewise("PMULHW", 0xE5, 16, lambda a, b: a.smulh(b))
lanewise("PMULHUW", 0xE4, 16, lambda a, b: a.umulh(b), mmx="SSE")
lanewise("PMULUDQ", 0xF4, 64, lambda a, b: (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF), mmx="SSE2")
lanewise("PAVGB", 0xE0, 8, average, mmx="SSE")
lanewise("PAVGW", 0xE3, 16, average, mmx="SSE")
lanewise("PMINUB", 0xDA, 8, lambda a, b: ite(b.ult(a), b, a), mmx="SSE")
lanewise("PMAXUB", 0xDE, 8, lambda a, b: ite(a.ult(b), b, a), mmx="SSE")
lanewise("PMINSW", 0xEA, 16, lambda a, b: ite(b.slt(a), b, a), mmx="SSE")
lanewise("PMAXSW", 0xEE, 16, lambda a, b: ite(a.slt(b), b, a), mmx="SSE")


def pand(s: State, dst: Bits, src: Bits) -> Bits:
    return dst & src


def pandn(s: State, dst: Bits, src: Bits) -> Bits:
    return ~dst & src


def por(s: State, dst: Bits, src: Bits) -> Bits:
    return dst | src


def pxor(s: State, dst: Bits, src: Bits) -> Bits:
    return dst ^ src


packed("PAND", 0xDB, pand)
packed("PANDN", 0xDF, pandn)
packed("POR", 0xEB, por)
packed("PXOR", 0xEF, pxor)


def pmaddwd(s: State, dst: Bits, src: Bits) -> Bits:
    """Sums of neighbouring signed 16-bit products."""

    def pair(a: Bits, b: Bits) -> Bits:
        low = a.zext(16).sext(32) * b.zext(16).sext(32)
        return low + a.sar(16) * b.sar(16)

    return vmap(32, pair, dst, src)


def psadbw(s: State, dst: Bits, src: Bits) -> Bits:
    """Sum of absolute differences of eight bytes, in each quadword."""
    sums = []
    for i in range(dst.w // 64):
        total = Bits.const(0, 64)
        for a, b in zip(dst.lane(64, i).lanes(8), src.lane(64, i).lanes(8), strict=True):
            total = total + ite(a.ult(b), b - a, a - b).zext(64)
        sums.append(total)
    return from_lanes(sums)


packed("PMADDWD", 0xF5, pmaddwd)
packed("PSADBW", 0xF6, psadbw, mmx="SSE")


def shift_lane(kind: str, value: Bits, count: Bits) -> Bits:
    if kind == "SLL":
        return value << count
    return value >> count if kind == "SRL" else value.sar(count)


def shifts(kind: str, suffix: str, w: int, opcode: int, group: str) -> None:
    """Define a packed shift by a register (the whole low quadword counts) and by an immediate."""

    def by_register(s: State, dst: Bits, src: Bits) -> Bits:
        low = src.lane(64, 0)
        count = ite(low.ult(w), low, Bits.const(w, 64)).zext(8)
        return vmap(w, lambda a: shift_lane(kind, a, count), dst)

    def by_immediate(s: State, dst: Bits, count: Bits) -> Bits:
        return vmap(w, lambda a: shift_lane(kind, a, count), dst)

    name = f"P{kind}{suffix}"
    packed(name, opcode, by_register)
    insn(name, Form(f"66 0F {group} ib", "X:rw imm8"), feature="SSE2")(by_immediate)
    mmx_form(name, Form(f"NP 0F {group} ib", "N:rw imm8"), by_immediate)


for suffix, w, opcode in (("W", 16, 1), ("D", 32, 2), ("Q", 64, 3)):
    shifts("SRL", suffix, w, 0xD0 + opcode, f"7{opcode} /2")
    shifts("SLL", suffix, w, 0xF0 + opcode, f"7{opcode} /6")
    if w < 64:
        shifts("SRA", suffix, w, 0xE0 + opcode, f"7{opcode} /4")


@insn("PSRLDQ", Form("66 0F 73 /3 ib", "X:rw imm8"), feature="SSE2")
def psrldq(s: State, dst: Bits, count: Bits) -> Bits:
    return dst >> ite(count.ult(16), count << 3, Bits.const(128, 8))


@insn("PSLLDQ", Form("66 0F 73 /7 ib", "X:rw imm8"), feature="SSE2")
def pslldq(s: State, dst: Bits, count: Bits) -> Bits:
    return dst << ite(count.ult(16), count << 3, Bits.const(128, 8))
