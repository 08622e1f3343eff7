"""SSSE3: shuffles, horizontal and sign operations on MMX and XMM registers (SDM volume 1, 12.6)."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite, vmap
from blink.isa.families._simd import mmx_form
from blink.isa.families.sse_int import add_signed, clamp_signed, sub_signed
from blink.isa.spec import Form, insn
from blink.isa.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., Bits]
    Pair = Callable[[Bits, Bits], Bits]

FEATURE = "SSSE3"


def packed(name: str, opcode: str, body: Body, access: str = "rw", more: str = "") -> None:
    """Define the XMM and the MMX form; `opcode` is what follows 0F."""
    insn(name, Form(f"66 0F {opcode}", f"xmm:{access} xm128{more}"), feature=FEATURE)(body)
    mmx_form(name, Form(f"NP 0F {opcode}", f"mm:{access} mm64{more}"), body, FEATURE)


def pshufb(s: State, dst: Bits, src: Bits) -> Bits:
    last = dst.w // 8 - 1

    def chosen(index: Bits) -> Bits:
        return ite(index.sign, 0, dst.lane(8, index & last))

    return vmap(8, chosen, src)


packed("PSHUFB", "38 00 /r", pshufb)


def horizontal(name: str, opcode: int, w: int, operation: Pair) -> None:
    """Define PHADD* or PHSUB*: neighbours within the destination, then within the source."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        lanes = dst.lanes(w) + src.lanes(w)
        return from_lanes([operation(a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)])

    packed(name, f"38 {opcode:02X} /r", body)


horizontal("PHADDW", 0x01, 16, lambda a, b: a + b)
horizontal("PHADDD", 0x02, 32, lambda a, b: a + b)
horizontal("PHADDSW", 0x03, 16, add_signed)
horizontal("PHSUBW", 0x05, 16, lambda a, b: a - b)
horizontal("PHSUBD", 0x06, 32, lambda a, b: a - b)
horizontal("PHSUBSW", 0x07, 16, sub_signed)


def lanewise(name: str, opcode: int, w: int, operation: Pair) -> None:
    """Define an instruction that combines the `w`-bit lanes of its operands pairwise."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return vmap(w, operation, dst, src)

    packed(name, f"38 {opcode:02X} /r", body)


def unsigned_by_signed(a: Bits, b: Bits) -> Bits:
    """The saturated sum of two products: unsigned bytes of `a`, signed ones of `b`."""
    low = a.zext(8).zext(32) * b.zext(8).sext(32)
    return clamp_signed(low + (a >> 8).zext(32) * b.sar(8).sext(32), 16)


def with_sign(a: Bits, b: Bits) -> Bits:
    return ite(b.sign, -a, ite(b == 0, Bits.const(0, a.w), a))


def rounded_high(a: Bits, b: Bits) -> Bits:
    """The product's bits 30..15, rounded."""
    return (((a.sext(32) * b.sext(32)).sar(14) + 1) >> 1).zext(16)


lanewise("PMADDUBSW", 0x04, 16, unsigned_by_signed)
lanewise("PMULHRSW", 0x0B, 16, rounded_high)
for suffix, w, opcode in (("B", 8, 0), ("W", 16, 1), ("D", 32, 2)):
    lanewise(f"PSIGN{suffix}", 0x08 + opcode, w, with_sign)


def absolute(name: str, opcode: int, w: int) -> None:
    """Define PABS*."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return vmap(w, lambda v: ite(v.sign, -v, v), src)

    packed(name, f"38 {opcode:02X} /r", body, "w")


absolute("PABSB", 0x1C, 8)
absolute("PABSW", 0x1D, 16)
absolute("PABSD", 0x1E, 32)


def palignr(s: State, dst: Bits, src: Bits, count: Bits) -> Bits:
    """The bytes `count`.. of the destination above the source; zeros behind them."""
    size = dst.w // 8
    n = ite(count.ult(2 * size), count, Bits.const(2 * size, 8))
    low = src >> (ite(n.ult(size), n, Bits.const(size, 8)) << 3)
    high = ite(n.ult(size), dst << (dst.w - (n << 3)), dst >> ((n - size) << 3))
    return low | high


packed("PALIGNR", "3A 0F /r ib", palignr, more=" imm8")
