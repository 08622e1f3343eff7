"""Operations on 80-bit values for x87_reference: no stack.  The twin of engine/f80.h.

Values are 80-bit patterns.  Each operation takes the control word and returns its result with
status word bits: exceptions, C1 (rounded away from zero), and what it puts into C0, C2, C3.
"""

from __future__ import annotations

from collections.abc import Callable

from blink.isa import _softfloat as soft
from blink.isa._softfloat import (
    DENORMAL,
    F32,
    F64,
    F80,
    IE,
    INFINITY,
    NORMAL,
    QNAN,
    SNAN,
    UE,
    UNSUPPORTED,
    ZE,
    ZERO,
    Env,
    Format,
    Number,
    Operand,
)
from blink.isa.softfloat import (
    EQUAL,
    GREATER,
    LESS,
    UNORDERED,
    compare_numbers,
    convert,
    from_int,
    round_to_integer,
    to_int,
)

C0, C1, C2, C3 = 1 << 8, 1 << 9, 1 << 10, 1 << 14
CONDITION = C0 | C1 | C2 | C3
BEFORE = 0x07  # exceptions found before anything is computed
INDEFINITE = F80.default_nan
ONE = 0x3FFF << 64 | 1 << 63
BCD_INDEFINITE = 0xFFFF << 64 | 3 << 62

Result = tuple[int, int]
Binary = Callable[[Operand, Operand, int], Result]


def status(env: Env) -> int:
    """The status word bits of an operation."""
    return env.flags | (C1 if env.c1 else 0)


def register(a: int) -> Operand:
    """A register as an operand."""
    return a, soft.decode(F80, a)


def widen(fmt: Format, a: int) -> Operand:
    """An f32 or f64 in memory as an operand: exact; denormals and signalling NaNs stay so."""
    kind, sign, m, e = soft.decode(fmt, a)
    if kind == ZERO:
        return F80.zero(sign), (ZERO, sign, 0, 0)
    if kind >= INFINITY:
        m = 1 << 63 | m << (64 - fmt.p)
        return F80.zero(sign) | F80.exp_mask << 64 | m, (kind, sign, m, 0)
    shift = 64 - m.bit_length()
    m, e = m << shift, e - shift
    return F80.zero(sign) | (e + 63 + F80.bias) << 64 | m, (kind, sign, m, e)


def integer(value: int) -> Operand:
    """A signed integer of at most 64 bits."""
    return register(from_int(F80, value, Env()))


def load(a: Operand) -> Result:
    """FLD of a widened operand: quiets, and raises IE or DE."""
    bits, (kind, *_) = a
    if kind == SNAN:
        return soft.quiet(F80, bits), IE
    return bits, soft.DE if kind == DENORMAL else 0


def _arithmetic(operation: Callable[[Format, Operand, Operand, Env], int]) -> Binary:
    def apply(a: Operand, b: Operand, cw: int) -> Result:
        env = Env.from_control_word(cw)
        return operation(F80, a, b, env), status(env)

    return apply


add = _arithmetic(soft.add_operands)
sub = _arithmetic(soft.sub_operands)
mul = _arithmetic(soft.mul_operands)
div = _arithmetic(soft.div_operands)


def subr(a: Operand, b: Operand, cw: int) -> Result:
    """b - a."""
    return sub(b, a, cw)


def divr(a: Operand, b: Operand, cw: int) -> Result:
    """b / a."""
    return div(b, a, cw)


def sqrt(a: int, cw: int) -> Result:
    """FSQRT."""
    env = Env.from_control_word(cw)
    return soft.sqrt(F80, a, env), status(env)


def rint(a: int, cw: int) -> Result:
    """FRNDINT."""
    env = Env.from_control_word(cw)
    return round_to_integer(F80, a, env), status(env)


# --- Stores ------------------------------------------------------------------------------------


def to_f32(a: int, cw: int) -> Result:
    """FST m32."""
    return _store(F32, a, cw)


def to_f64(a: int, cw: int) -> Result:
    """FST m64."""
    return _store(F64, a, cw)


def _store(fmt: Format, a: int, cw: int) -> Result:
    """With overflow or underflow unmasked nothing is stored, and nothing said of precision."""
    env = Env.from_control_word(cw)
    value = convert(F80, fmt, a, env, denormals=False)
    if env.unmasked & (soft.OE | UE):
        return value, env.flags & ~soft.PE
    return value, status(env)


def to_integer(a: int, width: int, cw: int) -> Result:
    """FIST."""
    env = Env.from_control_word(cw)
    return to_int(F80, a, width, env), status(env)


def from_bcd(a: int) -> int:
    """FBLD: 18 digits and a sign; digits above 9 count as they are."""
    value = 0
    for shift in range(68, -1, -4):
        value = value * 10 + (a >> shift & 15)
    magnitude = from_int(F80, value, Env())
    return magnitude | a & F80.sign_bit


def to_bcd(a: int, cw: int) -> Result:
    """FBSTP."""
    env = Env.from_control_word(cw)
    value = to_int(F80, a, 64, env)
    value -= (value >> 63) << 64
    if env.flags & IE or abs(value) >= 10**18:
        return BCD_INDEFINITE, IE
    return (1 << 79 if a & F80.sign_bit else 0) | int(str(abs(value)), 16), status(env)


