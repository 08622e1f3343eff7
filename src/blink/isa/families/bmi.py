"""MOVBE, LZCNT, BMI1 and BMI2 (SDM volume 1, 5.1.16 and 7.3.17)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import POSITION, STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import RDX, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Shift = Callable[[Bits, Bits], Bits]


@insn(
    "MOVBE",
    *(Form(f"{pp} 0F 38 F0 /r", "rv:w mv") for pp in ("NP", "66")),
    *(Form(f"{pp} 0F 38 F1 /r", "mv:w rv") for pp in ("NP", "66")),
    feature="MOVBE",
)
def movbe(s: State, dst: Bits, src: Bits) -> Bits:
    return src.bswap()


def _counted(s: State, src: Bits, count: Bits) -> Bits:
    """CF: there was no bit to find; ZF: the count is zero."""
    flags = (src == 0).zext(32) << POSITION["CF"] | (count == 0).zext(32) << POSITION["ZF"]
    s.set_status(flags, STATUS_MASK)
    return count


@insn("LZCNT", Form("F3 0F BD /r", "rv:w rmv"), undefined="PF AF SF OF", feature="LZCNT")
def lzcnt(s: State, dst: Bits, src: Bits) -> Bits:
    return _counted(s, src, src.clz())


@insn("TZCNT", Form("F3 0F BC /r", "rv:w rmv"), undefined="PF AF SF OF", feature="BMI1")
def tzcnt(s: State, dst: Bits, src: Bits) -> Bits:
    return _counted(s, src, src.ctz())


@insn("ANDN", Form("VEX.LZ.0F38 F2 /r", "ry:w By rmy"), undefined="PF AF", feature="BMI1")
def andn(s: State, dst: Bits, a: Bits, b: Bits) -> Bits:
    s.flags_logic(~a & b)
    return ~a & b


@insn("BEXTR", Form("VEX.LZ.0F38 F7 /r", "ry:w rmy By"), undefined="PF AF SF", feature="BMI1")
def bextr(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
    start, length = control.zext(8), (control >> 8).zext(8)
    result = (src >> start) & _low_ones(dst.w, length)
    s.flags_logic(result)
    return result


def _low_ones(w: int, count: Bits) -> Bits:
    """The low `count` bits, all if it is `w` or more."""
    return (Bits.const(1, w) << count) - 1


def lowest_bit(
    name: str, digit: int, operation: Callable[[Bits], Bits], carry_if_zero: bool
) -> None:
    """Define BLSR, BLSMSK or BLSI."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        result = operation(src)
        carry = src == 0 if carry_if_zero else src != 0
        s.flags_result(result, carry, 0)
        return result

    form = Form(f"VEX.LZ.0F38 F3 /{digit}", "By:w rmy")
    insn(name, form, undefined="PF AF", feature="BMI1")(body)


lowest_bit("BLSR", 1, lambda v: v & (v - 1), True)
lowest_bit("BLSMSK", 2, lambda v: v ^ (v - 1), True)
lowest_bit("BLSI", 3, lambda v: v & -v, False)


@insn("BZHI", Form("VEX.LZ.0F38 F5 /r", "ry:w rmy By"), undefined="PF AF", feature="BMI2")
def bzhi(s: State, dst: Bits, src: Bits, control: Bits) -> Bits:
    count = control.zext(8)
    result = src & _low_ones(dst.w, count)
    s.flags_result(result, ~count.ult(dst.w), 0)
    return result


@insn("MULX", Form("VEX.LZ.F2.0F38 F6 /r", "ry:w By:w rmy"), feature="BMI2")
def mulx(s: State, high: Bits, low: Bits, src: Bits) -> tuple[Bits, Bits]:
    """If both destinations are one register, it gets the high half."""
    other = s.gpr(RDX, src.w)
    return src.umulh(other), src * other


@insn("PDEP", Form("VEX.LZ.F2.0F38 F5 /r", "ry:w By rmy"), feature="BMI2")
def pdep(s: State, dst: Bits, src: Bits, mask: Bits) -> Bits:
    return s.call("deposit_bits", src.zext(64), mask.zext(64), w=64).zext(dst.w)


@insn("PEXT", Form("VEX.LZ.F3.0F38 F5 /r", "ry:w By rmy"), feature="BMI2")
def pext(s: State, dst: Bits, src: Bits, mask: Bits) -> Bits:
    return s.call("extract_bits", src.zext(64), mask.zext(64), w=64).zext(dst.w)


@insn("RORX", Form("VEX.LZ.F2.0F3A F0 /r ib", "ry:w rmy imm8"), feature="BMI2")
def rorx(s: State, dst: Bits, src: Bits, count: Bits) -> Bits:
    n = count & (dst.w - 1)
    return (src >> n) | (src << (dst.w - n))


def shift(name: str, prefix: str, operation: Shift) -> None:
    """Define a shift that leaves the flags alone."""

    def body(s: State, dst: Bits, src: Bits, count: Bits) -> Bits:
        return operation(src, count.zext(8) & (dst.w - 1))

    insn(name, Form(f"VEX.LZ.{prefix}.0F38 F7 /r", "ry:w rmy By"), feature="BMI2")(body)


shift("SHLX", "66", lambda v, n: v << n)
shift("SARX", "F3", lambda v, n: v.sar(n))
shift("SHRX", "F2", lambda v, n: v >> n)
