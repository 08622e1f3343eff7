"""SSE3 on XMM registers (SDM volume 1, 12.3); FISTTP is with the x87 instructions."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite, vmap
from blink.isa.spec import Form, insn
from blink.isa.state import State

# suffix, prefix, lane width
TYPES = (("PS", "F2", 32), ("PD", "66", 64))


def negated(value: Bits, sign: Bits) -> Bits:
    """`value` with its sign changed where `sign` is set; a NaN stays as it is."""
    infinity = 0x7F80_0000 if value.w == 32 else 0x7FF << 52
    is_nan = (value & ((1 << (value.w - 1)) - 1)).ugt(infinity)
    return ite(is_nan, value, value ^ sign)


def add_sub(name: str, prefix: str, w: int) -> None:
    """Define ADDSUBPS or ADDSUBPD: even lanes are subtracted, odd ones added.

    a - b is a + -b in every rounding mode, so that one packed addition raises the exceptions of all
    lanes at once; only a NaN must keep its sign.
    """
    signs = from_lanes([Bits.const(1 << (w - 1), w), Bits.const(0, w)] * (64 // w))

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return s.fp(f"v_f{w}_add", 128, dst, vmap(w, negated, src, signs))

    insn(name, Form(f"{prefix} 0F D0 /r", "xmm:rw xm128"), feature="SSE3")(body)


def horizontal(name: str, prefix: str, opcode: int, operation: str, w: int) -> None:
    """Define HADD* or HSUB*: neighbours within the destination, then within the source."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        lanes = dst.lanes(w) + src.lanes(w)
        return s.fp(f"v_f{w}_{operation}", 128, from_lanes(lanes[::2]), from_lanes(lanes[1::2]))

    insn(name, Form(f"{prefix} 0F {opcode:02X} /r", "xmm:rw xm128"), feature="SSE3")(body)


for suffix, prefix, w in TYPES:
    add_sub(f"ADDSUB{suffix}", prefix, w)
    horizontal(f"HADD{suffix}", prefix, 0x7C, "add", w)
    horizontal(f"HSUB{suffix}", prefix, 0x7D, "sub", w)


@insn("LDDQU", Form("F2 0F F0 /r", "xmm:w m128"), feature="SSE3")
def lddqu(s: State, dst: Bits, src: Bits) -> Bits:
    return src


@insn("MOVDDUP", Form("F2 0F 12 /r", "xmm:w xm64"), feature="SSE3")
def movddup(s: State, dst: Bits, src: Bits) -> Bits:
    return from_lanes([src, src])


@insn("MOVSLDUP", Form("F3 0F 12 /r", "xmm:w xm128"), feature="SSE3")
def movsldup(s: State, dst: Bits, src: Bits) -> Bits:
    a, _, b, _ = src.lanes(32)
    return from_lanes([a, a, b, b])


@insn("MOVSHDUP", Form("F3 0F 16 /r", "xmm:w xm128"), feature="SSE3")
def movshdup(s: State, dst: Bits, src: Bits) -> Bits:
    _, a, _, b = src.lanes(32)
    return from_lanes([a, a, b, b])
