"""x87 instructions on ST(0), transcendental functions, comparisons, register moves, control.

The twin of engine/x87_more.c; names without the prefix x87_.
"""

from __future__ import annotations

from collections.abc import Callable

from blink.isa import _f80 as f80
from blink.isa import x87_math
from blink.isa._f80 import C0, C1, C2, C3, CONDITION, INDEFINITE
from blink.isa._softfloat import F32, F64, F80, Operand
from blink.isa.x87_state import EXCEPTIONS, SF, X87State

Function = Callable[..., "int | None"]


def signed(value: int, width: int) -> int:
    """The low `width` bits as a signed integer."""
    value &= (1 << width) - 1
    return value - (value >> (width - 1) << width)


# --- One operand -------------------------------------------------------------------------------


def _operand(x: X87State) -> bool:
    """Is ST(0) there?  If not, a masked stack fault makes it the indefinite."""
    x.wait()
    if not x.empty(0):
        return True
    if x.stack_fault():
        x.set(0, INDEFINITE)
    return False


def _unary(operation: Callable[[int, int], f80.Result]) -> Function:
    def apply(x: X87State) -> None:
        if _operand(x):
            x.deliver(*operation(x.get(0), x.cw))

    return apply


def _transcendental(function: x87_math.Unary, conditions: int) -> Function:
    def apply(x: X87State) -> None:
        ready = _operand(x)
        x.clear(conditions)
        if ready:
            x.deliver(*function(x.get(0), x.cw))

    return apply


# --- Two operands ------------------------------------------------------------------------------


def _operands(x: X87State, pops: int) -> bool:
    """Are ST(0) and ST(1) there?  If not, a masked fault pops and leaves the indefinite."""
    x.wait()
    if not x.empty(0, 1):
        return True
    if x.stack_fault():
        x.pop(pops)
        x.set(0, INDEFINITE)
    return False


def _binary_pop(function: x87_math.Binary) -> Function:
    """ST(1) = f(ST(0), ST(1)), then pop."""

    def apply(x: X87State) -> None:
        if _operands(x, 1):
            x.deliver(*function(x.get(0), x.get(1), x.cw), 1, 1)

    return apply


def fscale(x: X87State) -> None:
    """ST(0) * 2**trunc(ST(1))."""
    if _operands(x, 0):
        x.deliver(*f80.scale(x.get(0), x.get(1), x.cw))


def _remainder(nearest: bool) -> Function:
    def apply(x: X87State) -> None:
        ready = _operands(x, 0)
        x.clear(C2)
        if not ready:
            return
        value, flags = f80.remainder(x.get(0), x.get(1), x.cw, nearest)
        if x.delivers(flags) and not f80.is_nan(value):
            x.clear(CONDITION)
        x.deliver(value, flags)

    return apply


# --- One operand, two results ------------------------------------------------------------------


def _operand_and_room(x: X87State) -> bool:
    """ST(0), and room for a push; a masked fault leaves two indefinites."""
    x.wait()
    if not x.empty(0) and x.empty(7):
        return True
    if x.stack_fault(0 if x.empty(0) else C1):
        _replace(x, INDEFINITE, INDEFINITE)
    return False


def _replace(x: X87State, top: int, following: int) -> None:
    """ST(0) becomes `following`, and `top` is pushed."""
    x.set(0, following)
    x.top = x.physical(7)
    x.set(0, top)


def fxtract(x: X87State) -> None:
    """ST(0) becomes its exponent; its significand is pushed."""
    if _operand_and_room(x):
        significand, exponent, flags = f80.extract(x.get(0), x.cw)
        x.status(flags)
        if x.delivers(flags):
            _replace(x, significand, exponent)


def _pushing(function: x87_math.Pushing) -> Function:
    def apply(x: X87State) -> None:
        ready = _operand_and_room(x)
        x.clear(C2)
        if ready:
            top, following, flags = function(x.get(0), x.cw)
            x.status(flags)
            if x.delivers(flags) and not flags & C2:
                _replace(x, top, following)

    return apply


# --- Comparisons -------------------------------------------------------------------------------


def _compare(x: X87State, b: Operand | None, signaling: bool, pops: int) -> None:
    """ST(0) with `b`; None: it is an empty register."""
    x.wait()
    if b is None or x.empty(0):
        delivers = x.stack_fault()
        x.sw = x.sw & ~C1 | C0 | C2 | C3
    else:
        flags = f80.compare(f80.register(x.get(0)), b, x.cw, signaling)
        x.sw = x.sw & ~CONDITION | flags
        delivers = x.delivers(flags)
    if delivers:
        x.pop(pops)


def _compare_register(signaling: bool, pops: int) -> Function:
    def apply(x: X87State, i: int = 1) -> None:
        b = None if x.empty(i) else f80.register(x.get(i))
        _compare(x, b, signaling, pops)

    return apply


def _compare_eflags(signaling: bool, pops: int) -> Function:
    def apply(x: X87State, i: int) -> int:
        x.wait()
        flags = C0 | C2 | C3
        if x.empty(0, i):
            delivers = x.stack_fault()
        else:
            a, b = f80.register(x.get(0)), f80.register(x.get(i))
            flags = f80.compare(a, b, x.cw, signaling)
            x.sw |= flags & EXCEPTIONS
            delivers = x.delivers(flags)
        if delivers:
            x.pop(pops)
        return (0x40 if flags & C3 else 0) | (4 if flags & C2 else 0) | (1 if flags & C0 else 0)

    return apply


