"""Instructions that need privilege: #GP(0) for programs under Linux (SDM volume 3, 5.9).

Port I/O and CLI/STI too, as Linux leaves IOPL at 0 and grants no ports.
"""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import State

WIDE, LEGACY, ALL = (64,), (16, 32), (16, 32, 64)


def privileged(
    name: str, *encodings: str, operand: str = "", modes: tuple[int, ...] = ALL, body: str = ""
) -> None:
    """Define instructions that do nothing but what the C function `body` does, at CPL 0."""

    def run(s: State, *operands: Bits) -> None:
        if body != "":
            s.call(body)

    forms = (Form(e, operand, modes=modes) for e in encodings)
    insn(name, *forms, before="require_cpl0")(run)


def port(name: str, *encodings: str, operand: str = "") -> None:
    """Define port instructions: run() returns before them, for the devices to act."""

    def body(s: State, *operands: Bits) -> None:
        s.call("port_access")

    insn(name, *(Form(e, operand) for e in encodings))(body)


port("IN", "E4 ib", "E5 ib", operand="imm8")
port("IN", "EC", "ED")
port("OUT", "E6 ib", "E7 ib", operand="imm8")
port("OUT", "EE", "EF")
port("INS", "6C", "6D")
port("OUTS", "6E", "6F")
privileged("INVD", "0F 08")
privileged("WBINVD", "0F 09")
privileged("INVLPG", "0F 01 /7", operand="mem")
privileged("CLTS", "0F 06", body="task_switched_clear")
for name, encoding, modes in (
    ("WRMSR", "0F 30", ALL),
    ("RDMSR", "0F 32", ALL),
    ("RDPMC", "0F 33", ALL),
    ("SYSEXIT", "0F 35", ALL),
    ("SWAPGS", "0F 01 F8", WIDE),
    ("SYSRET", "0F 07", WIDE),
):
    privileged(name, encoding, modes=modes, body="cpu_unimplemented")


@insn("CLI", Form("FA"))
def cli(s: State) -> None:
    s.call("interrupt_flag", 0)


@insn("STI", Form("FB"))
def sti(s: State) -> None:
    s.call("interrupt_flag", 1)


@insn("HLT", Form("F4"), before="require_cpl0")
def hlt(s: State) -> None:
    s.stop("HALT")


@insn("LMSW", Form("0F 01 /6", "rm16"), before="require_cpl0")
def lmsw(s: State, value: Bits) -> None:
    s.call("machine_status_load", value)
    s.call("go_on")
    s.far()


# ModRM.mod and the operand size count for nothing in these: whole registers.


@insn(
    "MOV",
    Form("0F 20 /r", "R64:w number", size=64, modes=WIDE),
    Form("0F 20 /r", "R32:w number", modes=LEGACY),
)
def from_control(s: State, dst: Bits, n: Bits) -> Bits:
    return s.call("control_read", n, w=64).zext(dst.w)


@insn(
    "MOV",
    Form("0F 22 /r", "number R64", size=64, modes=WIDE),
    Form("0F 22 /r", "number R32", modes=LEGACY),
)
def to_control(s: State, n: Bits, value: Bits) -> None:
    """The mode may change."""
    s.call("control_write", n, value.zext(64))
    s.call("go_on")
    s.far()


@insn(
    "MOV",
    Form("0F 21 /r", "R64:w number", size=64, modes=WIDE),
    Form("0F 21 /r", "R32:w number", modes=LEGACY),
)
def from_debug(s: State, dst: Bits, n: Bits) -> Bits:
    return s.call("debug_read", n, w=64).zext(dst.w)


@insn(
    "MOV",
    Form("0F 23 /r", "number R64", size=64, modes=WIDE),
    Form("0F 23 /r", "number R32", modes=LEGACY),
)
def to_debug(s: State, n: Bits, value: Bits) -> None:
    s.call("debug_write", n, value.zext(64))