# --- FSCALE, FPREM, FXTRACT --------------------------------------------------------------------


def _truncate(y: Number) -> int:
    """|y| as an integer; more than 2**20 is out of range anyhow."""
    _, _, m, e = y
    return min(1 << 20, m >> -e) if e <= 0 else 1 << 20


def scale(a: int, b: int, cw: int) -> Result:
    """a * 2**trunc(b)."""
    env = Env.from_control_word(cw)
    x, y = soft.decode(F80, a), soft.decode(F80, b)
    if x[0] >= QNAN or y[0] >= QNAN:
        return soft.propagate(F80, env, (a, x), (b, y)), env.flags
    if y[0] == INFINITY and x[0] == (INFINITY if y[1] else ZERO):
        return soft.invalid(F80, env), env.flags
    if not soft.note_denormal(env, x, y):
        return a, env.flags
    if y[0] == INFINITY:
        return (F80.zero(x[1]) if y[1] else F80.inf(x[1])), env.flags
    if x[0] in (ZERO, INFINITY):
        return a, env.flags
    n = _truncate(y)
    value = soft.round_pack(F80, env, x[1], x[2], x[3] + (-n if y[1] else n), 64, True)
    return value, status(env)


def _reduce(x: Number, y: Number, nearest: bool) -> tuple[int, int, int, int]:
    """(sign, m, e, condition) of the remainder of two nonzero numbers."""
    _, sign, x_m, x_e = x
    _, _, y_m, y_e = y
    distance = (x_e + x_m.bit_length()) - (y_e + y_m.bit_length())
    partial = distance >= 64
    if partial:  # a step of 32 to 63 bits, chosen as AMD's processors do
        y_e += distance - 32 - distance % 32
    e = min(x_e, y_e)
    divisor = y_m << (y_e - e)
    q, rest = divmod(x_m << (x_e - e), divisor)
    if partial:
        return sign, rest, e, C2
    if nearest and (2 * rest > divisor or (2 * rest == divisor and q & 1)):
        return sign ^ 1, divisor - rest, e, _quotient_bits(q + 1)
    return sign, rest, e, _quotient_bits(q)


def _quotient_bits(q: int) -> int:
    return (C0 if q & 4 else 0) | (C3 if q & 2 else 0) | (C1 if q & 1 else 0)


def remainder(a: int, b: int, cw: int, nearest: bool) -> Result:
    """FPREM, or the IEEE remainder (FPREM1) if `nearest`."""
    env = Env.from_control_word(cw)
    x, y = soft.decode(F80, a), soft.decode(F80, b)
    if x[0] >= QNAN or y[0] >= QNAN:
        return soft.propagate(F80, env, (a, x), (b, y)), env.flags
    if x[0] == INFINITY or y[0] == ZERO:
        return soft.invalid(F80, env), env.flags
    if not soft.note_denormal(env, x, y) or x[0] == ZERO:
        return a, env.flags
    if y[0] == INFINITY:  # pseudo-denormals become normal
        return soft.round_pack(F80, Env(), x[1], x[2], x[3]), env.flags
    sign, m, e, condition = _reduce(x, y, nearest)
    if m == 0:
        return F80.zero(x[1]), env.flags | condition
    value = soft.round_pack(F80, env, sign, m, e, 64, True)
    return value, env.flags | condition


def extract(a: int, cw: int) -> tuple[int, int, int]:
    """FXTRACT: (significand, exponent, status)."""
    env = Env.from_control_word(cw)
    x = soft.decode(F80, a)
    kind, sign, m, e = x
    if kind >= QNAN:
        nan = soft.propagate(F80, env, (a, x))
        return nan, nan, env.flags
    if kind == ZERO:
        return a, F80.inf(1), ZE
    if kind == INFINITY:
        return a, F80.inf(0), 0
    if not soft.note_denormal(env, x):
        return a, a, env.flags
    shift = 64 - m.bit_length()
    exponent = from_int(F80, e - shift + 63, Env())
    return F80.zero(sign) | F80.bias << 64 | m << shift, exponent, env.flags


# --- Comparison --------------------------------------------------------------------------------

_RELATION = {LESS: C0, EQUAL: C3, GREATER: 0, UNORDERED: C0 | C2 | C3}


def compare(a: Operand, b: Operand, cw: int, signaling: bool) -> int:
    """Status: exceptions, and C3, C2, C0 as FCOM sets them."""
    env = Env.from_control_word(cw)
    relation = compare_numbers(a[1], b[1], env, signaling)
    return env.flags | _RELATION[relation]


_CLASS = {
    ZERO: C3, NORMAL: C2, DENORMAL: C3 | C2, INFINITY: C2 | C0, QNAN: C0, SNAN: C0, UNSUPPORTED: 0,
}  # fmt: skip


def examine(a: int) -> int:
    """C3, C2, C1, C0 of FXAM for a register that is not empty."""
    kind, sign, _, _ = soft.decode(F80, a)
    return _CLASS[kind] | (C1 if sign else 0)


def is_nan(a: int) -> bool:
    """Quiet or signalling."""
    return soft.decode(F80, a)[0] in (QNAN, SNAN)
