"""String instructions and their REP forms (SDM volume 1, 7.3.9).

A plain form does one element.  A REP form hands the work to a C body that moves as much as it can
without losing precision (whole pages at a time), commits RCX, RSI and RDI, and says whether
elements remain; the instruction then runs again, so that signals and budgets come between.
"""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import ADDRESS_MODES, Form, insn
from blink.isa.state import RAX, RCX, RDI, RSI, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Element = Callable[[State, int, int], "Bits | None"]


def _step(s: State, w: int, a: int) -> Bits:
    return ite(s.flag("DF"), Bits.const(-(w // 8), a), Bits.const(w // 8, a))


def _advance(s: State, w: int, a: int, *registers: int) -> None:
    for n in registers:
        s.set_gpr(n, s.gpr(n, a) + _step(s, w, a))


def _source(s: State, w: int, a: int) -> Bits:
    return s.string_source(s.gpr(RSI, a), w // 8)


def _target(s: State, w: int, a: int, write: bool = False) -> Bits:
    return s.string_target(s.gpr(RDI, a), w // 8, write)


# One element of `w` bits with addresses of `a` bits.  Comparisons tell whether they found equality.


def _movs(s: State, w: int, a: int) -> Bits | None:
    s.store(_target(s, w, a, True), s.load(_source(s, w, a), w))
    _advance(s, w, a, RSI, RDI)
    return None


def _stos(s: State, w: int, a: int) -> Bits | None:
    s.store(_target(s, w, a, True), s.gpr(RAX, w))
    _advance(s, w, a, RDI)
    return None


def _lods(s: State, w: int, a: int) -> Bits | None:
    s.set_gpr(RAX, s.load(_source(s, w, a), w))
    _advance(s, w, a, RSI)
    return None


def _scas(s: State, w: int, a: int) -> Bits | None:
    first, second = s.gpr(RAX, w), s.load(_target(s, w, a), w)
    s.flags_sub(first, second)
    _advance(s, w, a, RDI)
    return first == second


def _cmps(s: State, w: int, a: int) -> Bits | None:
    second = s.load(_target(s, w, a), w)  # first, as Zen 4 does: it shows when both fault
    first = s.load(_source(s, w, a), w)
    s.flags_sub(first, second)
    _advance(s, w, a, RSI, RDI)
    return first == second


def _define(
    name: str, encoding: int, prefix: str, a: int, body: Callable[[State, int], None]
) -> None:
    """Define the byte form and the sized form of one string instruction."""

    def body8(s: State) -> None:
        body(s, 8)

    def body_sized(s: State) -> None:
        body(s, s.size)

    modes = ADDRESS_MODES[a]
    insn(f"{name}B", Form(f"{prefix}{encoding:02X}", asize=a, modes=modes))(body8)
    insn(name, Form(f"{prefix}{encoding + 1:02X}", asize=a, modes=modes), sized=True)(body_sized)


def _bulk(kind: str, name: str) -> Callable[[State, int], None]:
    """REP with 64-bit addresses: the C body returns 1 while elements remain."""

    def body(s: State, w: int) -> None:
        left = s.call(f"{kind}_{name}{w}", s.string_base, w=8)
        s.again(left != 0)

    return body


def _repeated(kind: str, element: Element, a: int) -> Callable[[State, int], None]:
    """REP with addresses of 16 or 32 bits (rare): one element at a time."""

    def body(s: State, w: int) -> None:
        count = s.gpr(RCX, a)
        more = count.ugt(1)
        for _ in s.when(count != 0):
            equal = element(s, w, a)
            s.set_gpr(RCX, count - 1)
            if equal is not None:
                more = more & (equal if kind == "repe" else ~equal)
        s.again(more)

    return body


def _once(element: Element, a: int) -> Callable[[State, int], None]:
    def body(s: State, w: int) -> None:
        element(s, w, a)

    return body


def _family(name: str, opcode: int, element: Element) -> None:
    """Define plain and REP forms.  Where nothing is compared, F2 repeats like F3."""
    compares = name in ("SCAS", "CMPS")
    for a in ADDRESS_MODES:
        _define(name, opcode, "", a, _once(element, a))
    for prefix, kind in (("F3", "repe"), ("F2", "repne")):
        kind = kind if compares else "rep"
        title = f"{kind.upper()} {name}"
        _define(title, opcode, f"{prefix} ", 64, _bulk(kind, name.lower()))
        for a in (32, 16):
            _define(title, opcode, f"{prefix} ", a, _repeated(kind, element, a))


_family("MOVS", 0xA4, _movs)
_family("STOS", 0xAA, _stos)
_family("LODS", 0xAC, _lods)
_family("SCAS", 0xAE, _scas)
_family("CMPS", 0xA6, _cmps)
