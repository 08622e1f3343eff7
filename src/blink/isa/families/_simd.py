"""How the SSE families define an instruction for XMM and, with the same body, for MMX registers."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Vector = Callable[[State, Bits, Bits], Bits]


WAIT = "x87_wait"  # an MMX instruction first reports pending x87 exceptions


def enter_mmx(s: State) -> None:
    """What an MMX instruction does to the x87 when it retires: all registers valid, TOP = 0."""
    s.set_special("x87.top", Bits.const(0, 8))
    s.set_special("x87.tags", Bits.const(0xFF, 8))


def convert_mmx(s: State) -> None:
    """What a conversion between MMX and XMM does to the x87: at once, even if it then faults."""
    s.call("x87_mmx_enter")


def packed(name: str, opcode: int, body: Vector, mmx: str = "MMX", feature: str = "SSE2") -> None:
    """Define `name xmm, xmm/m128` (66 prefix) and, unless `mmx` is empty, `name mm, mm/m64`.

    `body(s, dst, src)` works on vectors of either width; `mmx` is the MMX form's CPUID feature.
    """
    insn(name, Form(f"66 0F {opcode:02X} /r", "xmm:rw xm128"), feature=feature)(body)
    if mmx:
        mmx_form(name, Form(f"NP 0F {opcode:02X} /r", "mm:rw mm64"), body, mmx)


def mmx_form(name: str, form: Form, body: Callable[..., Bits | None], feature: str = "MMX") -> None:
    """Define one form on MMX registers."""

    def on_mmx(s: State, *operands: Bits) -> Bits | None:
        enter_mmx(s)
        return body(s, *operands)

    insn(name, form, feature=feature, before=WAIT)(on_mmx)
