"""RDRAND, RDSEED (SDM volume 1, 7.3.17): numbers from the CPU's source of entropy."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import POSITION, STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import State


def random_number(name: str, digit: int) -> None:
    """Define an instruction that always has a number ready: CF = 1, the other flags 0."""

    def body(s: State, dst: Bits) -> Bits:
        number = s.call("random_bits", w=64)
        s.set_status(Bits.const(1 << POSITION["CF"], 32), STATUS_MASK)
        return number.zext(dst.w)

    forms = (Form(f"{pp} 0F C7 /{digit}", "Rv:w") for pp in ("NP", "66"))
    insn(name, *forms, feature=name)(body)


random_number("RDRAND", 6)
random_number("RDSEED", 7)