def fxam(x: X87State) -> None:
    """Classify ST(0)."""
    x.wait()
    a = x.get(0)
    sign = C1 if a & F80.sign_bit else 0
    x.sw = x.sw & ~CONDITION | (C3 | C0 | sign if x.empty(0) else f80.examine(a))


def _comparisons() -> dict[str, Function]:
    table: dict[str, Function] = {}
    for letter, signaling in (("", True), ("u", False)):
        for suffix, pops in (("", 0), ("p", 1)):
            table[f"f{letter}com{suffix}_sti"] = _compare_register(signaling, pops)
            table[f"f{letter}comi{suffix}_sti"] = _compare_eflags(signaling, pops)
        table[f"f{letter}compp"] = _compare_register(signaling, 2)
    for suffix, pops in (("", 0), ("p", 1)):
        table |= _compare_memory(suffix, pops)
    table["ftst"] = lambda x: _compare(x, f80.register(0), True, 0)
    return table


def _compare_memory(suffix: str, pops: int) -> dict[str, Function]:
    return {
        f"fcom{suffix}_m32": lambda x, a: _compare(x, f80.widen(F32, a), True, pops),
        f"fcom{suffix}_m64": lambda x, a: _compare(x, f80.widen(F64, a), True, pops),
        f"ficom{suffix}_m16": lambda x, a: _compare(x, f80.integer(signed(a, 16)), True, pops),
        f"ficom{suffix}_m32": lambda x, a: _compare(x, f80.integer(signed(a, 32)), True, pops),
    }


# --- Registers ---------------------------------------------------------------------------------


def fxch(x: X87State, i: int) -> None:
    """Exchange ST(0) and ST(i)."""
    x.wait()
    x.status(0)
    if x.empty(0, i):
        if not x.stack_fault():
            return
        for n in (0, i):
            if x.empty(n):
                x.set(n, INDEFINITE)
    a, b = x.get(0), x.get(i)
    x.set(0, b)
    x.set(i, a)


def fcmov(x: X87State, i: int, condition: int) -> None:
    """ST(0) = ST(i) if the condition holds."""
    x.wait()
    if x.empty(0, i):
        if x.stack_fault():
            x.set(0, INDEFINITE)
    elif condition:
        x.set(0, x.get(i))


def ffree(x: X87State, i: int) -> None:
    """Mark ST(i) empty."""
    x.wait()
    x.status(0)
    x.tags &= ~(1 << x.physical(i))


def ffreep(x: X87State, i: int) -> None:
    """Mark ST(i) empty, then pop."""
    ffree(x, i)
    x.pop()


def _rotate(step: int) -> Function:
    def apply(x: X87State) -> None:
        x.wait()
        x.status(0)
        x.top = x.physical(step)

    return apply


# --- Control -----------------------------------------------------------------------------------


def fnclex(x: X87State) -> None:
    """Clear exceptions."""
    x.clear(EXCEPTIONS | SF)


def sane_control(cw: int) -> int:
    """Reserved bits of a control word as the processor keeps them."""
    return cw & 0x1F3F | 0x40


def fldcw(x: X87State, cw: int) -> None:
    """Load the control word."""
    x.wait()
    x.cw = sane_control(cw)


def mmx_enter(x: X87State) -> None:
    """Before an MMX instruction."""
    x.wait()
    x.top, x.tags = 0, 0xFF


def emms(x: X87State) -> None:
    """All registers become empty."""
    x.wait()
    x.tags = 0


def functions() -> dict[str, Function]:
    """All of this module by name."""
    plain = (fscale, fxtract, fxam, fxch, fcmov, ffree, ffreep, fnclex, fldcw, mmx_enter, emms)
    table: dict[str, Function] = {f.__name__: f for f in plain}
    table |= {
        "fchs": _unary(lambda a, cw: (a ^ F80.sign_bit, 0)),
        "fabs": _unary(lambda a, cw: (a & ~F80.sign_bit, 0)),
        "fsqrt": _unary(f80.sqrt),
        "frndint": _unary(f80.rint),
        "fprem": _remainder(False),
        "fprem1": _remainder(True),
        "f2xm1": _transcendental(x87_math.f2xm1, 0),
        "fsin": _transcendental(x87_math.fsin, C2),
        "fcos": _transcendental(x87_math.fcos, C2),
        "fyl2x": _binary_pop(x87_math.fyl2x),
        "fyl2xp1": _binary_pop(x87_math.fyl2xp1),
        "fpatan": _binary_pop(x87_math.fpatan),
        "fptan": _pushing(x87_math.fptan),
        "fsincos": _pushing(x87_math.fsincos),
        "fincstp": _rotate(1),
        "fdecstp": _rotate(7),
        "fninit": X87State.initialize,
        "fnstcw": lambda x: x.cw,
        "fnstsw": lambda x: x.status_word,
        "wait": X87State.wait,
        "fnop": X87State.wait,
    }
    return table | _comparisons()
