"""Packing, unpacking, shuffles, inserts, extracts and masks: MMX, SSE, SSE2."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite
from blink.isa.families._simd import WAIT, enter_mmx, mmx_form, packed
from blink.isa.families.sse_int import clamp_signed, clamp_unsigned
from blink.isa.spec import ADDRESS_MODES, Form, insn
from blink.isa.state import RDI, State


def pack(name: str, opcode: int, w: int, signed: bool) -> None:
    """Define a pack of `w`-bit signed lanes to half their width, with saturation."""
    clamp = clamp_signed if signed else clamp_unsigned

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return from_lanes([clamp(v.sext(32), w // 2) for v in dst.lanes(w) + src.lanes(w)])

    packed(name, opcode, body)


pack("PACKSSWB", 0x63, 16, True)
pack("PACKSSDW", 0x6B, 32, True)
pack("PACKUSWB", 0x67, 16, False)


def interleave(dst: Bits, src: Bits, w: int, high: bool) -> Bits:
    """The lanes of one half of both operands, alternating."""
    a, b = dst.lanes(w), src.lanes(w)
    half = len(a) // 2
    chosen = range(half, 2 * half) if high else range(half)
    return from_lanes([v for i in chosen for v in (a[i], b[i])])


def unpack(name: str, opcode: int, w: int, high: bool) -> None:
    """Define PUNPCK*; the low MMX forms read 32 bits of memory only."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return interleave(dst, src.zext(dst.w), w, high)

    packed(name, opcode, body, mmx="MMX" if high and w < 64 else "")
    if not high and w < 64:
        mmx_form(name, Form(f"NP 0F {opcode:02X} /r", "mm:rw mm32"), body)


for suffix, w, low_code, high_code in (
    ("BW", 8, 0x60, 0x68),
    ("WD", 16, 0x61, 0x69),
    ("DQ", 32, 0x62, 0x6A),
    ("QDQ", 64, 0x6C, 0x6D),
):
    unpack(f"PUNPCKL{suffix}", low_code, w, False)
    unpack(f"PUNPCKH{suffix}", high_code, w, True)


def selected(src: Bits, w: int, first: int, order: Bits) -> list[Bits]:
    """Four lanes of `w` bits, each chosen by two bits of `order` among four from `first` on."""
    return [src.lane(w, ((order >> (2 * i)) & 3) + first) for i in range(4)]


