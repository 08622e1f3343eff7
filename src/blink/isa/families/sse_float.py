"""SSE and SSE2 floating point: arithmetic, comparison, conversion (SDM volume 1, 10.4 and 11.4).

The primitives (engine/fp.h, isa/softfloat.py) carry rounding, exceptions and NaN rules.
"""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes
from blink.isa.families._simd import WAIT, convert_mmx
from blink.isa.families.sse_int import pand, pandn, por, pxor
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import State

# suffix, prefix, lane width, scalar?, CPUID feature
TYPES = (
    ("PS", "NP", 32, False, "SSE"),
    ("PD", "66", 64, False, "SSE2"),
    ("SS", "F3", 32, True, "SSE"),
    ("SD", "F2", 64, True, "SSE2"),
)


def arithmetic(
    name: str, opcode: int, operation: str, unary: bool = False, only32: bool = False
) -> None:
    """Define the PS, PD, SS and SD forms of an operation."""
    for suffix, prefix, w, scalar, feature in TYPES:
        if only32 and w == 64:
            continue
        memory = f"xm{w}" if scalar else "xm128"
        form = Form(f"{prefix} 0F {opcode:02X} /r", f"xmm:rw {memory}")
        body = _scalar(operation, w, unary) if scalar else _packed(operation, w, unary)
        insn(name + suffix, form, feature=feature)(body)


def _scalar(operation: str, w: int, unary: bool):  # type: ignore[no-untyped-def]
    def body(s: State, dst: Bits, src: Bits) -> Bits:
        args = (src,) if unary else (dst.lane(w, 0), src)
        return dst.with_lane(0, s.fp(f"f{w}_{operation}", w, *args))

    return body


def _packed(operation: str, w: int, unary: bool):  # type: ignore[no-untyped-def]
    def body(s: State, dst: Bits, src: Bits) -> Bits:
        args = (src,) if unary else (dst, src)
        return s.fp(f"v_f{w}_{operation}", 128, *args)

    return body


arithmetic("ADD", 0x58, "add")
arithmetic("MUL", 0x59, "mul")
arithmetic("SUB", 0x5C, "sub")
arithmetic("MIN", 0x5D, "min")
arithmetic("DIV", 0x5E, "div")
arithmetic("MAX", 0x5F, "max")
arithmetic("SQRT", 0x51, "sqrt", unary=True)
arithmetic("RSQRT", 0x52, "rsqrt", unary=True, only32=True)
arithmetic("RCP", 0x53, "rcp", unary=True, only32=True)

for suffix, prefix, _, _, feature in TYPES[:2]:
    for name, opcode, body in (
        ("AND", 0x54, pand),
        ("ANDN", 0x55, pandn),
        ("OR", 0x56, por),
        ("XOR", 0x57, pxor),
    ):
        insn(name + suffix, Form(f"{prefix} 0F {opcode:02X} /r", "xmm:rw xm128"), feature=feature)(
            body
        )


@insn("CMPPS", Form("NP 0F C2 /r ib", "xmm:rw xm128 imm8"), feature="SSE")
def cmpps(s: State, dst: Bits, src: Bits, predicate: Bits) -> Bits:
    return s.fp("v_f32_cmp", 128, dst, src, (predicate & 7).zext(32))


@insn("CMPPD", Form("66 0F C2 /r ib", "xmm:rw xm128 imm8"), feature="SSE2")
def cmppd(s: State, dst: Bits, src: Bits, predicate: Bits) -> Bits:
    return s.fp("v_f64_cmp", 128, dst, src, (predicate & 7).zext(32))


@insn("CMPSS", Form("F3 0F C2 /r ib", "xmm:rw xm32 imm8"), feature="SSE")
def cmpss(s: State, dst: Bits, src: Bits, predicate: Bits) -> Bits:
    return dst.with_lane(0, s.fp("f32_cmp", 32, dst.lane(32, 0), src, (predicate & 7).zext(32)))


@insn("CMPSD", Form("F2 0F C2 /r ib", "xmm:rw xm64 imm8"), feature="SSE2")
def cmpsd(s: State, dst: Bits, src: Bits, predicate: Bits) -> Bits:
    return dst.with_lane(0, s.fp("f64_cmp", 64, dst.lane(64, 0), src, (predicate & 7).zext(32)))


def comparison(name: str, prefix: str, opcode: int, primitive: str, w: int, feature: str) -> None:
    """Define (U)COMISS/SD: ZF, PF, CF by the result; OF, SF, AF cleared."""

    def body(s: State, a: Bits, b: Bits) -> None:
        s.set_status(s.fp(primitive, 32, a.lane(w, 0), b), STATUS_MASK)

    insn(name, Form(f"{prefix} 0F {opcode:02X} /r", f"xmm xm{w}"), feature=feature)(body)


comparison("UCOMISS", "NP", 0x2E, "f32_ucomi", 32, "SSE")
comparison("COMISS", "NP", 0x2F, "f32_comi", 32, "SSE")
comparison("UCOMISD", "66", 0x2E, "f64_ucomi", 64, "SSE2")
comparison("COMISD", "66", 0x2F, "f64_comi", 64, "SSE2")


