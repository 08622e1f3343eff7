"""Exact binary floating point on bit patterns: formats, environment, rounding, arithmetic.

A number is decoded to (kind, sign, m, e) with value (-1)**sign * m * 2**e.  Results are computed
exactly on Python integers (or with a sticky lowest bit far below the rounding position) and rounded
once by `round_pack`.  Facts: Intel SDM volume 1, chapters 4, 8 and 11.
"""

from __future__ import annotations

from math import isqrt

IE, DE, ZE, OE, UE, PE = (1 << i for i in range(6))
EXCEPTIONS = 0x3F
NEAREST, DOWN, UP, TRUNCATE = range(4)

# Kinds, ordered: everything from QNAN on needs the NaN rules.
ZERO, NORMAL, DENORMAL, INFINITY, QNAN, SNAN, UNSUPPORTED = range(7)

LESS, EQUAL, GREATER, UNORDERED = 1, 2, 4, 8

Number = tuple[int, int, int, int]
# A bit pattern with its decoded form.
Operand = tuple[int, Number]


class Env:
    """Rounding mode, exception masks and modes of an operation; it collects the flags raised.

    `precision` (24, 53 or 64) applies to f80 arithmetic only.  `masks` has the bits of masked
    exceptions.  `c1`: the last rounding went away from zero.  `scaled`: the last f80 result has its
    exponent biased by 24576, because overflow or underflow is unmasked.
    """

    __slots__ = ("c1", "daz", "flags", "ftz", "masks", "precision", "rounding", "scaled")

    def __init__(
        self,
        rounding: int = NEAREST,
        *,
        ftz: bool = False,
        daz: bool = False,
        precision: int = 64,
        masks: int = EXCEPTIONS,
    ) -> None:
        self.rounding = rounding
        self.ftz = ftz
        self.daz = daz
        self.precision = precision
        self.masks = masks
        self.flags = 0
        self.c1 = False
        self.scaled = False

    @classmethod
    def from_mxcsr(cls, mxcsr: int) -> Env:
        """The environment of SSE instructions.  Sticky flags of `mxcsr` are not taken over."""
        return cls(
            mxcsr >> 13 & 3,
            ftz=bool(mxcsr & 1 << 15),
            daz=bool(mxcsr & 1 << 6),
            masks=mxcsr >> 7 & EXCEPTIONS,
        )

    @classmethod
    def from_control_word(cls, cw: int) -> Env:
        """The environment of x87 instructions; the reserved precision 1 acts as 64 bits."""
        return cls(cw >> 10 & 3, precision=(24, 64, 53, 64)[cw >> 8 & 3], masks=cw & EXCEPTIONS)

    def merge(self, *raised: int) -> None:
        """Collect what parts of one operation raised; a trap before it hides what came after."""
        flags = 0
        for part in raised:
            flags |= part
        if flags & ~self.masks & (IE | DE | ZE):
            flags &= IE | DE | ZE
        self.flags |= flags

    @property
    def unmasked(self) -> int:
        """Raised exceptions that are not masked: the instruction traps (#XM, #MF)."""
        return self.flags & ~self.masks


class Format:
    """A binary format: `p` bits of significand, of which the first is stored if `explicit`."""

    __slots__ = (
        "bias", "default_nan", "emax", "emin", "exp_mask", "explicit", "frac_mask", "frac_width",
        "infinity", "p", "quiet_bit", "sign_bit", "width",
    )  # fmt: skip

    def __init__(self, width: int, exp_width: int, p: int, *, explicit: bool = False) -> None:
        self.width = width
        self.p = p
        self.explicit = explicit
        self.frac_width = p if explicit else p - 1
        self.frac_mask = (1 << self.frac_width) - 1
        self.exp_mask = (1 << exp_width) - 1
        self.bias = self.emax = (1 << (exp_width - 1)) - 1
        self.emin = 1 - self.bias
        self.sign_bit = 1 << (width - 1)
        self.quiet_bit = 1 << (p - 2)
        integer_bit = 1 << (p - 1) if explicit else 0
        self.infinity = self.exp_mask << self.frac_width | integer_bit
        self.default_nan = self.sign_bit | self.infinity | self.quiet_bit

    def zero(self, sign: int) -> int:
        return self.sign_bit if sign else 0

    def inf(self, sign: int) -> int:
        return self.infinity | self.sign_bit if sign else self.infinity


F16 = Format(16, 5, 11)
F32 = Format(32, 8, 24)
F64 = Format(64, 11, 53)
F80 = Format(80, 15, 64, explicit=True)


