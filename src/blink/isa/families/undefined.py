"""Instructions that are undefined on purpose, or to a 64-bit user program (SDM and APM)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import UD, State


def undefined(name: str, *forms: Form) -> None:
    """Define an instruction that raises #UD before it touches its operands."""

    def body(s: State, *operands: Bits) -> None:
        s.fault(UD)

    insn(name, *forms)(body)


undefined("UD0", Form("0F FF /r", "mem"), Form("0F FF /r", "Rv"))
undefined("UD1", Form("0F B9 /r", "mem"), Form("0F B9 /r", "Rv"))
undefined("UD2", Form("0F 0B"))
# AMD has no SYSENTER in 64-bit mode; Intel has it, but SEP is not advertised here.
undefined("SYSENTER", Form("0F 34", modes=(64,)))
