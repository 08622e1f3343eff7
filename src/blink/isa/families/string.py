"""String instructions and their REP forms (SDM volume 1, 7.3.9).

A plain form does one element.  A REP form hands the work to a C body that moves as much as it can
without losing precision (whole pages at a time), commits RCX, RSI and RDI, and says whether
elements remain; the instruction then runs again, so that signals and budgets come between.
"""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn
from blink.isa.state import RAX, RDI, RSI, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LETTER = {8: "b", 16: "w", 32: "d", 64: "q"}


def _step(s: State, w: int) -> Bits:
    return ite(s.flag("DF"), Bits.const(-(w // 8), 64), Bits.const(w // 8, 64))


def _advance(s: State, w: int, *registers: int) -> None:
    for n in registers:
        s.set_gpr(n, s.gpr(n) + _step(s, w))


def _source(s: State) -> Bits:
    return s.string_base + s.gpr(RSI)


def _movs(s: State, w: int) -> None:
    s.store(s.gpr(RDI), s.load(_source(s), w))
    _advance(s, w, RSI, RDI)


def _stos(s: State, w: int) -> None:
    s.store(s.gpr(RDI), s.gpr(RAX, w))
    _advance(s, w, RDI)


def _lods(s: State, w: int) -> None:
    s.set_gpr(RAX, s.load(_source(s), w))
    _advance(s, w, RSI)


def _scas(s: State, w: int) -> None:
    s.flags_sub(s.gpr(RAX, w), s.load(s.gpr(RDI), w))
    _advance(s, w, RDI)


def _cmps(s: State, w: int) -> None:
    first = s.load(_source(s), w)
    s.flags_sub(first, s.load(s.gpr(RDI), w))
    _advance(s, w, RSI, RDI)


def _element(
    name: str, byte: int, body: Callable[[State, int], None], prefixes: tuple[str, ...]
) -> None:
    """Define the plain byte and word forms, and the REP forms."""

    def one8(s: State) -> None:
        body(s, 8)

    def one(s: State) -> None:
        body(s, s.size)

    insn(f"{name}B", Form(f"{byte:02X}", asize=64))(one8)
    insn(name, Form(f"{byte + 1:02X}", asize=64), sized=True)(one)
    for prefix in prefixes:
        _repeated(name, byte, prefix)


def _repeated(name: str, byte: int, prefix: str) -> None:
    kind = "rep" if name in ("MOVS", "STOS", "LODS") else {"F3": "repe", "F2": "repne"}[prefix]

    def many(s: State, w: int) -> None:
        """The body returns 1 while elements remain."""
        left = s.call(f"{kind}_{name.lower()}{w}", s.string_base, w=8)
        s.again(left != 0)

    def many8(s: State) -> None:
        many(s, 8)

    def many_sized(s: State) -> None:
        many(s, s.size)

    title = {"rep": "REP", "repe": "REPE", "repne": "REPNE"}[kind]
    insn(f"{title} {name}B", Form(f"{prefix} {byte:02X}", asize=64))(many8)
    insn(f"{title} {name}", Form(f"{prefix} {byte + 1:02X}", asize=64), sized=True)(many_sized)


# Before an instruction that does not compare, F2 repeats like F3.
_element("MOVS", 0xA4, _movs, ("F3", "F2"))
_element("STOS", 0xAA, _stos, ("F3", "F2"))
_element("LODS", 0xAC, _lods, ("F3", "F2"))
_element("SCAS", 0xAE, _scas, ("F3", "F2"))
_element("CMPS", 0xA6, _cmps, ("F3", "F2"))
