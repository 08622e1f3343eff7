"""Data movement: MOV, MOVZX, LEA, PUSH, POP, XCHG (SDM volume 1, 7.3.1)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn, insn_cc
from blink.isa.state import RBP, RSP, State


@insn(
    "MOV",
    Form("88 /r", "rm8:w r8"),
    Form("89 /r", "rmv:w rv"),
    Form("8A /r", "r8:w rm8"),
    Form("8B /r", "rv:w rmv"),
    Form("A0", "al:w moffs8"),
    Form("A1", "av:w moffsv"),
    Form("A2", "moffs8:w al"),
    Form("A3", "moffsv:w av"),
    Form("B0+r ib", "o8:w imm8"),
    Form("B8+r iv", "ov:w immv"),
    Form("C6 /0 ib", "rm8:w imm8"),
    Form("C7 /0 iz", "rmv:w immz"),
)
def mov(s: State, dst: Bits, src: Bits) -> Bits:
    return src


@insn("MOVZX", Form("0F B6 /r", "rv:w rm8"), Form("0F B7 /r", "rv:w rm16"))
def movzx(s: State, dst: Bits, src: Bits) -> Bits:
    return src.zext(dst.w)


@insn("MOVSX", Form("0F BE /r", "rv:w rm8"), Form("0F BF /r", "rv:w rm16"))
def movsx(s: State, dst: Bits, src: Bits) -> Bits:
    return src.sext(dst.w)


@insn("MOVSXD", Form("W0 63 /r", "rv:w rmv", modes=(64,)))
def movsxd_narrow(s: State, dst: Bits, src: Bits) -> Bits:
    """Without REX.W a plain move, which the SDM discourages."""
    return src


@insn("MOVSXD", Form("REX.W 63 /r", "r64:w rm32", modes=(64,)))
def movsxd(s: State, dst: Bits, src: Bits) -> Bits:
    return src.sext(64)


@insn("LEA", Form("8D /r", "rv:w mem"))
def lea(s: State, dst: Bits, address: Bits) -> Bits:
    return address.zext(dst.w)


@insn(
    "PUSH",
    Form("50+r", "ov", d64=True),
    Form("FF /6", "rmv", d64=True),
    Form("68 iz", "immz", d64=True),
    Form("6A ib", "simm8", d64=True),
)
def push(s: State, src: Bits) -> None:
    s.push(src)


@insn("POP", Form("58+r", "ov:w", d64=True), Form("8F /0", "rmv:w", d64=True))
def pop(s: State, dst: Bits) -> Bits:
    return s.pop(dst.w)


@insn("PUSHA", Form("60", modes=(16, 32)), sized=True)
def pusha(s: State) -> None:
    """Also PUSHAD.  SP is pushed as it was before."""
    values = [s.gpr(n, s.size) for n in range(8)]
    for value in values:
        s.push(value)


@insn("POPA", Form("61", modes=(16, 32)), sized=True)
def popa(s: State) -> None:
    """Also POPAD.  The image of SP is left out."""
    for n in (7, 6, 5, 4, 3, 2, 1, 0):
        value = s.pop(s.size)
        if n != RSP:
            s.set_gpr(n, value)


@insn("LEAVE", Form("C9", d64=True), sized=True)
def leave(s: State) -> None:
    frame, n = s.gpr(RBP), s.size // 8
    value = s.load(s.stack(frame, n), s.size)
    s.set_sp(frame + n)
    s.set_gpr(RBP, value)


@insn("ENTER", Form("C8 iw ib", "imm16 level", d64=True), sized=True)
def enter(s: State, size: Bits, level: Bits) -> None:
    """A C body does nested levels: it copies the enclosing frames' pointers."""
    s.call("enter_frame", size, level, s.size // 8)


@insn_cc("CMOV", lambda cc: [Form(f"0F {0x40 + cc:02X} /r", "rv:rw rmv")])
def cmov(s: State, dst: Bits, src: Bits) -> Bits:
    """The source is read in any case, and a 32-bit destination's upper half cleared."""
    return ite(s.cond(), src, dst)


@insn_cc("SET", lambda cc: [Form(f"0F {0x90 + cc:02X} /r", "rm8:w")])
def setcc(s: State, dst: Bits) -> Bits:
    return s.cond().zext(8)
