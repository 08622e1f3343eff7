"""F16C: conversions of 16-bit floating point (SDM volume 1, 14.4)."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes
from blink.isa.spec import Form, insn
from blink.isa.state import State

FEATURE = "F16C"


@insn("VCVTPH2PS", Form("VEX.128.66.0F38.W0 13 /r", "xmm:w xm64"), feature=FEATURE)
def vcvtph2ps(s: State, dst: Bits, src: Bits) -> Bits:
    return s.fp("v_cvt_f16_f32", 128, src.zext(128))


@insn("VCVTPH2PS", Form("VEX.256.66.0F38.W0 13 /r", "ymm:w xm128u"), feature=FEATURE)
def vcvtph2ps_wide(s: State, dst: Bits, src: Bits) -> Bits:
    parts = [s.fp("v_cvt_f16_f32", 128, src.lane(64, n).zext(128)) for n in s.halves()]
    return from_lanes(parts)


def to_half(s: State, src: Bits, control: Bits) -> Bits:
    """64 bits of each half; bits 1..0 of the immediate round, unless bit 2 says that MXCSR does."""
    mode = (control & 7).zext(32)
    if src.w == 128:
        return s.fp("v_cvt_f32_f16", 128, src, mode).lane(64, 0)
    parts = [s.fp("v_cvt_f32_f16", 128, src.lane(128, n), mode) for n in s.halves()]
    return from_lanes([part.lane(64, 0) for part in parts])


@insn("VCVTPS2PH", Form("VEX.128.66.0F3A.W0 1D /r ib", "X:w xmm imm8"), feature=FEATURE)
@insn("VCVTPS2PH", Form("VEX.256.66.0F3A.W0 1D /r ib", "X:w ymm imm8"), feature=FEATURE)
def vcvtps2ph(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
    return to_half(s, src, control).zext(128)


@insn("VCVTPS2PH", Form("VEX.128.66.0F3A.W0 1D /r ib", "a64:w xmm imm8"), feature=FEATURE)
@insn("VCVTPS2PH", Form("VEX.256.66.0F3A.W0 1D /r ib", "a128:w ymm imm8"), feature=FEATURE)
def vcvtps2ph_store(s: State, address: Bits, src: Bits, control: Bits) -> None:
    """A store that faults raises no floating-point exceptions."""
    s.call("check_store", address, src.w // 16)
    s.store(address, to_half(s, src, control))
