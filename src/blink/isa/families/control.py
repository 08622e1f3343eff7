"""Control flow: jumps, calls, returns, conditions (SDM volume 1, 7.3.8)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import Form, insn, insn_cc
from blink.isa.state import R11, RCX, State


@insn_cc(
    "J", lambda cc: [Form(f"{0x70 + cc:02X} cb", "rel8"), Form(f"0F {0x80 + cc:02X} cd", "relz")]
)
def jcc(s: State, target: Bits) -> None:
    s.branch(s.cond(), target)


@insn("JMP", Form("EB cb", "rel8"), Form("E9 cd", "relz"), Form("FF /4", "rm64", size=64))
def jmp(s: State, target: Bits) -> None:
    s.jump(target)


@insn("CALL", Form("E8 cd", "relz"), Form("FF /2", "rm64", size=64))
def call(s: State, target: Bits) -> None:
    s.push(s.next_ip)
    s.jump(target)


@insn("RET", Form("C3"))
def ret(s: State) -> None:
    s.jump(s.pop(64))


@insn("RET", Form("C2 iw", "imm16"))
def ret_imm(s: State, count: Bits) -> None:
    target = s.pop(64)
    s.set_gpr(4, s.gpr(4) + count.zext(64))
    s.jump(target)


@insn("JRCXZ", Form("E3 cb", "rel8", asize=64))
def jrcxz(s: State, target: Bits) -> None:
    s.branch(s.gpr(RCX) == 0, target)


@insn("JECXZ", Form("E3 cb", "rel8", asize=32))
def jecxz(s: State, target: Bits) -> None:
    s.branch(s.gpr(RCX, 32) == 0, target)


def _count(s: State) -> Bits:
    left = s.gpr(RCX) - 1
    s.set_gpr(RCX, left)
    return left != 0


@insn("LOOP", Form("E2 cb", "rel8", asize=64))
def loop(s: State, target: Bits) -> None:
    s.branch(_count(s), target)


@insn("LOOPE", Form("E1 cb", "rel8", asize=64))
def loope(s: State, target: Bits) -> None:
    s.branch(_count(s) & s.flag("ZF"), target)


@insn("LOOPNE", Form("E0 cb", "rel8", asize=64))
def loopne(s: State, target: Bits) -> None:
    s.branch(_count(s) & ~s.flag("ZF"), target)


@insn("SYSCALL", Form("0F 05", modes=(64,)))
def syscall(s: State) -> None:
    """RCX and R11 get the return address and RFLAGS; the kernel does the rest."""
    rest = s.special("eflags", 32) & ~STATUS_MASK & 0xFFFFFFFF
    s.set_gpr(RCX, s.next_ip)
    s.set_gpr(R11, (rest | s.flags.word()).zext(64))
    s.stop("SYSCALL")


@insn("INT3", Form("CC"))
def int3(s: State) -> None:
    s.stop("INT:3")


@insn("INT1", Form("F1"))
def int1(s: State) -> None:
    """#DB as a trap, with no reason in DR6."""
    s.stop("INT:1")


@insn("INT", Form("CD ib", "imm8"))
def int_(s: State, vector: Bits) -> None:
    s.stop("INT:(u8)r->imm")


@insn("NOP", Form("90", no_rex_b=True), Form("0F 1F /0", "mem"), Form("0F 1F /0", "Rv"))
def nop(s: State, *operand: Bits) -> None:
    """The operand of the long form is never accessed."""


@insn("PAUSE", Form("F3 90", no_rex_b=True))
def pause(s: State) -> None:
    """A hint."""
