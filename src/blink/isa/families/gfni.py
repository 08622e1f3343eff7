"""GFNI: multiplication, affine transformation and inversion in GF(2^8) (SDM volume 2)."""

from __future__ import annotations

from blink.isa.bits import Bits, vmap
from blink.isa.families import _galois as gf
from blink.isa.spec import Form, insn
from blink.isa.state import State

FEATURE = "GFNI"
EACH = 0x0101010101010101


def _odd(bytes8: Bits) -> Bits:
    """The parity of each byte, in its bit 0."""
    for n in (4, 2, 1):
        bytes8 = bytes8 ^ (bytes8 >> n)
    return bytes8 & EACH


def affine(data: Bits, matrices: Bits, constant: Bits) -> Bits:
    """A x + b for each byte x; a matrix serves the eight bytes of its own 64 bits."""

    def transform(x: Bits, matrix: Bits) -> Bits:
        result = constant.zext(64) * EACH
        for i in range(8):  # row i is byte 7 - i
            row = ((matrix >> (8 * (7 - i))) & 0xFF) * EACH
            result = result ^ (_odd(x & row) << i)
        return result

    return vmap(64, transform, data, matrices)


@insn("GF2P8MULB", Form("66 0F 38 CF /r", "xmm:rw xm128"), feature=FEATURE)
def gf2p8mulb(s: State, dst: Bits, src: Bits) -> Bits:
    return vmap(8, gf.multiply, dst, src)


@insn("GF2P8AFFINEQB", Form("66 0F 3A CE /r ib", "xmm:rw xm128 imm8"), feature=FEATURE)
def gf2p8affineqb(s: State, dst: Bits, matrices: Bits, constant: Bits) -> Bits:
    return affine(dst, matrices, constant)


@insn("GF2P8AFFINEINVQB", Form("66 0F 3A CF /r ib", "xmm:rw xm128 imm8"), feature=FEATURE)
def gf2p8affineinvqb(s: State, dst: Bits, matrices: Bits, constant: Bits) -> Bits:
    return affine(gf.inverses(s, dst), matrices, constant)
