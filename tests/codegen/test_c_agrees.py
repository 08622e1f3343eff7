"""Printed C computes what the graph computes on numbers: every operator at every width.

The reference interpreter runs the one, the engine the other.
"""

from __future__ import annotations

import ctypes
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import toolchain
from blink.codegen.cprint import Printer, ctype
from blink.isa.bits import Bits, from_lanes, ite, vmap

ENGINE = Path(__file__).parents[2] / "src" / "blink" / "engine"
ROUNDS = 400
Function = Callable[[Bits, Bits], Bits]


class Formula(NamedTuple):
    """A function of two values of `w` bits."""

    name: str
    w: int
    compute: Function


def nonzero(b: Bits) -> Bits:
    return b | 1


def no_overflow(a: Bits) -> Bits:
    """Not the least number, which has no negative."""
    return a & ((1 << (a.w - 1)) - 1)


INTEGER: dict[str, Function] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "umulh": lambda a, b: a.umulh(b),
    "smulh": lambda a, b: a.smulh(b),
    "not": lambda a, b: ~a,
    "neg": lambda a, b: -b,
    "udiv": lambda a, b: a.udiv(nonzero(b)),
    "urem": lambda a, b: a.urem(nonzero(b)),
    "sdiv": lambda a, b: no_overflow(a).sdiv(nonzero(b)),
    "srem": lambda a, b: no_overflow(a).srem(nonzero(b)),
    "sar": lambda a, b: a.sar(b.zext(8) & 0x7F),
    "sar_by_number": lambda a, b: a.sar(3) ^ b.sar(200),
    "popcnt": lambda a, b: a.popcnt(),
    "clz": lambda a, b: (a >> (b.zext(8) & 0x3F)).clz(),
    "ctz": lambda a, b: (a << (b.zext(8) & 0x3F)).ctz(),
    "bswap": lambda a, b: a.bswap(),
    "ult": lambda a, b: a.ult(b),
    "slt": lambda a, b: a.slt(b),
    "sgt": lambda a, b: a.sgt(b),
    "ite": lambda a, b: ite(a.ult(b), a, b),
    "bit": lambda a, b: a.bit(b.zext(8) & 7),
    "sign": lambda a, b: a.sign ^ b.sign,
    "one_bit": lambda a, b: ~a.sign & b.bit(0) | (a.bit(1) == b.bit(1)),
    "sext_of_a_bit": lambda a, b: a.bit(0).sext(64),
    **{f"zext{w}": lambda a, b, w=w: a.zext(w) for w in (1, 8, 16, 32, 64)},
    **{f"sext{w}": lambda a, b, w=w: a.sext(w) for w in (8, 16, 32, 64)},
}
ANY: dict[str, Function] = {
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b.zext(8),
    "shr": lambda a, b: a >> b.zext(8),
    "shl_by_number": lambda a, b: (a << 5) ^ (b << 200),
    "shr_by_number": lambda a, b: (a >> 5) ^ (b >> 200),
    "eq": lambda a, b: a == b,
    "eq_self": lambda a, b: (a ^ b) == (b ^ a),
    "ne": lambda a, b: a != b,
    "constants": lambda a, b: a ^ 5 ^ ((1 << (a.w - 1)) + 0x21),
}
VECTOR: dict[str, Function] = {
    "not": lambda a, b: ~a,
    "low": lambda a, b: a.zext(64),
    "wide": lambda a, b: a.lane(64, 1).zext(128),
    "ite": lambda a, b: ite(a.lane(32, 0).ult(b.lane(32, 0)), a, b),
    "with_lane": lambda a, b: a.with_lane(2, b.lane(32, 1)),
}
for lane in (8, 16, 32, 64):
    VECTOR |= {
        f"lane{lane}": lambda a, b, w=lane: a.lane(w, b.lane(8, 0)),
        f"last{lane}": lambda a, b, w=lane: a.lane(w, 128 // w - 1),
        f"reverse{lane}": lambda a, b, w=lane: from_lanes(a.lanes(w)[::-1]),
        f"map{lane}": lambda a, b, w=lane: vmap(w, lambda x, y: x * y - (x ^ 3), a, b),
        f"compare{lane}": lambda a, b, w=lane: vmap(w, lambda x, y: x.sgt(y).sext(w), a, b),
        f"shift{lane}": lambda a, b, w=lane: vmap(w, lambda x: x << b.lane(8, 0), a),
        f"saturate{lane}": lambda a, b, w=lane: vmap(
            w, lambda x, y: ite((x + y).ult(x), -1, x + y), a, b
        ),
    }


def formulas() -> list[Formula]:
    found = [Formula(n, w, f) for w in (8, 16, 32, 64) for n, f in (INTEGER | ANY).items()]
    found = [f for f in found if not (f.name == "bswap" and f.w == 8)]
    return found + [Formula(n, 128, f) for n, f in (ANY | VECTOR).items()]


def c_function(number: int, formula: Formula) -> str:
    """`f<number>(a, b, out)` on byte images."""
    t = ctype(formula.w)
    a, b = Bits.symbol("a", formula.w), Bits.symbol("b", formula.w)
    node = formula.compute(a, b)
    printer = Printer()
    result = printer.value(node)
    body = [f"{t} a, b;", "memcpy(&a, pa, sizeof a);", "memcpy(&b, pb, sizeof b);"]
    body += [*printer.lines, f"const {ctype(node.w)} r = {result};", "memcpy(out, &r, sizeof r);"]
    head = f"void f{number}(const void *pa, const void *pb, void *out)"
    return f"{head} {{\n" + "".join(f"  {line}\n" for line in body) + "}\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("agrees")
    text = '#include "ops.h"\n#include <string.h>\n\n'
    text += "\n".join(c_function(n, f) for n, f in enumerate(formulas()))
    (folder / "agrees.c").write_text(text)
    command = [*toolchain.compiler(), "-std=gnu11", "-O1", "-fwrapv", "-fno-strict-aliasing"]
    command += ["-Wall", "-Wextra", "-Wno-type-limits", "-Wno-unused-variable", "-Werror"]
    command += [f"-I{ENGINE}", "-shared", "-fPIC", "-o", str(folder / "agrees.so")]
    subprocess.run([*command, str(folder / "agrees.c")], check=True, timeout=100)
    return ctypes.CDLL(str(folder / "agrees.so"))


def operand(rng: random.Random, w: int) -> int:
    """Any value, or one near a corner, or one with repeated lanes."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice((0, 1, 2, -1, -2, 1 << (w - 1), (1 << (w - 1)) - 1)) % (1 << w)
    if kind == 1:
        return rng.randrange(256)
    if kind == 2:
        return int.from_bytes(bytes([rng.choice((0, 0x7F, 0x80, 0xFF))]) * (w // 8), "little")
    return rng.getrandbits(w)


@pytest.mark.parametrize(
    "number", range(len(formulas())), ids=[f"{f.name}-{f.w}" for f in formulas()]
)
def test_c_agrees(compiled: ctypes.CDLL, number: int, seed: int) -> None:
    formula = formulas()[number]
    rng = random.Random(f"{seed} {formula.name} {formula.w}")
    function, out = compiled[f"f{number}"], ctypes.create_string_buffer(16)
    size = formula.w // 8
    for _ in range(ROUNDS):
        a, b = operand(rng, formula.w), operand(rng, formula.w)
        wanted = formula.compute(Bits.const(a, formula.w), Bits.const(b, formula.w))
        function(a.to_bytes(size, "little"), b.to_bytes(size, "little"), out)
        got = int.from_bytes(out.raw[: max(wanted.w, 8) // 8], "little")
        assert got == int(wanted), (hex(a), hex(b), hex(got), hex(int(wanted)))
