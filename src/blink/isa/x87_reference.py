"""The x87 instructions on plain numbers: Python twins of engine/x87.h under the same names.

`FUNCTIONS[name](x87, *arguments)` does what `name(c, arguments)` does in C and returns the same
number, or None; `Pending` is #MF.
Here: loads, stores, arithmetic.  Instructions with memory images are in x87_images.
"""

from __future__ import annotations

from collections.abc import Callable

from blink.isa import _f80 as f80
from blink.isa import _x87_more
from blink.isa._f80 import C1, INDEFINITE
from blink.isa._softfloat import F32, F64, PE, Operand
from blink.isa._x87_more import Function, signed
from blink.isa.x87_state import EXCEPTIONS, MASK64, Pending, X87State

__all__ = ["FUNCTIONS", "Pending", "X87State"]

# --- Loads -------------------------------------------------------------------------------------


def _push_operand(x: X87State, a: Operand) -> None:
    x.wait()
    x.push(*f80.load(a))


def _push(x: X87State, value: int) -> None:
    x.wait()
    x.push(value)


def fld_sti(x: X87State, i: int) -> None:
    x.wait()
    if not x.empty(i):
        x.push(x.get(i))
    elif x.stack_fault():
        x.top = x.physical(7)
        x.set(0, INDEFINITE)


# Significand and exponent rounded to nearest, and whether the true value lies below (-1) or above.
_CONSTANTS = {
    "fld1": (1 << 63, 0x3FFF, 0),
    "fldl2t": (0xD49A784BCD1B8AFE, 0x4000, 1),
    "fldl2e": (0xB8AA3B295C17F0BC, 0x3FFF, -1),
    "fldpi": (0xC90FDAA22168C235, 0x4000, -1),
    "fldlg2": (0x9A209A84FBCFF799, 0x3FFD, -1),
    "fldln2": (0xB17217F7D1CF79AC, 0x3FFE, -1),
    "fldz": (0, 0, 0),
}


def _constant(m: int, exponent: int, side: int) -> Function:
    def push(x: X87State) -> None:
        rounding = x.cw >> 10 & 3
        down = side < 0 and rounding in (1, 3)
        _push(x, exponent << 64 | m - down + (side > 0 and rounding == 2))

    return push


def _loads() -> dict[str, Function]:
    table: dict[str, Function] = {
        "fld_m32": lambda x, a: _push_operand(x, f80.widen(F32, a)),
        "fld_m64": lambda x, a: _push_operand(x, f80.widen(F64, a)),
        "fld_m80": lambda x, low, high: _push(x, high << 64 | low),
        "fbld": lambda x, low, high: _push(x, f80.from_bcd(high << 64 | low)),
    }
    for name, constant in _CONSTANTS.items():
        table[name] = _constant(*constant)
    return table


def _load_integer(width: int) -> Function:
    return lambda x, a: _push(x, f80.integer(signed(a, width))[0])


# --- Stores: they convert and raise flags; the caller stores and pops if x87_ok ------------------


def ok(x: X87State) -> int:
    return int(not x.sw & ~x.cw & EXCEPTIONS & ~PE)


def pop(x: X87State) -> None:
    x.pop()


def _storable(x: X87State) -> bool:
    x.wait()
    if not x.empty(0):
        return True
    x.stack_fault()
    return False


def _store(indefinite: int, convert: Callable[[int, int], f80.Result]) -> Function:
    def apply(x: X87State) -> int:
        if not _storable(x):
            return indefinite
        value, flags = convert(x.get(0), x.cw)
        x.status(flags)
        return value

    return apply


def _store_integer(width: int, truncate: bool) -> Function:
    def convert(a: int, cw: int) -> f80.Result:
        value, flags = f80.to_integer(a, width, cw | (0xC00 if truncate else 0))
        return value, flags & ~C1 if truncate else flags

    return _store(1 << (width - 1), convert)


