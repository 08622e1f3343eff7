"""Direct stores (SDM volume 2): memory is coherent here, so they are stores like others."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import ADDRESS_MODES, Form, insn
from blink.isa.state import GP, State

LINE = 64  # bytes


@insn("MOVDIRI", Form("NP 0F 38 F9 /r", "my:w ry"), feature="MOVDIRI")
def movdiri(s: State, dst: Bits, src: Bits) -> Bits:
    return src


def movdir64b(a: int) -> None:
    """Define MOVDIR64B with addresses of `a` bits: to ES, where the register operand says."""

    def body(s: State, register: Bits, source: Bits) -> None:
        target = s.string_target(register, LINE, True)
        parts = [s.load(s.beside(source, at), 128) for at in range(0, LINE, 16)]
        s.fault_if((target & LINE - 1) != 0, GP)  # behind the loads: Sapphire Rapids
        for n, part in enumerate(parts):
            s.store(target + 16 * n, part)

    form = Form("66 0F 38 F8 /r", f"r{a} a512", asize=a, modes=ADDRESS_MODES[a])
    insn("MOVDIR64B", form, feature="MOVDIR64B")(body)


for _size in ADDRESS_MODES:
    movdir64b(_size)