def decode(fmt: Format, a: int, daz: bool = False) -> Number:
    """(kind, sign, m, e) of a bit pattern; NaNs and infinities carry their fraction in m."""
    sign = 1 if a & fmt.sign_bit else 0
    exponent = a >> fmt.frac_width & fmt.exp_mask
    m = a & fmt.frac_mask
    if fmt.explicit:
        return _decode_explicit(fmt, sign, exponent, m)
    if exponent == 0:
        if m == 0 or daz:
            return ZERO, sign, 0, 0
        return DENORMAL, sign, m, fmt.emin - fmt.frac_width
    if exponent == fmt.exp_mask:
        return (INFINITY if m == 0 else QNAN if m & fmt.quiet_bit else SNAN), sign, m, 0
    return NORMAL, sign, m | 1 << fmt.frac_width, exponent - fmt.bias - fmt.frac_width


def _decode_explicit(fmt: Format, sign: int, exponent: int, m: int) -> Number:
    """f80: without its integer bit a number with an exponent is unsupported (SDM 8.2.2)."""
    if exponent == 0:
        return (DENORMAL if m else ZERO), sign, m, fmt.emin - fmt.p + 1
    if not m >> (fmt.p - 1):
        return UNSUPPORTED, sign, m, 0
    if exponent == fmt.exp_mask:
        fraction = m & (fmt.frac_mask >> 1)
        kind = INFINITY if fraction == 0 else QNAN if m & fmt.quiet_bit else SNAN
        return kind, sign, m, 0
    return NORMAL, sign, m, exponent - fmt.bias - fmt.p + 1


def operand(fmt: Format, a: int, env: Env) -> Operand:
    """A bit pattern with what it means under DAZ."""
    return a, decode(fmt, a, env.daz)


# --- Rounding ----------------------------------------------------------------------------------


def round_at(sign: int, m: int, shift: int, rounding: int) -> tuple[int, bool, bool]:
    """m / 2**shift as an integer: (rounded, inexact, away from zero)."""
    if shift <= 0:
        return m << -shift, False, False
    q = m >> shift
    rest = m & ((1 << shift) - 1)
    if rest == 0:
        return q, False, False
    if rounding == NEAREST:
        half = 1 << (shift - 1)
        up = rest > half or (rest == half and bool(q & 1))
    else:
        up = rounding == (DOWN if sign else UP)
    return q + up, True, up


def round_pack(
    fmt: Format, env: Env, sign: int, m: int, e: int, precision: int = 0, scalable: bool = False
) -> int:
    """The bit pattern of (-1)**sign * m * 2**e, m > 0, with the exceptions O, U and P.

    `precision`: bits to round to, if less than the format's.  `scalable`: an x87 register is the
    destination, where an unmasked overflow or underflow delivers a scaled result (SDM 8.5.4).
    """
    p = precision or fmt.p
    quantum = e + m.bit_length() - p
    floor = fmt.emin - p + 1
    tiny = False
    if quantum < floor:
        r, inexact, up = round_at(sign, m, quantum - e, env.rounding)
        tiny = r.bit_length() + quantum - 1 < fmt.emin
        if tiny and (env.ftz or not env.masks & UE):
            return _tiny(fmt, env, sign, m, e, precision, scalable, inexact)
        quantum = floor
    r, inexact, up = round_at(sign, m, quantum - e, env.rounding)
    env.c1 = up
    if r.bit_length() + quantum - 1 > fmt.emax:
        return _overflow(fmt, env, sign, m, e, precision, scalable, inexact)
    if inexact:
        env.flags |= PE | (UE if tiny else 0)
    return _assemble(fmt, sign, r, quantum)


def _tiny(
    fmt: Format, env: Env, sign: int, m: int, e: int, precision: int, scalable: bool, inexact: bool
) -> int:
    """A tiny result when underflow is unmasked, or masked with flush-to-zero.

    `inexact`: the result rounded as if the exponent had no limit, which is what a trap reports.
    """
    env.flags |= UE
    if env.masks & UE:
        env.flags |= PE
    elif scalable:
        env.scaled = True
        if e + m.bit_length() + 24576 > fmt.emin:
            return round_pack(fmt, env, sign, m, e + 24576, precision)
        env.flags |= PE
        env.c1 = False
    else:
        env.flags |= PE if inexact else 0
    return fmt.zero(sign)


