"""What 64-bit mode has dropped: decimal adjustment, BOUND, ARPL, SALC (SDM volume 1, 7.3)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn
from blink.isa.state import BR, DE, RAX, State

LEGACY = (16, 32)
OTHERS = "OF SF ZF PF"


def _decimal(name: str, opcode: int, sign: int) -> None:
    """Define DAA (sign 1) or DAS (-1)."""

    def body(s: State) -> None:
        al, carry = s.gpr(RAX, 8), s.flag("CF")
        low = (al & 15).ugt(9) | s.flag("AF")
        high = al.ugt(0x99) | carry
        change = ite(low, Bits.const(6, 8), 0) + ite(high, Bits.const(0x60, 8), 0)
        # DAS also sets CF when the lower correction borrows.
        borrow = low & al.ult(6) if sign < 0 else Bits.const(0, 1)
        result = al + change if sign > 0 else al - change
        s.set_gpr(RAX, result)
        s.flags_result(result, high | borrow, 0, low)

    insn(name, Form(f"{opcode:02X}", modes=LEGACY), undefined="OF")(body)


_decimal("DAA", 0x27, 1)
_decimal("DAS", 0x2F, -1)


def _ascii(name: str, opcode: int, sign: int) -> None:
    """Define AAA (sign 1) or AAS (-1)."""

    def body(s: State) -> None:
        ax = s.gpr(RAX, 16)
        adjust = (ax.zext(8) & 15).ugt(9) | s.flag("AF")
        changed = ite(adjust, ax + 0x106 if sign > 0 else ax - 0x106, ax)
        result = changed & 0xFF0F
        s.set_gpr(RAX, result)
        s.flags_result(result.zext(8), adjust, 0, adjust)

    insn(name, Form(f"{opcode:02X}", modes=LEGACY), undefined=OTHERS)(body)


_ascii("AAA", 0x37, 1)
_ascii("AAS", 0x3F, -1)


@insn("AAM", Form("D4 ib", "imm8", modes=LEGACY), undefined="OF AF CF")
def aam(s: State, base: Bits) -> None:
    s.fault_if(base == 0, DE)
    al, divisor = s.gpr(RAX, 8), ite(base == 0, Bits.const(1, 8), base)
    digit = al.urem(divisor)
    s.set_gpr(RAX, al.udiv(divisor).zext(16) << 8 | digit.zext(16))
    s.flags_result(digit, 0, 0)


@insn("AAD", Form("D5 ib", "imm8", modes=LEGACY), undefined="OF AF CF")
def aad(s: State, base: Bits) -> None:
    ax = s.gpr(RAX, 16)
    value = ax.zext(8) + (ax >> 8).zext(8) * base
    s.set_gpr(RAX, value.zext(16))
    s.flags_result(value, 0, 0)


@insn("SALC", Form("D6", modes=LEGACY))
def salc(s: State) -> None:
    """In no manual of Intel's until 2012: AL is all ones if CF is set, else 0."""
    s.set_gpr(RAX, s.flag("CF").sext(8))


@insn("BOUND", Form("62 /r", "rv md", modes=LEGACY))
def bound(s: State, index: Bits, address: Bits) -> None:
    low = s.load(address, s.size)
    high = s.load(s.beside(address, s.size // 8), s.size)
    s.fault_if(index.slt(low) | high.slt(index), BR)


def _raise_rpl(s: State, dst: Bits, src: Bits) -> tuple[Bits, Bits]:
    """Whether ARPL changes `dst`, and to what."""
    lower = (dst & 3).ult(src & 3)
    s.set_status(lower.zext(32) << 6, 0x40)
    return lower, (dst & 0xFFFC) | (src & 3)


@insn("ARPL", Form("63 /r", "R16:rw r16", modes=LEGACY), before="require_protected")
def arpl(s: State, dst: Bits, src: Bits) -> Bits:
    lower, result = _raise_rpl(s, dst, src)
    return ite(lower, result, dst)


@insn("ARPL", Form("63 /r", "bits r16", modes=LEGACY), before="require_protected")
def arpl_memory(s: State, offset: Bits, src: Bits) -> None:
    """What does not change is not written."""
    start = Bits.const(0, 64)
    lower, result = _raise_rpl(s, s.load(s.element(offset, start, 2, False), 16), src)
    if lower:
        s.store(s.element(offset, start, 2, True), result)
