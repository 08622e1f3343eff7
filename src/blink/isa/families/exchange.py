"""Exchanges: XCHG, XADD, CMPXCHG and its wide forms; atomic with LOCK, XCHG with memory always."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite
from blink.isa.rewrite import traceable
from blink.isa.spec import Form, insn
from blink.isa.state import RAX, RBX, RCX, RDX, State


@insn(
    "XCHG",
    Form("86 /r", "rm8:rw r8:rw", lock=True, always_lock=True),
    Form("87 /r", "rmv:rw rv:rw", lock=True, always_lock=True),
)
def xchg(s: State, a: Bits, b: Bits) -> tuple[Bits, Bits]:
    return b, a


@insn("XCHG", Form("90+r", "ov:rw av:rw"))
def xchg_a(s: State, a: Bits, b: Bits) -> tuple[Bits, Bits]:
    """90 itself is NOP, a form of its own."""
    return b, a


@insn(
    "XADD", Form("0F C0 /r", "rm8:rw r8:rw", lock=True), Form("0F C1 /r", "rmv:rw rv:rw", lock=True)
)
def xadd(s: State, dst: Bits, src: Bits) -> tuple[Bits, Bits]:
    """Same register twice: the sum stays, so the destination is written last."""
    s.flags_add(dst, src)
    return dst + src, dst


@insn("CMPXCHG", Form("0F B0 /r", "rm8:rw r8", lock=True), Form("0F B1 /r", "mv:rw rv", lock=True))
def cmpxchg(s: State, dst: Bits, src: Bits) -> Bits:
    """The destination is written in any case; the accumulator only when they differ."""
    a = s.gpr(RAX, dst.w)
    equal = a == dst
    s.flags_sub(a, dst)
    if ~equal:
        s.set_gpr(RAX, dst)
    return ite(equal, src, dst)


@insn("CMPXCHG", Form("0F B1 /r", "R64:rw rv"))
def cmpxchg_register(s: State, dst: Bits, src: Bits) -> Bits:
    """A 32-bit destination that is not exchanged keeps its upper half (measured on Zen 4)."""
    a, old = s.gpr(RAX, src.w), dst.zext(src.w)
    equal = a == old
    s.flags_sub(a, old)
    if ~equal:
        s.set_gpr(RAX, old)
    written = src.zext(64) if src.w >= 32 else (dst & 0xFFFFFFFFFFFF0000) | src.zext(64)
    return ite(equal, written, dst)


@traceable
def _wide(s: State, dst: Bits, w: int) -> Bits:
    expected = from_lanes([s.gpr(RAX, w), s.gpr(RDX, w)])
    equal = expected == dst
    s.set_status(equal.zext(32) << 6, 0x40)
    low, high = dst.lanes(w)
    if ~equal:
        s.set_gpr(RAX, low)
        s.set_gpr(RDX, high)
    wanted = from_lanes([s.gpr(RBX, w), s.gpr(RCX, w)])
    if w == 64:
        return from_lanes(
            [ite(equal, n, o) for n, o in zip(wanted.lanes(64), dst.lanes(64), strict=True)]
        )
    return ite(equal, wanted, dst)


@insn("CMPXCHG8B", Form("W0 0F C7 /1", "m64:rw", lock=True), feature="CX8")
def cmpxchg8b(s: State, dst: Bits) -> Bits:
    return _wide(s, dst, 32)


@insn("CMPXCHG16B", Form("REX.W 0F C7 /1", "m128a:rw", lock=True), feature="CX16")
def cmpxchg16b(s: State, dst: Bits) -> Bits:
    return _wide(s, dst, 64)
