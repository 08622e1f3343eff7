"""SSE4.2: string comparison, CRC32, PCMPGTQ (SDM volume 1, 12.11 and 12.12)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite, vmap
from blink.isa.families.sse_int import ones_if
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import RAX, RCX, RDX, State

FEATURE = "SSE4.2"


@insn("PCMPGTQ", Form("66 0F 38 37 /r", "xmm:rw xm128"), feature=FEATURE)
def pcmpgtq(s: State, dst: Bits, src: Bits) -> Bits:
    return vmap(64, lambda a, b: ones_if(b.slt(a), 64), dst, src)


@insn(
    "CRC32",
    Form("F2 0F 38 F0 /r", "ry:rw rm8"),
    Form("F2 0F 38 F1 /r", "ry:rw rmv"),
    feature=FEATURE,
)
def crc32(s: State, crc: Bits, data: Bits) -> Bits:
    result = s.call("crc32c", crc.zext(32), data.zext(64), data.w, w=32)
    return result.zext(crc.w)


def explicit_length(value: Bits, control: Bits) -> Bits:
    """The magnitude of a length register, at most the number of elements."""
    limit = ite(control.bit(0), Bits.const(8, 64), Bits.const(16, 64))
    magnitude = ite(value.sign, -value, value)
    return ite(magnitude.ult(limit), magnitude, limit).zext(8)


def compare_strings(name: str, opcode: int, explicit: bool, as_index: bool) -> None:
    """Define PCMP[EI]STR[IM]: lengths in RAX and RDX or up to a zero; result in ECX or XMM0."""

    def lengths(s: State, a: Bits, b: Bits, control: Bits) -> tuple[Bits, Bits]:
        if explicit:
            w = 64 if s.size == 64 else 32
            pair = (s.gpr(n, w).sext(64) for n in (RAX, RDX))
            first, second = (explicit_length(value, control) for value in pair)
            return first, second
        first, second = (s.call("string_length", v, control, w=8) for v in (a, b))
        return first, second

    def body(s: State, a: Bits, b: Bits, control: Bits) -> None:
        first, second = lengths(s, a, b, control)
        matches = s.call("compare_strings", a, b, first, second, control, w=16)
        s.set_status(s.call("string_flags", matches, first, second, control, w=32), STATUS_MASK)
        if as_index:
            s.set_gpr(RCX, s.call("string_index", matches, control, w=32))
        else:
            s.set_xmm(0, s.call("string_mask", matches, control, w=128))

    form = Form(f"66 0F 3A {opcode:02X} /r ib", "xmm xm128u imm8")
    insn(name, form, feature=FEATURE, sized=explicit)(body)


compare_strings("PCMPESTRM", 0x60, True, False)
compare_strings("PCMPESTRI", 0x61, True, True)
compare_strings("PCMPISTRM", 0x62, False, False)
compare_strings("PCMPISTRI", 0x63, False, True)
