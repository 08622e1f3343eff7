"""Shifts and rotates (SDM volume 1, 7.3.6)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn
from blink.isa.state import State

ONE = (("D0", "D1", "one"),)
MANY = (("D2", "D3", "cl"), ("C0", "C1", "imm8"))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _forms(counts: tuple[tuple[str, str, str], ...], digits: tuple[int, ...]) -> list[Form]:
    forms = []
    for digit in digits:
        for byte, word, count in counts:
            forms.append(Form(f"{byte} /{digit}", f"rm8:rw {count}"))
            forms.append(Form(f"{word} /{digit}", f"rmv:rw {count}"))
    return forms


def group2(name: str, *digits: int, undefined: str = "") -> Callable[..., Callable[..., Bits]]:
    """Define a shift by 1, and by CL or an immediate: there OF is undefined."""

    def register(body: Callable[..., Bits]) -> Callable[..., Bits]:
        insn(name, *_forms(ONE, digits), undefined=undefined)(body)
        insn(name, *_forms(MANY, digits), undefined=f"{undefined} OF")(body)
        return body

    return register


def masked(dst: Bits, count: Bits) -> Bits:
    """The count as the CPU uses it: modulo 32, or 64 for 64-bit operands."""
    return count & (63 if dst.w == 64 else 31)


@group2("SHL", 4, 6, undefined="AF")
def shl(s: State, dst: Bits, count: Bits) -> Bits:
    """The last step doubles, so the flags are those of an addition.

    OF is defined for counts of 1 only; it is computed for all as for 1.
    """
    n = masked(dst, count)
    last = dst << (n - 1)
    if n != 0:
        s.flags_add(last, last)
    return ite(n == 0, dst, last + last)


@group2("SHR", 5, undefined="AF")
def shr(s: State, dst: Bits, count: Bits) -> Bits:
    n = masked(dst, count)
    last = dst >> (n - 1)
    result = ite(n == 0, dst, last >> 1)
    if n != 0:
        s.flags_result(result, last.bit(0), dst.sign)
    return result


@group2("SAR", 7, undefined="AF")
def sar(s: State, dst: Bits, count: Bits) -> Bits:
    n = masked(dst, count)
    last = dst.sar(n - 1)
    result = ite(n == 0, dst, last.sar(1))
    if n != 0:
        s.flags_result(result, last.bit(0), 0)
    return result


def set_cf_of(s: State, cf: Bits, of: Bits) -> None:
    s.set_status(cf.zext(32) | (of.zext(32) << 11), 0x801)


@group2("ROL", 0)
def rol(s: State, dst: Bits, count: Bits) -> Bits:
    """ZF, SF, AF and PF are kept."""
    n = masked(dst, count)
    k = n & (dst.w - 1)
    result = ite(k == 0, dst, (dst << k) | (dst >> (dst.w - k)))
    if n != 0:
        set_cf_of(s, result.bit(0), result.sign ^ result.bit(0))
    return result


@group2("ROR", 1)
def ror(s: State, dst: Bits, count: Bits) -> Bits:
    n = masked(dst, count)
    k = n & (dst.w - 1)
    result = ite(k == 0, dst, (dst >> k) | (dst << (dst.w - k)))
    if n != 0:
        set_cf_of(s, result.sign, result.sign ^ result.bit(dst.w - 2))
    return result


def _rotation(dst: Bits, count: Bits) -> Bits:
    """Rotates through carry turn w + 1 bits."""
    n = masked(dst, count)
    return n if dst.w > 16 else n.urem(dst.w + 1)


@group2("RCL", 2)
def rcl(s: State, dst: Bits, count: Bits) -> Bits:
    n, w = _rotation(dst, count), dst.w
    carry = s.flag("CF")
    turned = (dst << n) | (carry.zext(w) << (n - 1)) | (dst >> (w + 1 - n))
    result = ite(n == 0, dst, turned)
    if n != 0:
        out = (dst >> (w - n)).bit(0)
        set_cf_of(s, out, result.sign ^ out)
    return result


@group2("RCR", 3)
def rcr(s: State, dst: Bits, count: Bits) -> Bits:
    n, w = _rotation(dst, count), dst.w
    carry = s.flag("CF")
    turned = (dst >> n) | (carry.zext(w) << (w - n)) | (dst << (w + 1 - n))
    result = ite(n == 0, dst, turned)
    if n != 0:
        set_cf_of(s, (dst >> (n - 1)).bit(0), result.sign ^ result.bit(w - 2))
    return result


def double(opcode: int) -> list[Form]:
    return [
        Form(f"0F {opcode:02X} /r ib", "rmv:rw rv imm8"),
        Form(f"0F {opcode + 1:02X} /r", "rmv:rw rv cl"),
    ]


@insn("SHLD", *double(0xA4), undefined="AF OF")
def shld(s: State, dst: Bits, src: Bits, count: Bits) -> Bits:
    """For 16 bits, counts over 16 leave result and flags undefined."""
    n, w = masked(dst, count), dst.w
    result = ite(n == 0, dst, (dst << n) | (src >> (w - n)))
    if n != 0:
        s.flags_result(result, (dst >> (w - n)).bit(0), result.sign ^ dst.sign)
    return result


@insn("SHRD", *double(0xAC), undefined="AF OF")
def shrd(s: State, dst: Bits, src: Bits, count: Bits) -> Bits:
    n, w = masked(dst, count), dst.w
    result = ite(n == 0, dst, (dst >> n) | (src << (w - n)))
    if n != 0:
        s.flags_result(result, (dst >> (n - 1)).bit(0), result.sign ^ dst.sign)
    return result
