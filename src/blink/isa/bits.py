"""Fixed-width values: the arithmetic in which instruction semantics are written.

A `Bits` is an unsigned integer of `w` bits (1, 8, 16, 32, 64, 128 or 256).  It is a node of an
expression graph: constants fold at once, so the same instruction body computes when its inputs are
numbers and records a graph, for the C printer, when they are symbols.  Vector registers are Bits of
128 bits with lanes, lane 0 being the least significant; 256 bits are always `lanes` of two halves.
"""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from blink.isa.softfloat import Env

    Number: TypeAlias = "Bits | int"


def _signed(value: int, w: int) -> int:
    return value - (1 << w) if value >> (w - 1) else value


def _shl(w: int, a: int, n: int) -> int:
    return a << n if n < w else 0


def _sar(w: int, a: int, n: int) -> int:
    return _signed(a, w) >> min(n, w - 1)


def _trunc_div(a: int, b: int) -> int:
    q = abs(a) // abs(b)
    return -q if (a < 0) != (b < 0) else q


def _sdiv(w: int, a: int, b: int) -> int:
    return _trunc_div(_signed(a, w), _signed(b, w))


def _srem(w: int, a: int, b: int) -> int:
    x, y = _signed(a, w), _signed(b, w)
    return x - y * _trunc_div(x, y)


