"""Multiplication, division and sign extension of the accumulator (SDM volume 1, 7.3.2)."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes
from blink.isa.spec import Form, insn
from blink.isa.state import DE, RAX, RDX, State

UNDEFINED = "SF ZF AF PF"


def _wide_result(s: State, low: Bits, high: Bits) -> None:
    """The double-width product: AX, or DX:AX and its wider kin."""
    if low.w == 8:
        s.set_gpr(RAX, from_lanes([low, high]))
    else:
        s.set_gpr(RAX, low)
        s.set_gpr(RDX, high)


@insn("MUL", Form("F6 /4", "rm8"), Form("F7 /4", "rmv"), undefined=UNDEFINED)
def mul(s: State, src: Bits) -> None:
    a = s.gpr(RAX, src.w)
    low, high = a * src, a.umulh(src)
    s.flags_result(low, high != 0, high != 0)
    _wide_result(s, low, high)


@insn("IMUL", Form("F6 /5", "rm8"), Form("F7 /5", "rmv"), undefined=UNDEFINED)
def imul(s: State, src: Bits) -> None:
    a = s.gpr(RAX, src.w)
    low, high = a * src, a.smulh(src)
    overflow = high != low.sar(low.w - 1)
    s.flags_result(low, overflow, overflow)
    _wide_result(s, low, high)


def _imul(s: State, a: Bits, b: Bits) -> Bits:
    low = a * b
    overflow = a.smulh(b) != low.sar(low.w - 1)
    s.flags_result(low, overflow, overflow)
    return low


@insn("IMUL", Form("0F AF /r", "rv:rw rmv"), undefined=UNDEFINED)
def imul2(s: State, dst: Bits, src: Bits) -> Bits:
    return _imul(s, dst, src)


@insn(
    "IMUL",
    Form("69 /r iz", "rv:w rmv immz"),
    Form("6B /r ib", "rv:w rmv simm8"),
    undefined=UNDEFINED,
)
def imul3(s: State, dst: Bits, a: Bits, b: Bits) -> Bits:
    return _imul(s, a, b)


ALL = "CF PF AF ZF SF OF"


@insn("DIV", Form("F6 /6", "rm8"), undefined=ALL)
def div8(s: State, src: Bits) -> None:
    s.fault_if(src == 0, DE)
    a, divisor = s.gpr(RAX, 16), src.zext(16)
    quotient = a.udiv(divisor)
    s.fault_if(quotient.ugt(0xFF), DE)
    s.set_gpr(RAX, from_lanes([quotient.zext(8), a.urem(divisor).zext(8)]))


@insn("IDIV", Form("F6 /7", "rm8"), undefined=ALL)
def idiv8(s: State, src: Bits) -> None:
    s.fault_if(src == 0, DE)
    a, divisor = s.gpr(RAX, 16).sext(32), src.sext(32)
    quotient = a.sdiv(divisor)
    s.fault_if(quotient != quotient.zext(8).sext(32), DE)
    s.set_gpr(RAX, from_lanes([quotient.zext(8), a.srem(divisor).zext(8)]))


@insn("DIV", Form("F7 /6", "rmv"), undefined=ALL)
def div(s: State, src: Bits) -> None:
    w = src.w
    s.fault_if(src == 0, DE)
    low, high = s.gpr(RAX, w), s.gpr(RDX, w)
    s.fault_if(~high.ult(src), DE)
    if w == 64:
        s.set_gpr(RAX, s.call("udiv128", high, low, src, w=64))
        s.set_gpr(RDX, s.call("urem128", high, low, src, w=64))
    else:
        both = from_lanes([low, high]).zext(64)
        s.set_gpr(RAX, both.udiv(src.zext(64)).zext(w))
        s.set_gpr(RDX, both.urem(src.zext(64)).zext(w))


@insn("IDIV", Form("F7 /7", "rmv"), undefined=ALL)
def idiv(s: State, src: Bits) -> None:
    w = src.w
    s.fault_if(src == 0, DE)
    low, high = s.gpr(RAX, w), s.gpr(RDX, w)
    if w == 64:
        s.fault_if(s.call("idiv128_overflows", high, low, src, w=8) != 0, DE)
        s.set_gpr(RAX, s.call("idiv128", high, low, src, w=64))
        s.set_gpr(RDX, s.call("irem128", high, low, src, w=64))
    else:
        both, divisor = from_lanes([low, high]).sext(64), src.sext(64)
        # INT64_MIN / -1 traps on the host as well; it overflows the destination in any case
        s.fault_if((both == 1 << 63) & (divisor == -1 & (1 << 64) - 1), DE)
        quotient = both.sdiv(divisor)
        s.fault_if(quotient != quotient.zext(w).sext(64), DE)
        s.set_gpr(RAX, quotient.zext(w))
        s.set_gpr(RDX, both.srem(divisor).zext(w))


@insn("CBW", Form("98"), sized=True)
def cbw(s: State) -> None:
    """CBW, CWDE, CDQE by operand size."""
    s.set_gpr(RAX, s.gpr(RAX, s.size // 2).sext(s.size))


@insn("CWD", Form("99"), sized=True)
def cwd(s: State) -> None:
    """CWD, CDQ, CQO by operand size."""
    s.set_gpr(RDX, s.gpr(RAX, s.size).sar(s.size - 1))
