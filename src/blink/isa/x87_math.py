"""The transcendental x87 instructions, correctly rounded (SDM volume 2 for the special cases).

Processors are within one unit in the last place of these (SDM volume 1, 8.3.10); sine, cosine and
tangent reduce their argument by a pi of 66 bits, as SDM 8.3.8 describes.

A function that never gives an exact result is evaluated with growing precision until both ends of
its error interval round alike.
"""

from __future__ import annotations

from collections.abc import Callable

from blink.isa import _precise as precise
from blink.isa import _softfloat as soft
from blink.isa._f80 import C2, ONE, Result, status
from blink.isa._precise import GUARD
from blink.isa._softfloat import DENORMAL, F80, INFINITY, PE, QNAN, UE, ZE, ZERO, Env, Number

Unary = Callable[[int, int], Result]
Binary = Callable[[int, int, int], Result]
Pushing = Callable[[int, int], tuple[int, int, int]]

# (m, e): the true magnitude lies strictly between (m - 1) * 2**e and (m + 1) * 2**e.
Approximation = Callable[[int], tuple[int, int]]


def _copy(env: Env) -> Env:
    return Env(env.rounding, masks=env.masks)


def _rounded(env: Env, sign: int, approximate: Approximation) -> int:
    """Round what is never exact.  `approximate(bits)` is asked for about that many bits."""
    bits = 96
    while True:
        m, e = approximate(bits)
        low, high = _copy(env), _copy(env)
        if m > 1:
            below = soft.round_pack(F80, low, sign, (m - 1) << 1 | 1, e - 1, 64, True)
            above = soft.round_pack(F80, high, sign, (m + 1 << 1) - 1, e - 1, 64, True)
            if below == above and low.flags == high.flags and low.c1 == high.c1:
                env.flags |= low.flags
                env.c1 = low.c1
                return below
        bits *= 2


def _top(x: Number) -> int:
    """The exponent of the leading bit."""
    return x[3] + x[2].bit_length() - 1


def _fixed(m: int, e: int, p: int) -> int:
    """m * 2**e with p fraction bits."""
    return m << (e + p) if e + p >= 0 else m >> -(e + p)


def _special(env: Env, *operands: tuple[int, Number]) -> int | None:
    """The result for NaNs."""
    if any(x[0] >= QNAN for _, x in operands):
        return soft.propagate(F80, env, *operands)
    return None


# --- F2XM1 -------------------------------------------------------------------------------------


def f2xm1(a: int, cw: int) -> Result:
    """2**a - 1 for -1 <= a <= 1; beyond that, where all is undefined, AMD's a with PE."""
    env = Env.from_control_word(cw)
    x = soft.decode(F80, a)
    kind, sign, m, e = x
    nan = _special(env, (a, x))
    if nan is not None:
        return nan, env.flags
    if not soft.note_denormal(env, x) or kind == ZERO:
        return a, env.flags
    if kind == INFINITY:
        return (F80.sign_bit | ONE if sign else a), env.flags
    if a & ~F80.sign_bit == ONE:  # 1, or -1/2 for -1
        return (a - (1 << 64) if sign else a), env.flags
    if _top(x) >= 0:
        return a, env.flags | PE

    def approximate(bits: int) -> tuple[int, int]:
        p = bits + GUARD - _top(x)
        q = bits + GUARD + 64
        t = _fixed(m * precise.ln2(q), e - q, p)
        return abs(precise.expm1(-t if sign else t, p)) >> GUARD // 2, GUARD // 2 - p

    return _rounded(env, sign, approximate), status(env)


# --- Logarithms --------------------------------------------------------------------------------


def _log2(m: int, e: int, bits: int) -> tuple[int, int]:
    """log2(m * 2**e) as (fixed, p): at least `bits` good bits.  The number is not a power of 2."""
    length = m.bit_length()
    exponent = e + length - 1
    if m >> (length - 2) == 3:  # 1.5 and more: take the next power, so that |d| <= 1/2
        exponent += 1
    shift = exponent - e
    d = m - (1 << shift)
    p = bits + GUARD + (shift - abs(d).bit_length() if exponent == 0 else 0)
    q = bits + 2 * GUARD
    return (exponent << p) + (precise.ln1p(d, shift, p) << q) // precise.ln2(q), p


