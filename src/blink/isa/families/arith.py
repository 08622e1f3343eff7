"""Integer addition, subtraction, comparison and logic (SDM volume 1, 7.3.2 and 7.3.3)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn
from blink.isa.state import State


def alu(base: int, digit: int, access: str = "rw") -> list[Form]:
    """The nine encodings that ADD, OR, ADC, SBB, AND, SUB, XOR and CMP share."""
    lock = access == "rw"
    return [
        Form(f"{base:02X} /r", f"rm8:{access} r8", lock),
        Form(f"{base + 1:02X} /r", f"rmv:{access} rv", lock),
        Form(f"{base + 2:02X} /r", f"r8:{access} rm8"),
        Form(f"{base + 3:02X} /r", f"rv:{access} rmv"),
        Form(f"{base + 4:02X} ib", f"al:{access} imm8"),
        Form(f"{base + 5:02X} iz", f"av:{access} immz"),
        Form(f"80 /{digit} ib", f"rm8:{access} imm8", lock),
        Form(f"81 /{digit} iz", f"rmv:{access} immz", lock),
        Form(f"83 /{digit} ib", f"rmv:{access} simm8", lock),
    ]


@insn("ADD", *alu(0x00, 0))
def add(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_add(dst, src)
    return dst + src


@insn("SUB", *alu(0x28, 5))
def sub(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_sub(dst, src)
    return dst - src


@insn("CMP", *alu(0x38, 7, "r"))
def cmp(s: State, a: Bits, b: Bits) -> None:
    s.flags_sub(a, b)


@insn("ADC", *alu(0x10, 2))
def adc(s: State, dst: Bits, src: Bits) -> Bits:
    carry = s.flag("CF")
    result = dst + src + carry.zext(dst.w)
    carried = ite(carry, ~dst.ult(result), result.ult(dst))
    overflow = ((dst ^ result) & (src ^ result)).sign
    s.flags_result(result, carried, overflow, (dst ^ src ^ result).bit(4))
    return result


@insn("SBB", *alu(0x18, 3))
def sbb(s: State, dst: Bits, src: Bits) -> Bits:
    borrow = s.flag("CF")
    result = dst - src - borrow.zext(dst.w)
    borrowed = ite(borrow, ~src.ult(dst), dst.ult(src))
    overflow = ((dst ^ src) & (dst ^ result)).sign
    s.flags_result(result, borrowed, overflow, (dst ^ src ^ result).bit(4))
    return result


@insn("AND", *alu(0x20, 4), undefined="AF")
def and_(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_logic(dst & src)
    return dst & src


@insn("OR", *alu(0x08, 1), undefined="AF")
def or_(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_logic(dst | src)
    return dst | src


@insn("XOR", *alu(0x30, 6), undefined="AF")
def xor(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_logic(dst ^ src)
    return dst ^ src


@insn(
    "TEST",
    Form("84 /r", "rm8 r8"),
    Form("85 /r", "rmv rv"),
    Form("A8 ib", "al imm8"),
    Form("A9 iz", "av immz"),
    Form("F6 /0 ib", "rm8 imm8"),
    Form("F6 /1 ib", "rm8 imm8"),
    Form("F7 /0 iz", "rmv immz"),
    Form("F7 /1 iz", "rmv immz"),
    undefined="AF",
)
def test(s: State, a: Bits, b: Bits) -> None:
    s.flags_logic(a & b)


@insn(
    "INC",
    Form("FE /0", "rm8:rw", lock=True),
    Form("FF /0", "rmv:rw", lock=True),
    Form("40+r", "ov:rw", modes=(16, 32)),
)
def inc(s: State, dst: Bits) -> Bits:
    result = dst + 1
    s.flags_result(result, s.flag("CF"), result == 1 << (dst.w - 1), (result.zext(8) & 15) == 0)
    return result


@insn(
    "DEC",
    Form("FE /1", "rm8:rw", lock=True),
    Form("FF /1", "rmv:rw", lock=True),
    Form("48+r", "ov:rw", modes=(16, 32)),
)
def dec(s: State, dst: Bits) -> Bits:
    result = dst - 1
    s.flags_result(result, s.flag("CF"), dst == 1 << (dst.w - 1), (dst.zext(8) & 15) == 0)
    return result


@insn("NEG", Form("F6 /3", "rm8:rw", lock=True), Form("F7 /3", "rmv:rw", lock=True))
def neg(s: State, dst: Bits) -> Bits:
    s.flags_sub(Bits.const(0, dst.w), dst)
    return -dst


@insn("NOT", Form("F6 /2", "rm8:rw", lock=True), Form("F7 /2", "rmv:rw", lock=True))
def not_(s: State, dst: Bits) -> Bits:
    return ~dst