def _overflow(
    fmt: Format, env: Env, sign: int, m: int, e: int, precision: int, scalable: bool, inexact: bool
) -> int:
    """A result beyond the largest finite number."""
    env.flags |= OE
    if env.masks & OE:
        env.flags |= PE
    elif scalable:
        env.scaled = True
        if e + m.bit_length() - 24576 <= fmt.emax:
            return round_pack(fmt, env, sign, m, e - 24576, precision)
        env.flags |= PE
        env.c1 = True
        return fmt.inf(sign)
    else:
        env.flags |= PE if inexact else 0
    env.c1 = env.rounding in (NEAREST, DOWN if sign else UP)
    if env.c1:
        return fmt.inf(sign)
    p = precision or fmt.p
    return _assemble(fmt, sign, (1 << p) - 1, fmt.emax - p + 1)


def _assemble(fmt: Format, sign: int, r: int, quantum: int) -> int:
    """The bit pattern of r * 2**quantum, which the format holds exactly."""
    if r == 0:
        return fmt.zero(sign)
    length = r.bit_length()
    top = quantum + length - 1
    if top < fmt.emin:
        return fmt.zero(sign) | r << (quantum - fmt.emin + fmt.p - 1)
    m = r << (fmt.p - length) if length <= fmt.p else r >> (length - fmt.p)
    return fmt.zero(sign) | (top + fmt.bias) << fmt.frac_width | m & fmt.frac_mask


# --- NaNs and operands -------------------------------------------------------------------------


def quiet(fmt: Format, a: int) -> int:
    """A NaN made quiet."""
    return a | fmt.quiet_bit


def invalid(fmt: Format, env: Env) -> int:
    """Raise IE; the result is the default NaN ("real indefinite")."""
    env.flags |= IE
    return fmt.default_nan


def propagate(fmt: Format, env: Env, *operands: Operand) -> int:
    """The NaN that an operation on these (bits, decoded) operands gives; one of them is a NaN.

    SSE takes the first NaN.  The x87 takes a quiet one before a signalling one, then the larger
    significand, then the positive one (SDM volume 1, table 4-7).
    """
    kinds = [x[0] for _, x in operands]
    if UNSUPPORTED in kinds:
        return invalid(fmt, env)
    if SNAN in kinds:
        env.flags |= IE
    nans = [(a, x) for a, x in operands if x[0] >= QNAN]
    if fmt.explicit:
        if QNAN in kinds:
            nans = [(a, x) for a, x in nans if x[0] == QNAN]
        nans.sort(key=lambda nan: (-nan[1][2], nan[1][1]))
    return quiet(fmt, nans[0][0])


def note_denormal(env: Env, *operands: Number) -> bool:
    """Raise DE for denormal operands.  False: it is unmasked, so nothing is computed."""
    for x in operands:
        if x[0] == DENORMAL:
            env.flags |= DE
            return bool(env.masks & DE)
    return True


def _finish(fmt: Format, env: Env, sign: int, m: int, e: int) -> int:
    """Round the nonzero result of an arithmetic operation."""
    if fmt.explicit:
        return round_pack(fmt, env, sign, m, e, env.precision, True)
    return round_pack(fmt, env, sign, m, e)


# --- Arithmetic --------------------------------------------------------------------------------


def add(fmt: Format, a: int, b: int, env: Env) -> int:
    """a + b."""
    return add_operands(fmt, operand(fmt, a, env), operand(fmt, b, env), env)


def sub(fmt: Format, a: int, b: int, env: Env) -> int:
    """a - b."""
    return sub_operands(fmt, operand(fmt, a, env), operand(fmt, b, env), env)


def mul(fmt: Format, a: int, b: int, env: Env) -> int:
    """a * b."""
    return mul_operands(fmt, operand(fmt, a, env), operand(fmt, b, env), env)


def div(fmt: Format, a: int, b: int, env: Env) -> int:
    """a / b."""
    return div_operands(fmt, operand(fmt, a, env), operand(fmt, b, env), env)


def add_operands(fmt: Format, a: Operand, b: Operand, env: Env, negate: int = 0) -> int:
    """a + b, or a - b if `negate`."""
    x, y = a[1], b[1]
    if x[0] >= QNAN or y[0] >= QNAN:
        return propagate(fmt, env, a, b)
    x_sign, y_sign = x[1], y[1] ^ negate
    if x[0] == INFINITY and y[0] == INFINITY and x_sign != y_sign:
        return invalid(fmt, env)
    if not note_denormal(env, x, y):
        return 0
    if x[0] == INFINITY:
        return fmt.inf(x_sign)
    if y[0] == INFINITY:
        return fmt.inf(y_sign)
    sign, m, e = exact_sum((x_sign, x[2], x[3]), (y_sign, y[2], y[3]), env)
    return _finish(fmt, env, sign, m, e) if m else fmt.zero(sign)


