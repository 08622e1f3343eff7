"""VEX forms of instructions that exist without VEX: the same body, other operands.

A VEX form names its first source in VEX.vvvv instead of reading its destination, lets memory be
unaligned, and clears the destination above what it writes.  On 256 bits the body runs once for each
128-bit half.
"""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes
from blink.isa.families import (
    sse3,
    sse41,
    sse41_float,
    sse42,
    sse_float,
    sse_int,
    sse_move,
    sse_shuffle,
    ssse3,
    system,
)
from blink.isa.spec import REGISTRY, Form, Insn, add
from blink.isa.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Body = Callable[..., Bits | None]

# The families whose definitions are used: they are registered from here on
SOURCES = (
    sse_float, sse_int, sse_move, sse_shuffle, sse3, ssse3, sse41, sse41_float, sse42, system,
)  # fmt: skip
PREFIX = {0: "", 1: "66.", 2: "F3.", 3: "F2."}
MAP = {1: "0F", 2: "0F38", 3: "0F3A"}
# an operand of 128 bits -> that of 256
WIDE = {
    "xmm": "ymm", "X": "Y", "vx": "vy", "ix": "iy", "xm128": "ym256", "xm128u": "ym256u",
    "m128a": "m256a", "m128": "m256",
}  # fmt: skip


def in_halves(body: Body, step: int = 0) -> Body:
    """`body` on each half of 256-bit operands; narrower ones are the same for both.

    The upper half takes an immediate shifted by `step` bits.
    """

    def wide(s: State, *operands: Bits) -> Bits:
        results = []
        for n in s.halves():
            parts = [
                v.lane(128, n) if v.w == 256 else v >> step * n if v.w == 8 else v for v in operands
            ]
            result = body(s, *parts)
            assert result is not None
            results.append(result)
        return from_lanes(results)

    return wide


def _without_first(body: Body) -> Body:
    """For forms that only write their first operand, where the legacy ones read it, too."""
    return lambda s, _, *operands: body(s, *operands)


def widened(operands: str) -> str:
    """The operands of the 256-bit form: 'xmm:w vx xm128u' -> 'ymm:w vy ym256u'."""
    pairs = (word.partition(":") for word in operands.split())
    return " ".join(WIDE.get(name, name) + colon + access for name, colon, access in pairs)


def three_operands(form: Form, unary: bool) -> tuple[str, bool]:
    """The VEX form's operands, and whether the body's first one is now VEX.vvvv."""
    first, *rest = form.operands_text.split()
    name, _, access = first.partition(":")
    if access != "rw":
        return form.operands_text, False
    if unary:
        return f"{name}:w {' '.join(rest)}", False
    if name == "X" and rest[0].startswith("imm"):
        return f"vx:w X {' '.join(rest)}", True
    return f"{name}:w vx {' '.join(rest)}", True


def encoding(form: Form, length: str, w: str) -> str:
    """'66 0F EF /r' -> 'VEX.128.66.0F.WIG EF /r'."""
    e = form.enc
    tail = form.encoding.rpartition(f" {e.opcode:02X} ")[2]
    return f"VEX.{length}.{PREFIX[e.pp]}{MAP[e.map]}.{w} {e.opcode:02X} {tail}"


def legacy(name: str) -> Iterator[Insn]:
    """The definitions of an SSE instruction, without those on MMX registers."""
    for i in list(REGISTRY):
        banks = {o.kind.bank for form in i.forms for o in form.operands}
        if i.name == name and "mm" not in banks and i.forms[0].enc.enc == "legacy":
            yield i


def two_lengths(
    name: str,
    tail: str,
    operands: str,
    body: Body,
    feature: str,
    *,
    wide_feature: str = "",
    step: int = 0,
) -> None:
    """Define the forms of 128 and 256 bits of an instruction that keeps halves apart.

    `tail` is the encoding behind the length: '66.0F38.W0 0C /r'.  `operands` are the short form's.
    """
    family = body.__module__.rpartition(".")[2]
    wide = Form(f"VEX.256.{tail}", widened(operands))
    add(Insn(name, (Form(f"VEX.128.{tail}", operands),), body, (), feature, family=family))
    body = in_halves(body, step)
    add(Insn(name, (wide,), body, (), wide_feature or feature, family=family))


def define_wide(i: Insn) -> None:
    """Define the 256-bit form of PMOVSX* or PMOVZX*, whose body takes as many lanes as come."""
    (form,) = i.forms
    assert form.rm is not None
    source = f"xm{form.rm.width(32) * 2}".replace("128", "128u")
    wide = Form(encoding(form, "256", "WIG"), f"ymm:w {source}")
    add(Insn(f"V{i.name}", (wide,), i.body, (), "AVX2", family="avx_lanes"))


def derive(
    name: str,
    length: str = "128",
    *,
    w: str = "WIG",
    feature: str = "AVX",
    family: str = "avx",
    unary: bool = False,
    aligned: bool = False,
    step: int = 0,
) -> None:
    """Define VNAME from NAME.

    `length` is 128, 256 or LIG (scalars); `unary`: the legacy form reads its destination in vain;
    `aligned`: memory must be; `step`: see in_halves.
    """
    for i in legacy(name):
        for form in i.forms:
            operands, moved = three_operands(form, unary)
            text = operands if aligned else operands.replace("xm128", "xm128u").replace("uu", "u")
            body: Body = i.body
            if moved:
                body = _without_first(body)
            if length == "256":
                text, body = widened(text), in_halves(body, step)
                if moved and name in SHIFTS_BY_COUNT:
                    text = text.replace("ym256u", "xm128u")
            text_of = encoding(form, length, w_of(form, w))
            vex = Form(text_of, text, asize=form.asize, modes=form.modes)
            add(Insn(f"V{name}", (vex,), body, i.undefined, feature, i.sized, family=family))


# The count is in an XMM register, or 128 bits of memory, whatever the length
SHIFTS_BY_COUNT = ("PSRLW", "PSRLD", "PSRLQ", "PSRAW", "PSRAD", "PSLLW", "PSLLD", "PSLLQ")


def w_of(form: Form, w: str) -> str:
    """VEX.W where REX.W chooses between two legacy instructions."""
    return {0: "W0", 1: "W1"}.get(form.enc.w, w)