def _bswap(w: int, a: int) -> int:
    return int.from_bytes(a.to_bytes(w // 8, "little"), "big")


# op -> function of (result width, operand values).  Operand widths equal the result's, except for
# shift counts.  Comparisons get the operand width as first argument instead.
EVALUATE: dict[str, Callable[..., int]] = {
    "add": lambda w, a, b: a + b,
    "sub": lambda w, a, b: a - b,
    "mul": lambda w, a, b: a * b,
    "umulh": lambda w, a, b: (a * b) >> w,
    "smulh": lambda w, a, b: (_signed(a, w) * _signed(b, w)) >> w,
    "and": lambda w, a, b: a & b,
    "or": lambda w, a, b: a | b,
    "xor": lambda w, a, b: a ^ b,
    "not": lambda w, a: ~a,
    "shl": _shl,
    "shr": lambda w, a, n: a >> n,
    "sar": _sar,
    "udiv": lambda w, a, b: a // b,
    "urem": lambda w, a, b: a % b,
    "sdiv": _sdiv,
    "srem": _srem,
    "popcnt": lambda w, a: a.bit_count(),
    "clz": lambda w, a: w - a.bit_length(),
    "ctz": lambda w, a: (a & -a).bit_length() - 1 if a else w,
    "bswap": _bswap,
}
COMPARE: dict[str, Callable[[int, int, int], bool]] = {
    "eq": lambda w, a, b: a == b,
    "ult": lambda w, a, b: a < b,
    "slt": lambda w, a, b: _signed(a, w) < _signed(b, w),
}
_COMMUTES = {"add", "mul", "and", "or", "xor", "umulh", "smulh"}


class Bits:
    """One node: `op`, result width `w` in bits, argument nodes, and static data `aux`."""

    __slots__ = ("args", "aux", "op", "w")

    def __init__(self, op: str, w: int, args: tuple[Bits, ...] = (), aux: object = None) -> None:
        self.op = op
        self.w = w
        self.args = args
        self.aux = aux

    # -- leaves --

    @staticmethod
    def const(value: int, w: int) -> Bits:
        return Bits("const", w, (), value & ((1 << w) - 1))

    @staticmethod
    def symbol(name: str, w: int) -> Bits:
        """A named input, printed to C as it stands."""
        return Bits("in", w, (), name)

    @property
    def is_const(self) -> bool:
        return self.op == "const"

    def __int__(self) -> int:
        if self.op != "const":
            raise TypeError(f"the value of a symbolic {self!r} is not known")
        value = self.aux
        assert isinstance(value, int)
        return value

    __index__ = __int__

    def __bool__(self) -> bool:
        if self.op != "const":
            raise TypeError(f"a symbolic condition {self!r} outside of a plain `if` statement")
        return bool(self.aux)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.args)) if self.args else repr(self.aux)
        return f"{self.op}{self.w}({inside})"

    # -- arithmetic --

    def _same(self, other: Number) -> Bits:
        if isinstance(other, int):
            return Bits.const(other, self.w)
        if other.w != self.w:
            raise TypeError(f"widths differ: {self!r} and {other!r}")
        return other

    def _binary(self, op: str, other: Number) -> Bits:
        b = self._same(other)
        if self.op == "const" and b.op == "const":
            return Bits.const(EVALUATE[op](self.w, self.aux, b.aux), self.w)
        simpler = _simplify(op, self, b)
        return simpler if simpler is not None else Bits(op, self.w, (self, b))

    def _unary(self, op: str) -> Bits:
        if self.op == "const":
            return Bits.const(EVALUATE[op](self.w, self.aux), self.w)
        return Bits(op, self.w, (self,))

    def _compare(self, op: str, other: Number) -> Bits:
        b = self._same(other)
        if self.op == "const" and b.op == "const":
            return Bits.const(COMPARE[op](self.w, int(self), int(b)), 1)
        return Bits(op, 1, (self, b))

    def _shift(self, op: str, count: Number) -> Bits:
        n = Bits.const(count, 8) if isinstance(count, int) else count
        if n.op == "const" and n.aux == 0:
            return self
        if self.op == "const" and n.op == "const":
            return Bits.const(EVALUATE[op](self.w, self.aux, n.aux), self.w)
        return Bits(op, self.w, (self, n))

    def __add__(self, other: Number) -> Bits:
        return self._binary("add", other)

    def __radd__(self, other: int) -> Bits:
        return self._same(other) + self

    def __sub__(self, other: Number) -> Bits:
        return self._binary("sub", other)

    def __rsub__(self, other: int) -> Bits:
        return self._same(other) - self

    def __mul__(self, other: Number) -> Bits:
        return self._binary("mul", other)

    def __and__(self, other: Number) -> Bits:
        return self._binary("and", other)

    def __or__(self, other: Number) -> Bits:
        return self._binary("or", other)

    def __xor__(self, other: Number) -> Bits:
        return self._binary("xor", other)

    def __invert__(self) -> Bits:
        return self ^ 1 if self.w == 1 else self._unary("not")

    def __neg__(self) -> Bits:
        return Bits.const(0, self.w) - self

    def __lshift__(self, count: Number) -> Bits:
        """Shift left; a count of `w` or more gives 0 (unlike the x86 instruction)."""
        return self._shift("shl", count)

    def __rshift__(self, count: Number) -> Bits:
        """Logical shift right; a count of `w` or more gives 0."""
        return self._shift("shr", count)

    def sar(self, count: Number) -> Bits:
        """Arithmetic shift right; counts of `w` or more fill with the sign."""
        return self._shift("sar", count)

    def umulh(self, other: Number) -> Bits:
        """The high half of the unsigned double-width product."""
        return self._binary("umulh", other)

    def smulh(self, other: Number) -> Bits:
        """The high half of the signed double-width product."""
        return self._binary("smulh", other)

    def udiv(self, other: Number) -> Bits:
        """Unsigned quotient; the divisor must not be zero (raise the fault first)."""
        return self._binary("udiv", other)

    def urem(self, other: Number) -> Bits:
        return self._binary("urem", other)

    def sdiv(self, other: Number) -> Bits:
        """Signed quotient, rounded to zero; neither zero nor overflow is allowed."""
        return self._binary("sdiv", other)

    def srem(self, other: Number) -> Bits:
        return self._binary("srem", other)

    def popcnt(self) -> Bits:
        return self._unary("popcnt")

    def clz(self) -> Bits:
        """Leading zeros; `w` for zero."""
        return self._unary("clz")

    def ctz(self) -> Bits:
        """Trailing zeros; `w` for zero."""
        return self._unary("ctz")

    def bswap(self) -> Bits:
        return self._unary("bswap")

    # -- comparisons: Bits of width 1 --

    def __eq__(self, other: object) -> Bits:  # type: ignore[override]
        assert isinstance(other, Bits | int)
        return self._compare("eq", other)

    def __ne__(self, other: object) -> Bits:  # type: ignore[override]
        return ~(self == other)

    def ult(self, other: Number) -> Bits:
        """Unsigned less-than."""
        return self._compare("ult", other)

    def slt(self, other: Number) -> Bits:
        """Signed less-than."""
        return self._compare("slt", other)

    def ugt(self, other: Number) -> Bits:
        return self._same(other).ult(self)

    def sgt(self, other: Number) -> Bits:
        return self._same(other).slt(self)

    # -- widths, bits and lanes --

    def zext(self, w: int) -> Bits:
        """Zero-extended, or truncated, to `w` bits."""
        if w == self.w:
            return self
        if self.op == "const":
            return Bits.const(int(self), w)
        if self.op == "zext":
            return self.args[0].zext(w)
        if w > self.w:
            return Bits("zext", w, (self,))
        if self.op == "sext":
            return self.args[0].sext(w)
        return self.lane(w, 0) if self.w > 64 else Bits("trunc", w, (self,))

    def sext(self, w: int) -> Bits:
        """Sign-extended, or truncated, to `w` bits."""
        if w <= self.w:
            return self.zext(w)
        if self.op == "const":
            return Bits.const(_signed(int(self), self.w), w)
        return Bits("sext", w, (self,))

    def bit(self, n: Number) -> Bits:
        """Bit `n` as a Bits of width 1."""
        return (self >> n).zext(1)

    @property
    def sign(self) -> Bits:
        return self.bit(self.w - 1)

    def lane(self, w: int, i: Number) -> Bits:
        """Lane `i` (a number or a symbol, taken modulo the number of lanes) of width `w`."""
        if w == self.w:
            return self
        index = Bits.const(i, 8) if isinstance(i, int) else i
        if self.op == "const" and index.op == "const":
            return Bits.const(int(self) >> (int(index) % (self.w // w) * w), w)
        if self.op == "lanes" and index.op == "const" and (self.w > 128 or self.args[0].w == w):
            return self._lane_of_parts(w, int(index) % (self.w // w))
        if self.w <= 64:
            return (self >> (index.zext(8) * w)).zext(w)
        return Bits("lane", w, (self, index))

    def _lane_of_parts(self, w: int, i: int) -> Bits:
        """Lane `i` of a vector that is made of parts, which may be wider or narrower."""
        part = self.args[0].w
        if part >= w:
            per = part // w
            return self.args[i // per].lane(w, i % per) if per > 1 else self.args[i]
        count = w // part
        return from_lanes(list(self.args[i * count : (i + 1) * count]))

    def lanes(self, w: int) -> list[Bits]:
        """All lanes of width `w`, least significant first."""
        return [self.lane(w, i) for i in range(self.w // w)]

    def with_lane(self, i: int, value: Bits) -> Bits:
        """This vector with lane `i` (of `value`'s width) replaced."""
        parts = self.lanes(value.w)
        parts[i] = value
        return from_lanes(parts)


def _simplify(op: str, a: Bits, b: Bits) -> Bits | None:
    """Identities that make the printed C readable; the compiler would find them all."""
    if a.op == "const" and op in _COMMUTES:
        a, b = b, a
    if b.op != "const":
        return None
    value = int(b)
    if value == 0 and op in ("add", "sub", "or", "xor"):
        return a
    if value == 0 and op == "and":
        return b
    if value == (1 << a.w) - 1 and op == "and":
        return a
    return None


def ite(c: Bits, yes: Number, no: Number) -> Bits:
    """`yes` where `c` (one bit) is 1, else `no`.  Both sides are evaluated."""
    w = next(v.w for v in (yes, no) if isinstance(v, Bits))
    a, b = (Bits.const(v, w) if isinstance(v, int) else v for v in (yes, no))
    if a.w != b.w:
        raise TypeError(f"widths differ: {a!r} and {b!r}")
    if c.op == "const":
        return a if c.aux else b
    return a if a is b else Bits("ite", a.w, (c, a, b))


def from_lanes(parts: list[Bits]) -> Bits:
    """A vector (or integer) of equal-width parts, least significant first."""
    w = parts[0].w
    total = w * len(parts)
    if len(parts) == 1:
        return parts[0]
    if all(p.op == "const" for p in parts):
        return Bits.const(sum(int(p) << (i * w) for i, p in enumerate(parts)), total)
    if total <= 64:
        value = parts[0].zext(total)
        for i, part in enumerate(parts[1:], 1):
            value = value | (part.zext(total) << (i * w))
        return value
    return Bits("lanes", total, tuple(parts))


def vmap(w: int, fn: Callable[..., Bits], *vectors: Bits) -> Bits:
    """Apply `fn` to the `w`-bit lanes of the vectors; its result has lanes of `w` bits too.

    Printed as one C loop, which the compiler turns into host SIMD.
    """
    if vectors[0].w == 64:
        return vmap(w, fn, *(v.zext(128) for v in vectors)).lane(64, 0)
    if all(v.op == "const" for v in vectors):
        return from_lanes(
            [fn(*parts) for parts in zip(*(v.lanes(w) for v in vectors), strict=True)]
        )
    params = tuple(Bits.symbol(f"lane{i}", w) for i in range(len(vectors)))
    body = fn(*params)
    if body.w != w:
        raise TypeError(f"vmap over {w}-bit lanes gave {body!r}")
    return Bits("vmap", vectors[0].w, (body, *params, *vectors), w)


def fp(name: str, w: int, *args: Bits, env: Env | None = None) -> Bits:
    """A floating-point primitive by name: engine/fp.h in C, softfloat.PRIMITIVES in Python."""
    if env is not None:
        from blink.isa import softfloat  # only computing needs it, recording does not

        return Bits.const(softfloat.PRIMITIVES[name](env, *(int(a) for a in args)), w)
    return Bits("fp", w, args, name)
