"""Fixed-width arithmetic against Python's integers."""

from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blink.isa.bits import COMPARE, EVALUATE, Bits, from_lanes, ite, vmap

WIDTHS = (8, 16, 32, 64, 128)
Numbers = tuple[int, int, int]  # width and two values


def signed(a: int, w: int) -> int:
    return a - (1 << w) if a >= 1 << (w - 1) else a


def interesting(w: int) -> st.SearchStrategy[int]:
    """Values of `w` bits, with the corners more often."""
    top = 1 << w
    return st.one_of(
        st.integers(0, top - 1), st.sampled_from([0, 1, top - 1, top >> 1, (top >> 1) - 1])
    )


@st.composite
def pairs(draw: st.DrawFn, widths: tuple[int, ...] = WIDTHS) -> Numbers:
    w = draw(st.sampled_from(widths))
    return w, draw(interesting(w)), draw(interesting(w))


def bits(w: int, *values: int) -> list[Bits]:
    return [Bits.const(v, w) for v in values]


BINARY: dict[str, Callable[[int, int, int], int]] = {
    "__add__": lambda w, a, b: a + b,
    "__sub__": lambda w, a, b: a - b,
    "__mul__": lambda w, a, b: a * b,
    "umulh": lambda w, a, b: a * b // 2**w,
    "smulh": lambda w, a, b: signed(a, w) * signed(b, w) // 2**w,
    "__and__": lambda w, a, b: a & b,
    "__or__": lambda w, a, b: a | b,
    "__xor__": lambda w, a, b: a ^ b,
}
DIVISIONS: dict[str, Callable[[int, int, int], int]] = {
    "udiv": lambda w, a, b: a // b,
    "urem": lambda w, a, b: a % b,
    # C's rule, as exact integers: the quotient is cut, the remainder has the dividend's sign
    "sdiv": lambda w, a, b: _cut(signed(a, w), signed(b, w)),
    "srem": lambda w, a, b: signed(a, w) - signed(b, w) * _cut(signed(a, w), signed(b, w)),
}
SHIFTS: dict[str, Callable[[int, int, int], int]] = {
    "__lshift__": lambda w, a, n: a * 2**n,
    "__rshift__": lambda w, a, n: a // 2**n,
    "sar": lambda w, a, n: signed(a, w) // 2**n,
}
UNARY: dict[str, Callable[[int, int], int]] = {
    "__invert__": lambda w, a: 2**w - 1 - a,
    "__neg__": lambda w, a: -a,
    "popcnt": lambda w, a: f"{a:b}".count("1"),
    "clz": lambda w, a: len(f"{a:0{w}b}") - len(f"{a:0{w}b}".lstrip("0")),
    "ctz": lambda w, a: w - len(f"{a:0{w}b}".rstrip("0")),
}
COMPARISONS: dict[str, Callable[[int, int, int], bool]] = {
    "__eq__": lambda w, a, b: a == b,
    "__ne__": lambda w, a, b: a != b,
    "ult": lambda w, a, b: a < b,
    "ugt": lambda w, a, b: a > b,
    "slt": lambda w, a, b: signed(a, w) < signed(b, w),
    "sgt": lambda w, a, b: signed(a, w) > signed(b, w),
}


def _cut(a: int, b: int) -> int:
    q, r = divmod(a, b)
    return q + 1 if r and q < 0 else q


def check(result: Bits, w: int, wanted: int) -> None:
    assert (result.w, int(result)) == (w, wanted % 2**w)


@pytest.mark.parametrize("name", BINARY)
@given(numbers=pairs())
def test_arithmetic(name: str, numbers: Numbers) -> None:
    w, a, b = numbers
    x, y = bits(w, a, b)
    check(getattr(x, name)(y), w, BINARY[name](w, a, b))
    check(getattr(x, name)(b), w, BINARY[name](w, a, b))


@pytest.mark.parametrize("name", DIVISIONS)
@given(numbers=pairs())
def test_division(name: str, numbers: Numbers) -> None:
    w, a, b = numbers
    b = b or 1
    if name[0] == "s" and signed(b, w) == -1 and a == 1 << (w - 1):
        a = 0  # overflow, which bodies exclude
    x, y = bits(w, a, b)
    check(getattr(x, name)(y), w, DIVISIONS[name](w, a, b))


@pytest.mark.parametrize("name", SHIFTS)
@given(numbers=pairs(), count=st.integers(0, 255))
def test_shifts_by_any_count(name: str, numbers: Numbers, count: int) -> None:
    w, a, _ = numbers
    (x,) = bits(w, a)
    check(getattr(x, name)(count), w, SHIFTS[name](w, a, count))
    check(getattr(x, name)(Bits.const(count, 8)), w, SHIFTS[name](w, a, count))


@pytest.mark.parametrize("name", UNARY)
@given(numbers=pairs())
def test_unary(name: str, numbers: Numbers) -> None:
    w, a, _ = numbers
    check(getattr(Bits.const(a, w), name)(), w, UNARY[name](w, a))


@given(numbers=pairs((16, 32, 64)))
def test_bswap(numbers: Numbers) -> None:
    w, a, _ = numbers
    digits = f"{a:0{w // 4}x}"
    swapped = "".join(reversed([digits[i : i + 2] for i in range(0, len(digits), 2)]))
    check(Bits.const(a, w).bswap(), w, int(swapped, 16))