def _stores() -> dict[str, Function]:
    return {
        "fst_m32": _store(F32.default_nan, f80.to_f32),
        "fst_m64": _store(F64.default_nan, f80.to_f64),
        "fst_m80": _store(INDEFINITE & MASK64, lambda a, cw: (a & MASK64, 0)),
        "fbstp": _store(f80.BCD_INDEFINITE & MASK64, _bcd_low),
    }


def _bcd_low(a: int, cw: int) -> f80.Result:
    value, flags = f80.to_bcd(a, cw)
    return value & MASK64, flags


def fst_m80_hi(x: X87State) -> int:
    return (INDEFINITE if x.empty(0) else x.get(0)) >> 64


def fbstp_hi(x: X87State) -> int:
    return (f80.BCD_INDEFINITE if x.empty(0) else f80.to_bcd(x.get(0), x.cw)[0]) >> 64


def _store_register(x: X87State, i: int, pops: int) -> None:
    x.wait()
    value = INDEFINITE if x.empty(0) else x.get(0)
    if x.empty(0):
        if not x.stack_fault():
            return
    else:
        x.status(0)
    x.set(i, value)
    x.pop(pops)


def fst_sti(x: X87State, i: int) -> None:
    _store_register(x, i, 0)


def fstp_sti(x: X87State, i: int) -> None:
    _store_register(x, i, 1)


def fstpnce_sti(x: X87State, i: int) -> None:
    """In no manual of today: FSTP, to which an empty ST0 is no error."""
    if x.empty(0):
        FUNCTIONS["x87_fincstp"](x)
    else:
        _store_register(x, i, 1)


# --- Arithmetic --------------------------------------------------------------------------------


def _registers(op: f80.Binary, x: X87State, dest: int, a: int, b: int, pops: int) -> None:
    """ST(dest) = ST(a) OP ST(b), then pop."""
    x.wait()
    if not x.empty(a, b):
        x.deliver(*op(f80.register(x.get(a)), f80.register(x.get(b)), x.cw), dest, pops)
    elif x.stack_fault():
        x.set(dest, INDEFINITE)
        x.pop(pops)


def _memory(op: f80.Binary, x: X87State, b: Operand) -> None:
    """ST(0) = ST(0) OP memory."""
    x.wait()
    if not x.empty(0):
        x.deliver(*op(f80.register(x.get(0)), b, x.cw))
    elif x.stack_fault():
        x.set(0, INDEFINITE)


def _arithmetic(name: str, op: f80.Binary) -> dict[str, Function]:
    return {
        f"f{name}_st0_sti": lambda x, i: _registers(op, x, 0, 0, i, 0),
        f"f{name}_sti_st0": lambda x, i: _registers(op, x, i, i, 0, 0),
        f"f{name}p_sti_st0": lambda x, i: _registers(op, x, i, i, 0, 1),
        f"f{name}_m32": lambda x, a: _memory(op, x, f80.widen(F32, a)),
        f"f{name}_m64": lambda x, a: _memory(op, x, f80.widen(F64, a)),
        f"fi{name}_m16": lambda x, a: _memory(op, x, f80.integer(signed(a, 16))),
        f"fi{name}_m32": lambda x, a: _memory(op, x, f80.integer(signed(a, 32))),
    }


# --- The table ---------------------------------------------------------------------------------

_OPERATIONS = {
    "add": f80.add, "mul": f80.mul, "sub": f80.sub, "subr": f80.subr, "div": f80.div,
    "divr": f80.divr,
}  # fmt: skip


def _functions() -> dict[str, Function]:
    table = {**_loads(), **_stores(), **_x87_more.functions()}
    for function in (fld_sti, fst_m80_hi, fbstp_hi, fst_sti, fstp_sti, fstpnce_sti, ok, pop):
        table[function.__name__] = function
    for width in (16, 32, 64):
        table[f"fild_m{width}"] = _load_integer(width)
        table[f"fist_m{width}"] = _store_integer(width, False)
        table[f"fisttp_m{width}"] = _store_integer(width, True)
    for name, op in _OPERATIONS.items():
        table |= _arithmetic(name, op)
    return {f"x87_{name}": function for name, function in table.items()}


FUNCTIONS: dict[str, Function] = _functions()
