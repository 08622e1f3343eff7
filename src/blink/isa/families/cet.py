"""Control-flow enforcement, which is off (CR4.CET = 0): hints are NOPs, the rest is #UD.

SDM volume 1, chapter 17.  libgcc asks for a shadow stack by an RDSSP that may do nothing.
"""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import UD, State


@insn("ENDBR64", Form("F3 0F 1E FA"))
@insn("ENDBR32", Form("F3 0F 1E FB"))
def endbr(s: State) -> None:
    """Marks where an indirect branch may lead."""


@insn("RDSSP", Form("F3 0F 1E /1", "Ry"))
def rdssp(s: State, operand: Bits) -> None:
    """Leaves its operand alone."""


def undefined(name: str, encoding: str, operand: str = "") -> None:
    """Define an instruction on the shadow stack."""

    def body(s: State, *operands: Bits) -> None:
        s.fault(UD)

    insn(name, Form(encoding, operand))(body)


undefined("INCSSP", "F3 0F AE /5", "Ry")
undefined("CLRSSBSY", "F3 0F AE /6", "mem")
undefined("RSTORSSP", "F3 0F 01 /5", "mem")
undefined("SETSSBSY", "F3 0F 01 E8")
undefined("SAVEPREVSSP", "F3 0F 01 EA")
undefined("WRSS", "NP 0F 38 F6 /r", "mem")
undefined("WRUSS", "66 0F 38 F5 /r", "mem")
