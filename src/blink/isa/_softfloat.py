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
    destination, where an unmasked overflow or underflow delivers a scaled result.
    """
    p = precision or fmt.p
    top = e + m.bit_length() - 1
    floor = fmt.emin - p + 1
    quantum = top - p + 1
    tiny = False
    if quantum < floor:
        r, inexact, up = round_at(sign, m, quantum - e, env.rounding)
        tiny = r.bit_length() + quantum - 1 < fmt.emin
        if tiny and not env.masks & UE:
            if scalable:
                env.flags |= UE
                env.scaled = True
                return round_pack(fmt, env, sign, m, e + 24576, precision)
            env.flags |= UE | (PE if inexact else 0)
            env.c1 = up
            return fmt.zero(sign)
        if tiny and env.ftz:
            env.flags |= UE | PE
            return fmt.zero(sign)
        quantum = floor
    r, inexact, up = round_at(sign, m, quantum - e, env.rounding)
    env.c1 = up
    if r.bit_length() + quantum - 1 > fmt.emax:
        return _overflow(fmt, env, sign, (m, e), precision, inexact and scalable)
    if inexact:
        env.flags |= PE | (UE if tiny else 0)
    return _assemble(fmt, sign, r, quantum)