def sub_operands(fmt: Format, a: Operand, b: Operand, env: Env) -> int:
    """a - b."""
    return add_operands(fmt, a, b, env, 1)


# Beyond this distance the smaller addend matters only by being nonzero.
_FAR = 300


def exact_sum(x: tuple[int, int, int], y: tuple[int, int, int], env: Env) -> tuple[int, int, int]:
    """(sign, m, e) of the sum of two (sign, m, e); an exact zero is negative only in DOWN."""
    if not x[1] or not y[1]:
        if x[1] or y[1]:
            return x if x[1] else y
        return (x[0] if x[0] == y[0] else int(env.rounding == DOWN)), 0, 0
    if x[2] < y[2]:
        x, y = y, x
    (x_sign, x_m, x_e), (y_sign, y_m, y_e) = x, y
    if x_e - y_e > _FAR:
        y_m, y_e = 1, x_e - _FAR
    total = (-x_m if x_sign else x_m) * (1 << (x_e - y_e)) + (-y_m if y_sign else y_m)
    if total == 0:
        return int(env.rounding == DOWN), 0, 0
    return int(total < 0), abs(total), y_e


def mul_operands(fmt: Format, a: Operand, b: Operand, env: Env) -> int:
    """a * b."""
    x, y = a[1], b[1]
    if x[0] >= QNAN or y[0] >= QNAN:
        return propagate(fmt, env, a, b)
    kinds = (x[0], y[0])
    if INFINITY in kinds and ZERO in kinds:
        return invalid(fmt, env)
    if not note_denormal(env, x, y):
        return 0
    sign = x[1] ^ y[1]
    if INFINITY in kinds:
        return fmt.inf(sign)
    if ZERO in kinds:
        return fmt.zero(sign)
    return _finish(fmt, env, sign, x[2] * y[2], x[3] + y[3])


def div_operands(fmt: Format, a: Operand, b: Operand, env: Env) -> int:
    """a / b."""
    x, y = a[1], b[1]
    if x[0] >= QNAN or y[0] >= QNAN:
        return propagate(fmt, env, a, b)
    if x[0] == y[0] and x[0] in (ZERO, INFINITY):
        return invalid(fmt, env)
    sign = x[1] ^ y[1]
    if y[0] == ZERO and x[0] != INFINITY:
        env.flags |= ZE
        return fmt.inf(sign)
    if not note_denormal(env, x, y):
        return 0
    if x[0] == INFINITY:
        return fmt.inf(sign)
    if x[0] == ZERO or y[0] == INFINITY:
        return fmt.zero(sign)
    extra = 2 * fmt.p + 4
    q, rest = divmod(x[2] << extra, y[2])
    return _finish(fmt, env, sign, q << 1 | (rest != 0), x[3] - y[3] - extra - 1)


def sqrt(fmt: Format, a: int, env: Env) -> int:
    """The square root of a."""
    x = decode(fmt, a, env.daz)
    if x[0] >= QNAN:
        return propagate(fmt, env, (a, x))
    if x[0] == ZERO:
        return fmt.zero(x[1])
    if x[1]:
        return invalid(fmt, env)
    if not note_denormal(env, x):
        return 0
    if x[0] == INFINITY:
        return a
    m, e = x[2] << 2 * fmt.p + 4, x[3] - 2 * fmt.p - 4
    if e & 1:
        m, e = m << 1, e - 1
    root = isqrt(m)
    return _finish(fmt, env, 0, root << 1 | (root * root != m), e // 2 - 1)


def fma(fmt: Format, a: int, b: int, c: int, env: Env) -> int:
    """a * b + c, rounded once.  A quiet NaN c hides the invalid product infinity * zero."""
    x, y, z = (decode(fmt, v, env.daz) for v in (a, b, c))
    if x[0] >= QNAN or y[0] >= QNAN or z[0] >= QNAN:
        return propagate(fmt, env, (a, x), (b, y), (c, z))
    sign = x[1] ^ y[1]
    infinite = INFINITY in (x[0], y[0])
    if infinite and (ZERO in (x[0], y[0]) or (z[0] == INFINITY and z[1] != sign)):
        return invalid(fmt, env)
    if not note_denormal(env, x, y, z):
        return 0
    if infinite:
        return fmt.inf(sign)
    if z[0] == INFINITY:
        return c
    product = (sign, x[2] * y[2], x[3] + y[3])
    sign, m, e = exact_sum(product, (z[1], z[2], z[3]), env)
    return _finish(fmt, env, sign, m, e) if m else fmt.zero(sign)
