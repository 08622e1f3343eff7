"""SSE and SSE2 moves (SDM volume 1, 10.4.1 and 11.4.1); non-temporal hints are plain stores."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes
from blink.isa.families._simd import WAIT, enter_mmx, mmx_form
from blink.isa.spec import Form, insn
from blink.isa.state import State


def move(s: State, dst: Bits, src: Bits) -> Bits:
    return src


def both(name: str, prefix: str, load: int, store: int, memory: str, feature: str) -> None:
    """Define `name xmm, xmm/m128` and the store form."""
    load_form = Form(f"{prefix} 0F {load:02X} /r", f"xmm:w {memory}")
    insn(name, load_form, Form(f"{prefix} 0F {store:02X} /r", f"{memory}:w xmm"), feature=feature)(
        move
    )


both("MOVAPS", "NP", 0x28, 0x29, "xm128", "SSE")
both("MOVUPS", "NP", 0x10, 0x11, "xm128u", "SSE")
both("MOVAPD", "66", 0x28, 0x29, "xm128", "SSE2")
both("MOVUPD", "66", 0x10, 0x11, "xm128u", "SSE2")
both("MOVDQA", "66", 0x6F, 0x7F, "xm128", "SSE2")
both("MOVDQU", "F3", 0x6F, 0x7F, "xm128u", "SSE2")
insn("MOVNTPS", Form("NP 0F 2B /r", "m128a:w xmm"), feature="SSE")(move)
insn("MOVNTPD", Form("66 0F 2B /r", "m128a:w xmm"), feature="SSE2")(move)
insn("MOVNTDQ", Form("66 0F E7 /r", "m128a:w xmm"), feature="SSE2")(move)
insn("MOVNTI", Form("NP 0F C3 /r", "my:w ry"), feature="SSE2")(move)
mmx_form("MOVNTQ", Form("NP 0F E7 /r", "m64:w mm"), move, "SSE")
mmx_form("MOVQ", Form("NP 0F 6F /r", "mm:w mm64"), move)
mmx_form("MOVQ", Form("NP 0F 7F /r", "mm64:w mm"), move)


def widen(s: State, dst: Bits, src: Bits) -> Bits:
    """Zero-extended into the register."""
    return src.zext(dst.w)


def narrow(s: State, dst: Bits, src: Bits) -> Bits:
    return src.lane(dst.w, 0)


insn("MOVSS", Form("F3 0F 10 /r", "xmm:w m32"), feature="SSE")(widen)
insn("MOVSS", Form("F3 0F 11 /r", "m32:w xmm"), feature="SSE")(narrow)
insn("MOVSD", Form("F2 0F 10 /r", "xmm:w m64"), feature="SSE2")(widen)
insn("MOVSD", Form("F2 0F 11 /r", "m64:w xmm"), feature="SSE2")(narrow)
insn("MOVQ", Form("F3 0F 7E /r", "xmm:w xm64"), Form("66 0F 6E /r", "xmm:w rmy"), feature="SSE2")(
    widen
)
insn("MOVD", Form("66 0F 7E /r", "rmy:w xmm"), Form("66 0F D6 /r", "m64:w xmm"), feature="SSE2")(
    narrow
)
mmx_form("MOVD", Form("NP 0F 6E /r", "mm:w rmy"), widen)
mmx_form("MOVD", Form("NP 0F 7E /r", "rmy:w mm"), narrow)


@insn("MOVQ", Form("66 0F D6 /r", "X:w xmm"), feature="SSE2")
def movq_register(s: State, dst: Bits, src: Bits) -> Bits:
    return src.lane(64, 0).zext(128)


@insn("MOVSS", Form("F3 0F 10 /r", "xmm:rw X"), Form("F3 0F 11 /r", "X:rw xmm"), feature="SSE")
def movss_register(s: State, dst: Bits, src: Bits) -> Bits:
    return dst.with_lane(0, src.lane(32, 0))


@insn("MOVSD", Form("F2 0F 10 /r", "xmm:rw X"), Form("F2 0F 11 /r", "X:rw xmm"), feature="SSE2")
def movsd_register(s: State, dst: Bits, src: Bits) -> Bits:
    return dst.with_lane(0, src.lane(64, 0))


@insn("MOVLPS", Form("NP 0F 12 /r", "xmm:rw m64"), Form("66 0F 12 /r", "xmm:rw m64"), feature="SSE")
def movlps(s: State, dst: Bits, src: Bits) -> Bits:
    """MOVLPS and MOVLPD do the same."""
    return dst.with_lane(0, src)


@insn("MOVHPS", Form("NP 0F 16 /r", "xmm:rw m64"), Form("66 0F 16 /r", "xmm:rw m64"), feature="SSE")
def movhps(s: State, dst: Bits, src: Bits) -> Bits:
    return dst.with_lane(1, src)


insn("MOVLPS", Form("NP 0F 13 /r", "m64:w xmm"), Form("66 0F 13 /r", "m64:w xmm"), feature="SSE")(
    narrow
)


@insn("MOVHPS", Form("NP 0F 17 /r", "m64:w xmm"), Form("66 0F 17 /r", "m64:w xmm"), feature="SSE")
def movhps_store(s: State, dst: Bits, src: Bits) -> Bits:
    return src.lane(64, 1)


@insn("MOVHLPS", Form("NP 0F 12 /r", "xmm:rw X"), feature="SSE")
def movhlps(s: State, dst: Bits, src: Bits) -> Bits:
    return from_lanes([src.lane(64, 1), dst.lane(64, 1)])


@insn("MOVLHPS", Form("NP 0F 16 /r", "xmm:rw X"), feature="SSE")
def movlhps(s: State, dst: Bits, src: Bits) -> Bits:
    return from_lanes([dst.lane(64, 0), src.lane(64, 0)])


@insn("MOVQ2DQ", Form("F3 0F D6 /r", "xmm:w N"), feature="SSE2", before=WAIT)
def movq2dq(s: State, dst: Bits, src: Bits) -> Bits:
    enter_mmx(s)
    return src.zext(128)


@insn("MOVDQ2Q", Form("F2 0F D6 /r", "mm:w X"), feature="SSE2", before=WAIT)
def movdq2q(s: State, dst: Bits, src: Bits) -> Bits:
    enter_mmx(s)
    return src.lane(64, 0)