def from_integer(name: str, prefix: str, w: int, feature: str) -> None:
    """Define CVTSI2SS or CVTSI2SD."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return dst.with_lane(0, s.fp(f"cvt_s{src.w}_f{w}", w, src))

    insn(name, Form(f"{prefix} 0F 2A /r", "xmm:rw rmy"), feature=feature)(body)


def to_integer(name: str, prefix: str, opcode: int, cvt: str, w: int, feature: str) -> None:
    """Define CVT(T)SS2SI or CVT(T)SD2SI."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return s.fp(f"{cvt}_f{w}_s{dst.w}", dst.w, src)

    insn(name, Form(f"{prefix} 0F {opcode:02X} /r", f"ry:w xm{w}"), feature=feature)(body)


from_integer("CVTSI2SS", "F3", 32, "SSE")
from_integer("CVTSI2SD", "F2", 64, "SSE2")
to_integer("CVTTSS2SI", "F3", 0x2C, "cvtt", 32, "SSE")
to_integer("CVTSS2SI", "F3", 0x2D, "cvt", 32, "SSE")
to_integer("CVTTSD2SI", "F2", 0x2C, "cvtt", 64, "SSE2")
to_integer("CVTSD2SI", "F2", 0x2D, "cvt", 64, "SSE2")


@insn("CVTSS2SD", Form("F3 0F 5A /r", "xmm:rw xm32"), feature="SSE2")
def cvtss2sd(s: State, dst: Bits, src: Bits) -> Bits:
    return dst.with_lane(0, s.fp("cvt_f32_f64", 64, src))


@insn("CVTSD2SS", Form("F2 0F 5A /r", "xmm:rw xm64"), feature="SSE2")
def cvtsd2ss(s: State, dst: Bits, src: Bits) -> Bits:
    return dst.with_lane(0, s.fp("cvt_f64_f32", 32, src))


def convert(name: str, encoding: str, primitive: str, memory: int = 128) -> None:
    """Define a packed conversion between XMM registers."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        return s.fp(primitive, 128, src.zext(128))

    insn(name, Form(f"{encoding} /r", f"xmm:w xm{memory}"), feature="SSE2")(body)


convert("CVTDQ2PS", "NP 0F 5B", "v_cvt_s32_f32")
convert("CVTPS2DQ", "66 0F 5B", "v_cvt_f32_s32")
convert("CVTTPS2DQ", "F3 0F 5B", "v_cvtt_f32_s32")
convert("CVTDQ2PD", "F3 0F E6", "v_cvt_s32_f64", 64)
convert("CVTPD2DQ", "F2 0F E6", "v_cvt_f64_s32")
convert("CVTTPD2DQ", "66 0F E6", "v_cvtt_f64_s32")
convert("CVTPS2PD", "NP 0F 5A", "v_cvt_f32_f64", 64)
convert("CVTPD2PS", "66 0F 5A", "v_cvt_f64_f32")


@insn("CVTPI2PS", Form("NP 0F 2A /r", "xmm:rw N"), feature="SSE", before=WAIT)
def cvtpi2ps(s: State, dst: Bits, src: Bits) -> Bits:
    convert_mmx(s)
    return _cvtpi2ps(s, dst, src)


@insn("CVTPI2PS", Form("NP 0F 2A /r", "xmm:rw m64"), feature="SSE")
def _cvtpi2ps(s: State, dst: Bits, src: Bits) -> Bits:
    """Reading memory, it is no MMX instruction: the x87 state stays."""
    low = s.fp("v_cvt_s32_f32", 128, src.zext(128)).lane(64, 0)
    return from_lanes([low, dst.lane(64, 1)])


@insn("CVTPI2PD", Form("66 0F 2A /r", "xmm:w m64"), feature="SSE2")
def cvtpi2pd_memory(s: State, dst: Bits, src: Bits) -> Bits:
    """As with CVTPI2PS, memory leaves the x87 alone."""
    return s.fp("v_cvt_s32_f64", 128, src.zext(128))


@insn("CVTPI2PD", Form("66 0F 2A /r", "xmm:w N"), feature="SSE2", before=WAIT)
def cvtpi2pd(s: State, dst: Bits, src: Bits) -> Bits:
    convert_mmx(s)
    return s.fp("v_cvt_s32_f64", 128, src.zext(128))


def to_mmx(name: str, encoding: str, primitive: str, memory: int, feature: str) -> None:
    """Define a conversion into an MMX register."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        convert_mmx(s)
        return s.fp(primitive, 128, src.lane(64, 0).zext(128) if memory == 64 else src).lane(64, 0)

    insn(name, Form(f"{encoding} /r", f"mm:w xm{memory}"), feature=feature, before=WAIT)(body)


to_mmx("CVTTPS2PI", "NP 0F 2C", "v_cvtt_f32_s32", 64, "SSE")
to_mmx("CVTPS2PI", "NP 0F 2D", "v_cvt_f32_s32", 64, "SSE")
to_mmx("CVTTPD2PI", "66 0F 2C", "v_cvtt_f64_s32", 128, "SSE2")
to_mmx("CVTPD2PI", "66 0F 2D", "v_cvt_f64_s32", 128, "SSE2")
