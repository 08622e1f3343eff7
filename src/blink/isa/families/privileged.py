"""Instructions that a user program may not run: #GP(0) at CPL 3 (SDM volume 3, 5.9).

Port I/O and CLI/STI too, as Linux leaves IOPL at 0 and grants no ports.
"""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import GP, State


def privileged(
    name: str, *encodings: str, operand: str = "", modes: tuple[int, ...] = (64,)
) -> None:
    """Define instructions that fault before they touch their operands."""

    def body(s: State, *operands: Bits) -> None:
        s.fault(GP)

    insn(name, *(Form(e, operand, modes=modes) for e in encodings))(body)


privileged("CLI", "FA")
privileged("STI", "FB")
privileged("HLT", "F4")
privileged("IN", "E4 ib", "E5 ib", operand="imm8")
privileged("IN", "EC", "ED")
privileged("OUT", "E6 ib", "E7 ib", operand="imm8")
privileged("OUT", "EE", "EF")
privileged("INS", "6C", "6D")
privileged("OUTS", "6E", "6F")
privileged("INVD", "0F 08")
privileged("WBINVD", "0F 09")
privileged("CLTS", "0F 06")
privileged("WRMSR", "0F 30")
privileged("RDMSR", "0F 32")
privileged("RDPMC", "0F 33")  # CR4.PCE is clear
privileged("SWAPGS", "0F 01 F8")
privileged("SYSRET", "0F 07")
privileged("SYSEXIT", "0F 35")
privileged("LGDT", "0F 01 /2", operand="mem")
privileged("LIDT", "0F 01 /3", operand="mem")
privileged("LMSW", "0F 01 /6", operand="mem")
privileged("LMSW", "0F 01 /6", operand="Rv")
privileged("INVLPG", "0F 01 /7", operand="mem")