@pytest.mark.parametrize("name", COMPARISONS)
@given(numbers=pairs())
def test_comparisons(name: str, numbers: Numbers) -> None:
    w, a, b = numbers
    x, y = bits(w, a, b)
    check(getattr(x, name)(y), 1, COMPARISONS[name](w, a, b))


def test_every_operation_is_tested() -> None:
    methods = {**BINARY, **DIVISIONS, **SHIFTS, **UNARY, **COMPARISONS}
    operations = {name.strip("_") for name in methods}
    renamed = {"lshift": "shl", "rshift": "shr", "invert": "not"}
    assert set(EVALUATE) | set(COMPARE) <= {renamed.get(n, n) for n in operations} | {"bswap"}


@given(numbers=pairs((1, 8, 16, 32, 64)), to=st.sampled_from((1, 8, 16, 32, 64, 128)))
def test_widths(numbers: Numbers, to: int) -> None:
    w, a, _ = numbers
    check(Bits.const(a, w).zext(to), to, a)
    check(Bits.const(a, w).sext(to), to, signed(a, w))


@given(numbers=pairs(), n=st.integers(0, 127))
def test_single_bits(numbers: Numbers, n: int) -> None:
    w, a, _ = numbers
    x = Bits.const(a, w)
    assert int(x.bit(n % w)) == a >> n % w & 1
    assert int(x.sign) == (signed(a, w) < 0)


@given(numbers=pairs((64, 128)), lane=st.sampled_from((8, 16, 32, 64)), i=st.integers(0, 15))
def test_lanes(numbers: Numbers, lane: int, i: int) -> None:
    w, a, b = numbers
    count, i = w // lane, i % (w // lane)
    x = Bits.const(a, w)
    data = a.to_bytes(w // 8, "little")
    parts = [data[k : k + lane // 8] for k in range(0, w // 8, lane // 8)]
    assert [int(p) for p in x.lanes(lane)] == [int.from_bytes(p, "little") for p in parts]
    assert int(x.lane(lane, Bits.const(i, 8))) == int(x.lane(lane, i + count))
    assert int(from_lanes(x.lanes(lane))) == a
    parts[i] = (b % 2**lane).to_bytes(lane // 8, "little")
    changed = x.with_lane(i, Bits.const(b, lane))
    assert int(changed).to_bytes(w // 8, "little") == b"".join(parts)


@given(numbers=pairs((64, 128)), lane=st.sampled_from((8, 16, 32, 64)))
def test_vmap_works_lane_by_lane(numbers: Numbers, lane: int) -> None:
    w, a, b = numbers
    x, y = bits(w, a, b)
    got = vmap(lane, lambda p, q: p - q, x, y)
    wanted = [int(p) - int(q) for p, q in zip(x.lanes(lane), y.lanes(lane), strict=True)]
    assert (got.w, [int(p) for p in got.lanes(lane)]) == (w, [v % 2**lane for v in wanted])


@given(condition=st.booleans(), numbers=pairs())
def test_ite(condition: bool, numbers: Numbers) -> None:
    w, a, b = numbers
    c = Bits.const(condition, 1)
    check(ite(c, *bits(w, a, b)), w, a if condition else b)


@pytest.mark.parametrize(
    "action",
    [
        lambda x, y: x + y,
        lambda x, y: x == y,
        lambda x, y: ite(Bits.const(1, 1), x, y),
        lambda x, y: vmap(8, lambda a: a.zext(16), Bits.symbol("v", 128)),
    ],
)
def test_widths_must_agree(action: Callable[[Bits, Bits], object]) -> None:
    with pytest.raises(TypeError):
        action(Bits.symbol("x", 8), Bits.symbol("y", 16))


def test_symbols_have_no_value() -> None:
    x = Bits.symbol("x", 1)
    for ask in (bool, int, operator.index):
        with pytest.raises(TypeError, match="symbolic"):
            ask(x)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (lambda x: x + 0, "x"),
        (lambda x: 0 + x, "x"),
        (lambda x: x - 0, "x"),
        (lambda x: x | 0, "x"),
        (lambda x: x ^ 0, "x"),
        (lambda x: x & 0xFF, "x"),
        (lambda x: x & 0, 0),
        (lambda x: x << 0, "x"),
        (lambda x: ite(x == 1, x, x), "x"),
        (lambda x: from_lanes([x.zext(64), x.zext(64)]).lane(64, 1).zext(8), "x"),
        (lambda x: x.zext(128).zext(8), "x"),
        (lambda x: x.sext(64).zext(8), "x"),
    ],
)
def test_identities(value: Callable[[Bits], Bits], wanted: str | int) -> None:
    x = Bits.symbol("x", 8)
    got = value(x)
    assert got is x if wanted == "x" else int(got) == wanted


def test_extensions_fold() -> None:
    x = Bits.symbol("x", 8)
    assert [n.op for n in (x.zext(32).zext(64), x.sext(64).zext(32))] == ["zext", "sext"]
    assert x.zext(32).zext(64).args == x.sext(64).zext(32).args == (x,)
    assert x.sext(32).zext(64).args[0].op == "sext"  # zeros above the sign
