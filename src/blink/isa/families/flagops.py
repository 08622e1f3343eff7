"""Instructions on the flags register, and XLAT (SDM volume 1, 7.3.13)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import RAX, RBX, State

# What POPF may change at CPL 3: the status flags, TF, DF, NT, AC, ID.
WRITABLE = STATUS_MASK | 1 << 8 | 1 << 10 | 1 << 14 | 1 << 18 | 1 << 21
LAHF_MASK = 0xD5


def eflags(s: State) -> Bits:
    """All of EFLAGS as 32 bits."""
    return (s.special("eflags", 32) & ~STATUS_MASK & 0xFFFFFFFF) | s.flags.word()


@insn("PUSHF", Form("9C", d64=True), sized=True)
def pushf(s: State) -> None:
    """RF and VM are pushed as 0."""
    s.push((eflags(s) & 0xFCFFFF).zext(s.size))


@insn("POPF", Form("9D", d64=True), sized=True)
def popf(s: State) -> None:
    value = s.pop(s.size).zext(32)
    mask = WRITABLE & (0xFFFF if s.size == 16 else 0xFFFFFFFF)
    old = s.special("eflags", 32)
    s.set_special("eflags", (old & ~mask & 0xFFFFFFFF) | (value & mask))
    s.set_status(value, STATUS_MASK)


@insn("LAHF", Form("9F"), feature="LAHF_LM")
def lahf(s: State) -> None:
    flags = (s.flags.word() & LAHF_MASK) | 2
    s.set_gpr(RAX, (s.gpr(RAX, 16) & 0xFF) | (flags.zext(16) << 8))


@insn("SAHF", Form("9E"), feature="LAHF_LM")
def sahf(s: State) -> None:
    s.set_status((s.gpr(RAX, 16) >> 8).zext(32), LAHF_MASK)


@insn("CLC", Form("F8"))
def clc(s: State) -> None:
    s.set_flag("CF", 0)


@insn("STC", Form("F9"))
def stc(s: State) -> None:
    s.set_flag("CF", 1)


@insn("CMC", Form("F5"))
def cmc(s: State) -> None:
    s.set_flag("CF", ~s.flag("CF"))


@insn("CLD", Form("FC"))
def cld(s: State) -> None:
    s.set_flag("DF", 0)


@insn("STD", Form("FD"))
def std(s: State) -> None:
    s.set_flag("DF", 1)


def _xlat(s: State, w: int) -> None:
    address = (s.gpr(RBX, w) + s.gpr(RAX, 8).zext(w)).zext(64)
    s.set_gpr(RAX, s.load(s.string_base + address, 8))


@insn("XLAT", Form("D7", asize=64))
def xlat(s: State) -> None:
    """The segment base comes as for string instructions."""
    _xlat(s, 64)


@insn("XLAT", Form("D7", asize=32))
def xlat32(s: State) -> None:
    """With a 32-bit address."""
    _xlat(s, 32)
