"""PCLMULQDQ: the product of two polynomials over GF(2) (SDM volume 2)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn
from blink.isa.state import State

FEATURE = "PCLMULQDQ"


def carryless(s: State, a: Bits, b: Bits, choice: Bits) -> Bits:
    """Bits 0 and 4 of the immediate choose the halves of `a` and `b`."""
    x = ite(choice.bit(0), a.lane(64, 1), a.lane(64, 0))
    y = ite(choice.bit(4), b.lane(64, 1), b.lane(64, 0))
    return s.call("carryless_product", x, y, w=128)


@insn("PCLMULQDQ", Form("66 0F 3A 44 /r ib", "xmm:rw xm128 imm8"), feature=FEATURE)
def pclmulqdq(s: State, dst: Bits, src: Bits, choice: Bits) -> Bits:
    return carryless(s, dst, src, choice)
