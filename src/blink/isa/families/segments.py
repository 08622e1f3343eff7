"""Segment registers, descriptors, and the registers of tables (SDM volume 3, chapters 2, 3, 5).

engine/segment.c holds what they share; isa/segments.py is its Python twin.
"""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn
from blink.isa.state import CS, DS, ES, FS, GS, SS, State

LEGACY = (16, 32)


@insn("MOV", Form("8C /r", "m16:w sreg"), Form("8C /r", "Rv:w sreg"))
def mov_from_segment(s: State, dst: Bits, selector: Bits) -> Bits:
    """Memory gets 16 bits whatever the operand size; a register is zero-extended."""
    return selector.zext(dst.w)


@insn("MOV", Form("8E /r", "sno rm16"))
def mov_to_segment(s: State, number: Bits, selector: Bits) -> None:
    s.call("load_segment", number.zext(32), selector)


def _stack(number: int, push: str, pop: str, legacy: bool) -> None:
    """Define PUSH and POP of a segment register."""
    modes = LEGACY if legacy else (16, 32, 64)

    def do_push(s: State) -> None:
        s.push(s.segment(number).zext(s.size))

    def do_pop(s: State) -> None:
        s.call("load_segment", number, s.pop(s.size).zext(16))

    insn("PUSH", Form(push, d64=True, modes=modes), sized=True)(do_push)
    if pop:
        insn("POP", Form(pop, d64=True, modes=modes), sized=True)(do_pop)


_stack(ES, "06", "07", True)
_stack(CS, "0E", "", True)
_stack(SS, "16", "17", True)
_stack(DS, "1E", "1F", True)
_stack(FS, "0F A0", "0F A1", False)
_stack(GS, "0F A8", "0F A9", False)


def _load_far(name: str, number: int, encoding: str, modes: tuple[int, ...] = (16, 32, 64)) -> None:
    """Define LDS or a kin of it: a far pointer into a segment register and a general one."""

    def body(s: State, dst: Bits, address: Bits) -> Bits:
        offset = s.load(address, s.size)
        s.call("load_segment", number, s.load(s.beside(address, s.size // 8), 16))
        return offset

    insn(name, Form(encoding, "rv:w mp", modes=modes))(body)


_load_far("LES", ES, "C4 /r", LEGACY)
_load_far("LDS", DS, "C5 /r", LEGACY)
_load_far("LSS", SS, "0F B2 /r")
_load_far("LFS", FS, "0F B4 /r")
_load_far("LGS", GS, "0F B5 /r")


def _low(s: State, dst: Bits, value: Bits) -> Bits:
    """A register's 64 bits with `value`, of the operand's size, written to it."""
    if s.size == 16:
        return (dst & 0xFFFFFFFFFFFF0000) | value.zext(16).zext(64)
    return value.zext(s.size).zext(64)


def _answer(s: State, dst: Bits, found: Bits, mask: int) -> Bits:
    """What LAR and LSL write: nothing, and ZF = 0, when there is no answer."""
    valid = found != (1 << 64) - 1
    s.set_flag("ZF", valid)
    return ite(valid, _low(s, dst, found & mask), dst)


@insn("LAR", Form("0F 02 /r", "r64:rw rm16"), sized=True, before="require_protected")
def lar(s: State, dst: Bits, selector: Bits) -> Bits:
    """The limit's bits 16 to 19, which the SDM calls undefined, are as in the descriptor."""
    return _answer(s, dst, s.call("access_rights", selector, w=64), 0xFFFF00)


@insn("LSL", Form("0F 03 /r", "r64:rw rm16"), sized=True, before="require_protected")
def lsl(s: State, dst: Bits, selector: Bits) -> Bits:
    return _answer(s, dst, s.call("segment_limit", selector, w=64), 0xFFFFFFFF)


def _verify(name: str, digit: int, write: int) -> None:
    def body(s: State, selector: Bits) -> None:
        s.set_flag("ZF", s.call("verify_segment", selector, write, w=8).zext(1))

    insn(name, Form(f"0F 00 /{digit}", "rm16"), before="require_protected")(body)


_verify("VERR", 4, 0)
_verify("VERW", 5, 1)


def _store(name: str, encoding: str, field: str, before: str) -> None:
    """Define SLDT, STR or SMSW.

    In user mode as Linux shows it where the CPU has UMIP (arch/x86/kernel/umip.c): made-up values,
    and 32 bits keep the upper half of a register.
    """

    def to_memory(s: State, dst: Bits) -> Bits:
        return s.special(field, 64 if field == "cr0" else 16).zext(16)

    def to_register(s: State, dst: Bits) -> Bits:
        value = s.special(field, 64 if field == "cr0" else 16).zext(64)
        kept = (dst & 0xFFFFFFFF00000000) | (value & 0xFFFFFFFF)
        keeps = s.special("user", 8) != 0 if s.size == 32 else Bits.const(0, 1)
        return ite(keeps, kept, _low(s, dst, value))

    insn(name, Form(encoding, "m16:w"), before=before)(to_memory)
    insn(name, Form(encoding, "R64:rw"), sized=True, before=before)(to_register)


_store("SLDT", "0F 00 /0", "ldt.selector", "require_protected")
_store("STR", "0F 00 /1", "tr.selector", "require_protected")
_store("SMSW", "0F 01 /4", "cr0", "")


def _table(store: str, load: str, digit: int, field: str, interrupts: int) -> None:
    """Define SGDT and LGDT, or SIDT and LIDT: a limit of 16 bits, then the base."""

    def do_store(s: State, address: Bits) -> None:
        wide = s.mode == 64
        s.call("check_store", address, 10 if wide else 6)
        s.store(address, s.special(f"{field}.limit", 32).zext(16))
        s.store(s.beside(address, 2), s.special(f"{field}.base", 64).zext(64 if wide else 32))

    def do_load(s: State, address: Bits) -> None:
        limit = s.load(address, 16)
        base = s.load(s.beside(address, 2), 64 if s.mode == 64 else 32).zext(64)
        short = s.mode != 64 and s.size == 16
        s.call("table_load", interrupts, limit, base & 0xFFFFFF if short else base)

    insn(store, Form(f"0F 01 /{digit}", "m48:w"))(do_store)
    insn(load, Form(f"0F 01 /{digit + 2}", "m48"), sized=True, before="require_cpl0")(do_load)


_table("SGDT", "LGDT", 0, "gdt", 0)
_table("SIDT", "LIDT", 1, "idt", 1)


@insn("LLDT", Form("0F 00 /2", "rm16"), before="require_table")
def lldt(s: State, selector: Bits) -> None:
    s.call("system_segment_load", 0, selector)


@insn("LTR", Form("0F 00 /3", "rm16"), before="require_table")
def ltr(s: State, selector: Bits) -> None:
    s.call("system_segment_load", 1, selector)
