"""Floating-point reference: comparisons, conversions and the table of SSE primitives.

All values are bit patterns in Python integers; vectors are 128-bit integers with lane 0 lowest.
The names in `PRIMITIVES` are those of engine/fp.h, which says what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

from blink.isa._softfloat import (
    DE,
    DENORMAL,
    DOWN,
    EQUAL,
    EXCEPTIONS,
    F16,
    F32,
    F64,
    F80,
    GREATER,
    IE,
    INFINITY,
    LESS,
    NEAREST,
    NORMAL,
    OE,
    PE,
    QNAN,
    SNAN,
    TRUNCATE,
    UE,
    UNORDERED,
    UNSUPPORTED,
    UP,
    ZE,
    ZERO,
    Env,
    Format,
    Number,
    add,
    decode,
    div,
    fma,
    invalid,
    mul,
    propagate,
    quiet,
    round_at,
    round_pack,
    sqrt,
    sub,
)

__all__ = [
    "DE", "DENORMAL", "DOWN", "EQUAL", "EXCEPTIONS", "F16", "F32", "F64", "F80", "GREATER", "IE",
    "INFINITY", "LESS", "NEAREST", "NORMAL", "OE", "PE", "PRIMITIVES", "QNAN", "SNAN", "TRUNCATE",
    "UE", "UNORDERED", "UNSUPPORTED", "UP", "ZE", "ZERO", "Env", "Format", "add", "compare",
    "compare_predicate", "convert", "decode", "div", "fma", "from_int", "invalid", "max_", "min_",
    "mul", "propagate", "quiet", "reciprocal", "reciprocal_sqrt", "round_at", "round_pack",
    "round_to_integer", "sqrt", "sub", "to_int",
]  # fmt: skip

Primitive = Callable[..., int]

# --- Comparison --------------------------------------------------------------------------------


def _order(x: Number, y: Number) -> int:
    """LESS, EQUAL or GREATER for two decoded operands that are not NaNs."""
    if x[0] == ZERO and y[0] == ZERO:
        return EQUAL
    kx, ky = _key(x), _key(y)
    return LESS if kx < ky else GREATER if kx > ky else EQUAL


def _key(x: Number) -> tuple[int, int, int]:
    """Sorts as the values do: numbers of one format have the same e for all denormals."""
    kind, sign, m, e = x
    if kind == ZERO:
        return 0, 0, 0
    if kind == INFINITY:
        return (-2, 0, 0) if sign else (2, 0, 0)
    return (-1, -e, -m) if sign else (1, e, m)


def compare(fmt: Format, a: int, b: int, env: Env, *, signaling: bool = False) -> int:
    """LESS, EQUAL, GREATER or UNORDERED; IE for a signalling NaN, or any NaN if `signaling`."""
    return compare_numbers(decode(fmt, a, env.daz), decode(fmt, b, env.daz), env, signaling)


def compare_numbers(x: Number, y: Number, env: Env, signaling: bool) -> int:
    """Compare decoded operands of one format."""
    if x[0] >= QNAN or y[0] >= QNAN:
        if signaling or x[0] > QNAN or y[0] > QNAN:
            env.flags |= IE
        return UNORDERED
    if DENORMAL in (x[0], y[0]):
        env.flags |= DE
    return _order(x, y)


# Relations for which VCMPPS predicates 0..15 hold; 16..31 repeat them with quiet and signalling
# exchanged (SDM volume 2, VCMPPD).
_L, _E, _G, _U = LESS, EQUAL, GREATER, UNORDERED
_HOLDS = (
    _E, _L, _L | _E, _U, _L | _G | _U, _E | _G | _U, _G | _U, _L | _E | _G,
    _E | _U, _L | _U, _L | _E | _U, 0, _L | _G, _E | _G, _G, _L | _E | _G | _U,
)  # fmt: skip
_SIGNALING = {1, 2, 5, 6, 9, 10, 13, 14, 16, 19, 20, 23, 24, 27, 28, 31}


def compare_predicate(fmt: Format, a: int, b: int, predicate: int, env: Env) -> int:
    """All ones if the VCMPPS predicate 0..31 holds, else 0."""
    relation = compare(fmt, a, b, env, signaling=predicate in _SIGNALING)
    return (1 << fmt.width) - 1 if _HOLDS[predicate & 15] & relation else 0


def _eflags(fmt: Format, a: int, b: int, env: Env, signaling: bool) -> int:
    """ZF, PF, CF as COMISS sets them."""
    relation = compare(fmt, a, b, env, signaling=signaling)
    return {LESS: 0x01, EQUAL: 0x40, GREATER: 0, UNORDERED: 0x45}[relation]


def min_(fmt: Format, a: int, b: int, env: Env) -> int:
    """MINSS: a if a < b, else b (also for NaNs and two zeros)."""
    return _select(fmt, a, b, LESS, env)


def max_(fmt: Format, a: int, b: int, env: Env) -> int:
    """MAXSS: a if a > b, else b (also for NaNs and two zeros)."""
    return _select(fmt, a, b, GREATER, env)


def _select(fmt: Format, a: int, b: int, wanted: int, env: Env) -> int:
    """One operand, as DAZ leaves it."""
    chosen = a if compare(fmt, a, b, env, signaling=True) == wanted else b
    kind, sign, _, _ = decode(fmt, chosen, env.daz)
    return fmt.zero(sign) if kind == ZERO else chosen


# --- Conversion --------------------------------------------------------------------------------


def convert(src: Format, dst: Format, a: int, env: Env, *, denormals: bool = True) -> int:
    """Between formats; `denormals`: they raise DE (not when the x87 stores)."""
    kind, sign, m, e = decode(src, a, env.daz)
    if kind == UNSUPPORTED:
        return invalid(dst, env)
    if kind >= QNAN:
        env.flags |= IE if kind == SNAN else 0
        return _convert_nan(src, dst, sign, m)
    if kind == ZERO:
        return dst.zero(sign)
    if kind == INFINITY:
        return dst.inf(sign)
    if kind == DENORMAL and denormals:
        env.flags |= DE
        if not env.masks & DE:
            return 0
    return round_pack(dst, env, sign, m, e)


def _convert_nan(src: Format, dst: Format, sign: int, m: int) -> int:
    """A quiet NaN with the upper payload bits."""
    shift = dst.p - src.p
    payload = m << shift if shift >= 0 else m >> -shift
    keep = dst.frac_mask >> 1 if dst.explicit else dst.frac_mask
    return quiet(dst, dst.zero(sign) | dst.infinity | payload & keep)


def to_int(
    fmt: Format,
    a: int,
    width: int,
    env: Env,
    *,
    rounding: int | None = None,
    signed: bool = True,
) -> int:
    """An integer of `width` bits (two's complement).

    NaNs and values out of range raise IE and give the indefinite integer: only the sign bit set,
    or all ones if not `signed`.  Denormals raise no DE.
    """
    kind, sign, m, e = decode(fmt, a, env.daz)
    limit = 1 << (width - 1 if signed else width)
    indefinite = limit if signed else limit - 1
    if kind >= INFINITY or (kind == NORMAL and e > 256):
        env.flags |= IE
        return indefinite
    if kind == ZERO:
        return 0
    mode = env.rounding if rounding is None else rounding
    magnitude, inexact, up = round_at(sign, m, -e, mode)
    value = -magnitude if sign else magnitude
    if not (-limit if signed else 0) <= value < limit:
        env.flags |= IE
        return indefinite
    env.flags |= PE if inexact else 0
    env.c1 = up
    return value & ((1 << width) - 1)


def from_int(fmt: Format, value: int, env: Env) -> int:
    """From a (signed) Python integer."""
    if value == 0:
        return 0
    return round_pack(fmt, env, int(value < 0), abs(value), 0)


def round_to_integer(
    fmt: Format, a: int, env: Env, *, rounding: int | None = None, exact: bool = False
) -> int:
    """ROUNDSS, FRNDINT: the nearest integer in the same format; `exact` suppresses PE.

    Denormals raise DE in f80 only.
    """
    x = decode(fmt, a, env.daz)
    kind, sign, m, e = x
    if kind >= QNAN:
        return propagate(fmt, env, (a, x))
    if kind == ZERO:
        return fmt.zero(sign)
    if kind == DENORMAL and fmt.explicit:
        env.flags |= DE
        if not env.masks & DE:
            return 0
    if kind == INFINITY or e >= 0:
        return a
    mode = env.rounding if rounding is None else rounding
    magnitude, inexact, up = round_at(sign, m, -e, mode)
    env.flags |= PE if inexact and not exact else 0
    env.c1 = up
    return round_pack(fmt, Env(), sign, magnitude, 0) if magnitude else fmt.zero(sign)


# --- Approximations ----------------------------------------------------------------------------

_APPROXIMATE_BITS = 12


def _approximate(sign: int, m: int, e: int) -> int:
    """An f32 with 12 significant bits; tiny results are zero."""
    extra = m.bit_length() - _APPROXIMATE_BITS
    env = Env(ftz=True)
    return round_pack(F32, env, sign, round_at(0, m, extra, NEAREST)[0], e + extra)


def reciprocal(a: int) -> int:
    """RCPSS for hosts without it: 1 / a to 12 bits; denormals count as zero; no exceptions."""
    kind, sign, m, e = decode(F32, a, True)
    if kind >= QNAN:
        return quiet(F32, a)
    if kind == ZERO:
        return F32.inf(sign)
    if kind == INFINITY:
        return F32.zero(sign)
    return _approximate(sign, (1 << 62) // m << 1 | 1, -e - 63)


def reciprocal_sqrt(a: int) -> int:
    """RSQRTSS for hosts without it: 1 / sqrt(a) to 12 bits; denormals count as zero."""
    kind, sign, m, e = decode(F32, a, True)
    if kind >= QNAN:
        return quiet(F32, a)
    if kind == ZERO:
        return F32.inf(sign)
    if sign:
        return F32.default_nan
    if kind == INFINITY:
        return 0
    if e & 1:
        m, e = m << 1, e - 1
    return _approximate(0, isqrt((1 << 88) // m) << 1 | 1, -e // 2 - 45)


# --- The table ---------------------------------------------------------------------------------


def _lanes(a: int, width: int) -> list[int]:
    mask = (1 << width) - 1
    return [a >> i & mask for i in range(0, 128, width)]


def _join(lanes: list[int], width: int) -> int:
    return sum(lane << i * width for i, lane in enumerate(lanes))


def _settle(env: Env, before: int) -> None:
    """A trap before the computation (I, D, Z) hides what the computation would raise."""
    if (env.flags & ~before) & ~env.masks & (IE | DE | ZE):
        env.flags &= before | IE | DE | ZE


def _packed(scalar: Primitive, source: int, dest: int, count: int, extra: int = 0) -> Primitive:
    """The vector form of a primitive on `count` lanes; `extra` trailing arguments are shared."""

    def apply(env: Env, *args: int) -> int:
        vectors, shared = args[: len(args) - extra], args[len(args) - extra :]
        before = env.flags
        rows = zip(*(_lanes(v, source)[:count] for v in vectors), strict=True)
        results = [scalar(env, *row, *shared) for row in rows]
        _settle(env, before)
        return _join(results, dest)

    return apply


def _scalar(operation: Callable[..., int], fmt: Format) -> Primitive:
    return lambda env, *operands: operation(fmt, *operands, env)


def _formats(bits: int, fmt: Format) -> dict[str, Primitive]:
    """Arithmetic and comparisons of one format, scalar and packed."""
    table: dict[str, Primitive] = {}
    binary: dict[str, Callable[..., int]] = {
        "add": add, "sub": sub, "mul": mul, "div": div, "min": min_, "max": max_,
    }  # fmt: skip
    operations: dict[str, Callable[..., int]] = {**binary, "sqrt": sqrt, "fma": fma}
    for name, operation in operations.items():
        table[f"f{bits}_{name}"] = _scalar(operation, fmt)
    table[f"f{bits}_cmp"] = lambda env, a, b, pred: compare_predicate(fmt, a, b, pred, env)
    for name in [*operations, "cmp"]:
        scalar = table[f"f{bits}_{name}"]
        table[f"v_f{bits}_{name}"] = _packed(scalar, bits, bits, 128 // bits, int(name == "cmp"))
    table[f"f{bits}_comi"] = lambda env, a, b: _eflags(fmt, a, b, env, True)
    table[f"f{bits}_ucomi"] = lambda env, a, b: _eflags(fmt, a, b, env, False)
    return table


def _from_integer(width: int, fmt: Format) -> Primitive:
    sign = 1 << (width - 1)
    return lambda env, a: from_int(fmt, (a & ((1 << width) - 1) ^ sign) - sign, env)


def _to_integer(fmt: Format, width: int, rounding: int | None) -> Primitive:
    return lambda env, a: to_int(fmt, a, width, env, rounding=rounding)


def _from_half(env: Env, a: int) -> int:
    """VCVTPH2PS: denormals raise nothing, and DAZ does not count."""
    daz, env.daz = env.daz, False
    result = convert(F16, F32, a, env, denormals=False)
    env.daz = daz
    return result


def _to_half(env: Env, a: int, control: int) -> int:
    """VCVTPS2PH: the rounding mode is in the immediate, unless its bit 2 is set; no FTZ."""
    ftz, rounding = env.ftz, env.rounding
    env.ftz, env.rounding = False, rounding if control & 4 else control & 3
    result = convert(F32, F16, a, env)
    env.ftz, env.rounding = ftz, rounding
    return result


def _conversions() -> dict[str, Primitive]:
    table: dict[str, Primitive] = {
        "v_cvt_f16_f32": _packed(_from_half, 16, 32, 4),
        "v_cvt_f32_f16": _packed(_to_half, 32, 16, 4, 1),
        "cvt_f32_f64": lambda env, a: convert(F32, F64, a, env),
        "cvt_f64_f32": lambda env, a: convert(F64, F32, a, env),
    }
    for f, fmt in ((32, F32), (64, F64)):
        for s in (32, 64):
            table[f"cvt_s{s}_f{f}"] = _from_integer(s, fmt)
            table[f"cvt_f{f}_s{s}"] = _to_integer(fmt, s, None)
            table[f"cvtt_f{f}_s{s}"] = _to_integer(fmt, s, TRUNCATE)
    shapes = (("s32_f32", 32, 32), ("f32_s32", 32, 32), ("s32_f64", 32, 64), ("f64_s32", 64, 32),
              ("f32_f64", 32, 64), ("f64_f32", 64, 32))  # fmt: skip
    for name, source, dest in shapes:
        for cvt in ("cvt", "cvtt"):
            if f"{cvt}_{name}" in table:
                count = 128 // max(source, dest)
                table[f"v_{cvt}_{name}"] = _packed(table[f"{cvt}_{name}"], source, dest, count)
    return table


def _primitives() -> dict[str, Primitive]:
    table = {**_formats(32, F32), **_formats(64, F64), **_conversions()}
    table["f32_rcp"] = lambda _env, a: reciprocal(a)
    table["f32_rsqrt"] = lambda _env, a: reciprocal_sqrt(a)
    for name in ("rcp", "rsqrt"):
        table[f"v_f32_{name}"] = _packed(table[f"f32_{name}"], 32, 32, 4)
    return table


PRIMITIVES: dict[str, Primitive] = _primitives()