def _y_times_log2(env: Env, y: Number, m: int, e: int) -> int:
    """y * log2(m * 2**e) for y not zero and m * 2**e not 1."""
    above_one = e + m.bit_length() - 1 >= 0
    sign = y[1] ^ (not above_one)
    if m & (m - 1) == 0:
        return _exact_product(env, sign, y[2] * abs(e + m.bit_length() - 1), y[3])

    def approximate(bits: int) -> tuple[int, int]:
        log, p = _log2(m, e, bits)
        drop = GUARD // 2 + y[2].bit_length()
        return abs(log) * y[2] >> drop, drop - p + y[3]

    return _rounded(env, sign, approximate)


def _exact_product(env: Env, sign: int, m: int, e: int) -> int:
    """m * 2**e, rounded; processors report it as inexact all the same, and as tiny with that."""
    result = soft.round_pack(F80, env, sign, m, e, 64, True)
    tiny = soft.decode(F80, result)[0] == DENORMAL
    env.flags |= PE | UE if tiny else PE
    return result


def fyl2x(a: int, b: int, cw: int) -> Result:
    """b * log2(a)."""
    env = Env.from_control_word(cw)
    x, y = soft.decode(F80, a), soft.decode(F80, b)
    nan = _special(env, (a, x), (b, y))
    if nan is not None:
        return nan, env.flags
    if x[1] and x[0] != ZERO:
        return soft.invalid(F80, env), env.flags
    if x[0] == ZERO:
        return _log_of_zero(env, y), env.flags
    return _scaled_log(env, a == ONE, x, y, x[2], x[3]), status(env)


def _log_of_zero(env: Env, y: Number) -> int:
    if y[0] == ZERO:
        return soft.invalid(F80, env)
    if y[0] != INFINITY:
        env.flags |= ZE
    return F80.inf(1 - y[1])


def _scaled_log(env: Env, is_one: bool, x: Number, y: Number, m: int, e: int) -> int:
    """y * log2(m * 2**e), where x is the operand that may be infinite."""
    infinite = x[0] == INFINITY
    if (y[0] == INFINITY and is_one) or (y[0] == ZERO and infinite):
        return soft.invalid(F80, env)
    if not soft.note_denormal(env, x, y):
        return 0
    negative = not infinite and not is_one and e + m.bit_length() - 1 < 0
    if infinite or y[0] == INFINITY:
        return F80.inf(y[1] ^ negative)
    if y[0] == ZERO or is_one:
        return F80.zero(y[1] ^ negative)
    return _y_times_log2(env, y, m, e)


def fyl2xp1(a: int, b: int, cw: int) -> Result:
    """b * log2(a + 1)."""
    env = Env.from_control_word(cw)
    x, y = soft.decode(F80, a), soft.decode(F80, b)
    nan = _special(env, (a, x), (b, y))
    if nan is not None:
        return nan, env.flags
    kind, sign, m, e = x
    if kind == ZERO:
        if y[0] == INFINITY:
            return soft.invalid(F80, env), env.flags
        soft.note_denormal(env, y)
        return F80.zero(sign ^ y[1]), env.flags
    if sign and _top(x) >= 0:  # undefined: AMD's a with PE
        return a, env.flags | PE
    if kind == INFINITY:
        return _scaled_log(env, False, x, y, m, 0), status(env)
    if e > 128:  # the 1 is only a sticky bit
        return _scaled_log(env, False, x, y, m << 64 | 1, e - 64), status(env)
    low = min(e, 0)
    one_plus = (1 << -low) + ((-m if sign else m) << (e - low))
    return _scaled_log(env, False, x, y, one_plus, low), status(env)


# --- FPATAN ------------------------------------------------------------------------------------


def fpatan(a: int, b: int, cw: int) -> Result:
    """The angle of the point (a, b): arctan(b / a) in the quadrant that both signs tell."""
    env = Env.from_control_word(cw)
    x, y = soft.decode(F80, a), soft.decode(F80, b)
    nan = _special(env, (a, x), (b, y))
    if nan is not None:
        return nan, env.flags
    if not soft.note_denormal(env, x, y):
        return 0, env.flags
    quarters = _axis(x, y)
    if quarters == 0:
        return F80.zero(y[1]), env.flags
    if quarters is not None:
        return _rounded(env, y[1], lambda bits: (precise.pi(bits) * quarters >> 2, -bits)), status(
            env
        )
    return _rounded(env, y[1], lambda bits: _angle(x, y, bits)), status(env)


def _axis(x: Number, y: Number) -> int | None:
    """The angle in quarters of pi where a coordinate is zero or infinite."""
    if x[0] == INFINITY and y[0] == INFINITY:
        return 3 if x[1] else 1
    if y[0] == ZERO or x[0] == INFINITY:
        return 4 if x[1] else 0
    return 2 if x[0] == ZERO or y[0] == INFINITY else None


