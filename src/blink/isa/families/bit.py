"""Bit tests and scans, POPCNT, BSWAP (SDM volume 1, 7.3.7)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

UNDEFINED = "PF AF SF OF"


def _bit_test(
    name: str, opcode: int, digit: int, change: Callable[[Bits, Bits], Bits] | None
) -> None:
    """Define BT, BTS, BTR or BTC: with an immediate, a register, and a bit string in memory."""
    access = "r" if change is None else "rw"
    lock = change is not None

    def body(s: State, dst: Bits, index: Bits) -> Bits | None:
        n = index.zext(8) & (dst.w - 1)
        s.set_flag("CF", dst.bit(n))
        return None if change is None else change(dst, Bits.const(1, dst.w) << n)

    def string(s: State, address: Bits, index: Bits) -> None:
        """The register index reaches beyond the operand: bit string addressing."""
        w = index.w
        offset = index.sext(64).sar({16: 4, 32: 5, 64: 6}[w]) * (w // 8)
        n = index.zext(8) & (w - 1)
        if change is None:
            s.set_flag("CF", s.load(s.element(address, offset, w // 8, False), w).bit(n))
        else:
            operation = {"BTS": 0, "BTR": 1, "BTC": 2}[name]
            element = s.element(address, offset, w // 8, True)
            old = s.call(f"bit_string{w}", element, Bits.const(1, w) << n, operation, w=8)
            s.set_flag("CF", old.zext(1))

    forms = [
        Form(f"0F BA /{digit} ib", f"rmv:{access} imm8", lock),
        Form(f"0F {opcode:02X} /r", f"Rv:{access} rv"),
    ]
    insn(name, *forms, undefined=UNDEFINED)(body)
    insn(name, Form(f"0F {opcode:02X} /r", "bits rv", lock), undefined=UNDEFINED)(string)


_bit_test("BT", 0xA3, 4, None)
_bit_test("BTS", 0xAB, 5, lambda v, bit: v | bit)
_bit_test("BTR", 0xB3, 6, lambda v, bit: v & ~bit)
_bit_test("BTC", 0xBB, 7, lambda v, bit: v ^ bit)


def _scan(dst: Bits, src: Bits, found: Bits) -> Bits:
    """A zero source keeps the whole destination, as CPUs do; else 32 bits clear the upper half."""
    low = (dst & 0xFFFFFFFFFFFF0000) | found.zext(64) if src.w == 16 else found.zext(64)
    return ite(src == 0, dst, low)


@insn("BSF", Form("0F BC /r", "r64:rw rmv"), undefined="CF OF SF AF PF")
def bsf(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_logic(src)
    return _scan(dst, src, src.ctz())


@insn("BSR", Form("0F BD /r", "r64:rw rmv"), undefined="CF OF SF AF PF")
def bsr(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_logic(src)
    return _scan(dst, src, src.clz() ^ (src.w - 1))


@insn("POPCNT", Form("F3 0F B8 /r", "rv:w rmv"), feature="POPCNT")
def popcnt(s: State, dst: Bits, src: Bits) -> Bits:
    s.set_status((src == 0).zext(32) << 6, STATUS_MASK)
    return src.popcnt()


@insn("BSWAP", Form("0F C8+r", "oy:rw"))
def bswap(s: State, dst: Bits) -> Bits:
    """With a 16-bit operand undefined; here as 32 bits, as CPUs without 66 handling do."""
    return dst.bswap()