@insn("PSHUFD", Form("66 0F 70 /r ib", "xmm:w xm128 imm8"), feature="SSE2")
def pshufd(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes(selected(src, 32, 0, order))


@insn("PSHUFLW", Form("F2 0F 70 /r ib", "xmm:w xm128 imm8"), feature="SSE2")
def pshuflw(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes(selected(src, 16, 0, order) + src.lanes(16)[4:])


@insn("PSHUFHW", Form("F3 0F 70 /r ib", "xmm:w xm128 imm8"), feature="SSE2")
def pshufhw(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes(src.lanes(16)[:4] + selected(src, 16, 4, order))


def pshufw(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes(selected(src, 16, 0, order))


mmx_form("PSHUFW", Form("NP 0F 70 /r ib", "mm:w mm64 imm8"), pshufw, "SSE")


@insn("SHUFPS", Form("NP 0F C6 /r ib", "xmm:rw xm128 imm8"), feature="SSE")
def shufps(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes(selected(dst, 32, 0, order)[:2] + selected(src, 32, 0, order)[2:])


@insn("SHUFPD", Form("66 0F C6 /r ib", "xmm:rw xm128 imm8"), feature="SSE2")
def shufpd(s: State, dst: Bits, src: Bits, order: Bits) -> Bits:
    return from_lanes([dst.lane(64, order & 1), src.lane(64, (order >> 1) & 1)])


@insn("UNPCKLPS", Form("NP 0F 14 /r", "xmm:rw xm128"), feature="SSE")
def unpcklps(s: State, dst: Bits, src: Bits) -> Bits:
    return interleave(dst, src, 32, False)


@insn("UNPCKHPS", Form("NP 0F 15 /r", "xmm:rw xm128"), feature="SSE")
def unpckhps(s: State, dst: Bits, src: Bits) -> Bits:
    return interleave(dst, src, 32, True)


@insn("UNPCKLPD", Form("66 0F 14 /r", "xmm:rw xm128"), feature="SSE2")
def unpcklpd(s: State, dst: Bits, src: Bits) -> Bits:
    return interleave(dst, src, 64, False)


@insn("UNPCKHPD", Form("66 0F 15 /r", "xmm:rw xm128"), feature="SSE2")
def unpckhpd(s: State, dst: Bits, src: Bits) -> Bits:
    return interleave(dst, src, 64, True)


def insert_word(dst: Bits, value: Bits, index: Bits) -> Bits:
    lanes = dst.lanes(16)
    where = index & (len(lanes) - 1)
    return from_lanes([ite(where == i, value, v) for i, v in enumerate(lanes)])


@insn("PINSRW", Form("66 0F C4 /r ib", "xmm:rw r32m16 imm8"), feature="SSE2")
def pinsrw(s: State, dst: Bits, value: Bits, index: Bits) -> Bits:
    return insert_word(dst, value, index)


def pinsrw_mmx(s: State, dst: Bits, value: Bits, index: Bits) -> Bits:
    return insert_word(dst, value, index)


mmx_form("PINSRW", Form("NP 0F C4 /r ib", "mm:rw r32m16 imm8"), pinsrw_mmx, "SSE")


@insn("PEXTRW", Form("66 0F C5 /r ib", "r32:w X imm8"), feature="SSE2")
def pextrw(s: State, dst: Bits, src: Bits, index: Bits) -> Bits:
    return src.lane(16, index & 7).zext(32)


@insn("PEXTRW", Form("NP 0F C5 /r ib", "r32:w N imm8"), feature="SSE", before=WAIT)
def pextrw_mmx(s: State, dst: Bits, src: Bits, index: Bits) -> Bits:
    enter_mmx(s)
    return src.lane(16, index & 3).zext(32)


def signs(src: Bits, w: int) -> Bits:
    """One bit a lane: the signs, lane 0 in bit 0."""
    mask = Bits.const(0, 32)
    for i, v in enumerate(src.lanes(w)):
        mask = mask | (v.sign.zext(32) << i)
    return mask


@insn("PMOVMSKB", Form("66 0F D7 /r", "r32:w X"), feature="SSE2")
def pmovmskb(s: State, dst: Bits, src: Bits) -> Bits:
    return signs(src, 8)


@insn("PMOVMSKB", Form("NP 0F D7 /r", "r32:w N"), feature="SSE", before=WAIT)
def pmovmskb_mmx(s: State, dst: Bits, src: Bits) -> Bits:
    enter_mmx(s)
    return signs(src, 8)


@insn("MOVMSKPS", Form("NP 0F 50 /r", "r32:w X"), feature="SSE")
def movmskps(s: State, dst: Bits, src: Bits) -> Bits:
    return signs(src, 32)


@insn("MOVMSKPD", Form("66 0F 50 /r", "r32:w X"), feature="SSE2")
def movmskpd(s: State, dst: Bits, src: Bits) -> Bits:
    return signs(src, 64)


def _masked_store(s: State, src: Bits, mask: Bits, a: int) -> None:
    """Bytes whose mask bit is set go to DS:RDI; the others are neither written nor checked."""
    address = s.string_source(s.gpr(RDI, a), src.w // 8, write=True)
    for i, (value, m) in enumerate(zip(src.lanes(8), mask.lanes(8), strict=True)):
        for _ in s.when(m.sign):
            s.store(s.beside(address, i), value)


def _masked_moves(a: int) -> None:
    """Define MASKMOVDQU and MASKMOVQ with addresses of `a` bits."""

    def vector(s: State, src: Bits, mask: Bits) -> None:
        _masked_store(s, src, mask, a)

    def mmx(s: State, src: Bits, mask: Bits) -> None:
        enter_mmx(s)
        _masked_store(s, src, mask, a)

    modes = ADDRESS_MODES[a]
    wide = Form("66 0F F7 /r", "xmm X", asize=a, modes=modes)
    narrow = Form("NP 0F F7 /r", "mm N", asize=a, modes=modes)
    insn("MASKMOVDQU", wide, feature="SSE2")(vector)
    insn("MASKMOVQ", narrow, feature="SSE", before=WAIT)(mmx)


for size in ADDRESS_MODES:
    _masked_moves(size)


@insn("EMMS", Form("NP 0F 77"), feature="MMX", before=WAIT)
def emms(s: State) -> None:
    s.set_special("x87.top", Bits.const(0, 8))
    s.set_special("x87.tags", Bits.const(0, 8))
