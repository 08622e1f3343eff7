"""FSGSBASE: the bases of FS and GS, read and written by user programs (SDM volume 2)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import GP, State


def not_canonical(address: Bits) -> Bits:
    """Whether bits 47 to 63 differ."""
    return (address.sar(47) + 1).ugt(1)


def base_of(register: str, digit: int) -> None:
    """Define RD*BASE and WR*BASE of FS or GS; a 32-bit operand is zero-extended."""

    def read(s: State, dst: Bits) -> Bits:
        return s.special(f"{register}_base", 64).zext(dst.w)

    def write(s: State, src: Bits) -> None:
        base = src.zext(64)
        s.fault_if(not_canonical(base), GP)
        s.set_special(f"{register}_base", base)

    for verb, body, form in (
        ("RD", read, Form(f"F3 0F AE /{digit}", "Ry:w", modes=(64,))),
        ("WR", write, Form(f"F3 0F AE /{digit + 2}", "Ry", modes=(64,))),
    ):
        insn(f"{verb}{register.upper()}BASE", form, feature="FSGSBASE")(body)


base_of("fs", 0)
base_of("gs", 1)
