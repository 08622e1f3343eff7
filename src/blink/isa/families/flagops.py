"""Instructions on the flags register, and XLAT (SDM volume 1, 7.3.13)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import ADDRESS_MODES, Form, insn
from blink.isa.state import RAX, RBX, State

LAHF_MASK = 0xD5


def eflags(s: State) -> Bits:
    """All of EFLAGS as 32 bits."""
    return (s.special("eflags", 32) & ~STATUS_MASK & 0xFFFFFFFF) | s.flags.word()


@insn("PUSHF", Form("9C", d64=True), sized=True)
def pushf(s: State) -> None:
    """RF and VM are pushed as 0."""
    if s.mode != 64:
        s.call("require_vm_io")
    s.push((eflags(s) & 0xFCFFFF).zext(s.size))


@insn("POPF", Form("9D", d64=True), sized=True)
def popf(s: State) -> None:
    """What it may change depends on the privilege."""
    if s.mode != 64:
        s.call("require_vm_io")
    value = s.pop(s.size).zext(32)
    mask = s.call("flags_writable", w=32) & (0xFFFF if s.size == 16 else 0xFFFFFFFF)
    s.set_special("eflags", (s.special("eflags", 32) & ~mask) | (value & mask))
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


def _xlat(a: int) -> None:
    """Define XLAT with addresses of `a` bits."""

    def body(s: State) -> None:
        address = s.gpr(RBX, a) + s.gpr(RAX, 8).zext(a)
        s.set_gpr(RAX, s.load(s.string_source(address, 1), 8))

    insn("XLAT", Form("D7", asize=a, modes=ADDRESS_MODES[a]))(body)


for size in ADDRESS_MODES:
    _xlat(size)
