"""Far jumps, calls and returns, IRET (SDM volume 2): the work is done by engine/far.c."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import State

LEGACY = (16, 32)


def _pointer(s: State, address: Bits) -> tuple[Bits, Bits]:
    """A far pointer in memory: selector and offset."""
    offset = s.load(address, s.size)
    return s.load(s.beside(address, s.size // 8), 16), offset.zext(64)


@insn("JMP", Form("EA iz iw", "immz sel", modes=LEGACY))
def jump_direct(s: State, offset: Bits, selector: Bits) -> None:
    s.call("far_jump", selector, offset.zext(64))
    s.far()


@insn("JMP", Form("FF /5", "mp"))
def jump_indirect(s: State, address: Bits) -> None:
    s.call("far_jump", *_pointer(s, address))
    s.far()


@insn("CALL", Form("9A iz iw", "immz sel", modes=LEGACY))
def call_direct(s: State, offset: Bits, selector: Bits) -> None:
    s.call("far_call", selector, offset.zext(64), s.size // 8)
    s.far()


@insn("CALL", Form("FF /3", "mp"))
def call_indirect(s: State, address: Bits) -> None:
    s.call("far_call", *_pointer(s, address), s.size // 8)
    s.far()


@insn("RET", Form("CB"), sized=True)
def ret(s: State) -> None:
    s.call("far_return", s.size // 8, 0)
    s.far()


@insn("RET", Form("CA iw", "imm16"), sized=True)
def ret_imm(s: State, count: Bits) -> None:
    s.call("far_return", s.size // 8, count)
    s.far()


@insn("IRET", Form("CF"), sized=True)
def iret(s: State) -> None:
    s.call("interrupt_return", s.size // 8)
    s.far()