def _angle(x: Number, y: Number, bits: int) -> tuple[int, int]:
    """|angle|; small ones to `bits` bits of their own."""
    e = min(x[3], y[3])
    x_m, y_m = x[2] << (x[3] - e), y[2] << (y[3] - e)
    steep = y_m > x_m
    small = not steep and not x[1]
    p = bits + GUARD + (max(0, _top(x) - _top(y)) if small else 0)
    low, high = (x_m, y_m) if steep else (y_m, x_m)
    angle = precise.arctan((low << p) // high, p)
    if steep:
        angle = (precise.pi(p) >> 1) - angle
    if x[1]:
        angle = precise.pi(p) - angle
    return angle >> GUARD // 2, GUARD // 2 - p


# --- Sine, cosine, tangent ---------------------------------------------------------------------

PI_66 = 0x3243F6A8885A308D3  # pi * 2**64, 66 bits


def _reduce(m: int, e: int, p: int) -> tuple[int, int]:
    """(quadrant, rest) of m * 2**e: the rest in fixed point, at most pi / 4 of either sign."""
    value = _fixed(m, e, p)
    half = PI_66 << (p - 65)
    quadrant = (2 * value + half) // (2 * half)
    return quadrant & 3, value - quadrant * half


def _wave(m: int, e: int, quarter: int, bits: int) -> tuple[int, int]:
    """(signed sin(x + quarter * pi / 2), p)."""
    p = max(bits + GUARD - min(0, e + m.bit_length()), 65, 66 - e)
    quadrant, rest = _reduce(m, e, p)
    sine, cosine = precise.sin_cos(rest, p)
    return (sine, cosine, -sine, -cosine)[(quadrant + quarter) & 3], p


def _sine_of(env: Env, sign: int, m: int, e: int, quarter: int) -> int:
    """sin (quarter 0) or cos (1) of a nonzero number of magnitude m * 2**e."""
    negative = _wave(m, e, quarter, 128)[0] < 0

    def approximate(bits: int) -> tuple[int, int]:
        value, p = _wave(m, e, quarter, bits)
        return abs(value) >> GUARD // 2, GUARD // 2 - p

    return _rounded(env, (sign if quarter == 0 else 0) ^ negative, approximate)


def _periodic(a: int, env: Env) -> tuple[Number, int | None, int]:
    """The decoded operand; a result that needs no computation; C2 if it is out of range."""
    x = soft.decode(F80, a)
    if x[0] >= QNAN:
        return x, soft.propagate(F80, env, (a, x)), 0
    if x[0] == INFINITY:
        return x, soft.invalid(F80, env), 0
    if x[0] != ZERO and _top(x) >= 63:
        return x, a, C2
    soft.note_denormal(env, x)
    return x, None, 0


def _single(quarter: int, of_zero: Callable[[int], int]) -> Unary:
    def apply(a: int, cw: int) -> Result:
        env = Env.from_control_word(cw)
        x, done, c2 = _periodic(a, env)
        if done is not None:
            return done, env.flags | c2
        if x[0] == ZERO:
            return of_zero(a), env.flags
        if env.unmasked:
            return a, env.flags
        return _sine_of(env, x[1], x[2], x[3], quarter), status(env)

    return apply


fsin = _single(0, lambda a: a)
fcos = _single(1, lambda a: ONE)


def fsincos(a: int, cw: int) -> tuple[int, int, int]:
    """(cosine, sine, status): the cosine ends on top."""
    sine, flags = fsin(a, cw)
    cosine, more = fcos(a, cw)
    if soft.decode(F80, a)[0] == DENORMAL:  # C1 is the sine's, but for that nothing differs
        flags |= more & ~_C1
    return cosine, sine, flags | more & ~_C1


_C1 = 1 << 9


def fptan(a: int, cw: int) -> tuple[int, int, int]:
    """(1, tangent, status); a NaN takes both places."""
    env = Env.from_control_word(cw)
    x, done, c2 = _periodic(a, env)
    if done is not None:
        return done, done, env.flags | c2
    if x[0] == ZERO or env.unmasked:
        return ONE, a, env.flags
    _, sign, m, e = x
    negative = _wave(m, e, 0, 128)[0] * _wave(m, e, 1, 128)[0] < 0

    def approximate(bits: int) -> tuple[int, int]:
        sine, p = _wave(m, e, 0, bits)
        cosine, _ = _wave(m, e, 1, bits)
        drop = GUARD // 2 + 2 * (p - abs(cosine).bit_length())
        return abs((sine << p) // cosine) >> drop, drop - p

    return ONE, _rounded(env, sign ^ negative, approximate), status(env)
