"""AVX-VNNI: sums of products of bytes or words, added to 32 bits (SDM volume 2, VPDPBUSD)."""

from __future__ import annotations

from blink.isa.bits import Bits, vmap
from blink.isa.families._vex import two_lengths
from blink.isa.families.sse_int import clamp_signed
from blink.isa.state import State


def dot_product(name: str, opcode: int, w: int, saturate: bool) -> None:
    """Define VPDP*: unsigned by signed bytes, or signed words."""

    def lane(total: Bits, a: Bits, b: Bits) -> Bits:
        wide = total.sext(64)
        for x, y in zip(a.lanes(w), b.lanes(w), strict=True):
            left = x.zext(64) if w == 8 else x.sext(64)
            wide = wide + left * y.sext(64)
        return clamp_signed(wide, 32) if saturate else wide.zext(32)

    def body(s: State, dst: Bits, a: Bits, b: Bits) -> Bits:
        return vmap(32, lane, dst, a, b)

    two_lengths(name, f"66.0F38.W0 {opcode:02X} /r", "xmm:rw vx xm128u", body, "AVX-VNNI")


dot_product("VPDPBUSD", 0x50, 8, False)
dot_product("VPDPBUSDS", 0x51, 8, True)
dot_product("VPDPWSSD", 0x52, 16, False)
dot_product("VPDPWSSDS", 0x53, 16, True)
