"""Lazy flags: the formulas, for all operands of 8 bits, against the book."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import toolchain
from blink.codegen import emit_flags
from blink.isa.bits import Bits
from blink.isa.flags import POSITION, Add, Explicit, FlagState, Guarded, Result, Sub

from . import flagsmodel

ENGINE = Path(__file__).parents[2] / "src" / "blink" / "engine"
BYTES = range(256)
CORNERS = (0, 1, 2, 15, 16, 0x7F, 0x80, 0x81, 0xFE, 0xFF)


def bits(*values: int) -> list[Bits]:
    return [Bits.const(v, 8) for v in values]


def check(state: FlagState, wanted: dict[str, bool]) -> None:
    assert {name: bool(state.get(name)) for name in POSITION} == wanted, state
    assert [bool(state.cond(cc)) for cc in range(16)] == flagsmodel.conditions(wanted), state
    assert int(state.word()) == flagsmodel.word(wanted), state


@pytest.fixture(scope="module")
def pairs(tier: str) -> list[tuple[int, int]]:
    """All pairs of bytes; in the unit tier those with a corner, as C below checks all quickly."""
    if tier != "unit":
        return list(itertools.product(BYTES, BYTES))
    return [*itertools.product(CORNERS, BYTES), *itertools.product(BYTES, CORNERS)]


def test_sub(pairs: list[tuple[int, int]]) -> None:
    for a, b in pairs:
        check(Sub(*bits(a, b)), flagsmodel.of_sub(a, b, 8))


def test_add(pairs: list[tuple[int, int]]) -> None:
    for a, b in pairs:
        check(Add(*bits(a, b)), flagsmodel.of_add(a, b, 8))


def test_result_and_explicit() -> None:
    for a, given in itertools.product(BYTES, range(8)):
        cf, of, af = (Bits.const(given >> i, 1) for i in range(3))
        wanted = {**flagsmodel.of_result(a, 8), "CF": bool(cf), "OF": bool(of), "AF": bool(af)}
        check(Result(*bits(a), cf, of, af), wanted)
        check(Explicit(Bits.const(flagsmodel.word(wanted), 32)), wanted)


def test_guarded() -> None:
    new, old = Sub(*bits(1, 2)), Add(*bits(0xFF, 1))
    check(Guarded(Bits.const(1, 1), new, old), flagsmodel.of_sub(1, 2, 8))
    check(Guarded(Bits.const(0, 1), new, old), flagsmodel.of_add(0xFF, 1, 8))


# --- The same formulas as the engine has them --------------------------------------------------

HARNESS = """
#include "_generated_flags.h"

#define CONDITION(n) | (u32)cond_##n(c) << (n)

static u32 conditions(const Cpu *c) {
  return 0 CONDITION(0) CONDITION(1) CONDITION(2) CONDITION(3) CONDITION(4) CONDITION(5)
      CONDITION(6) CONDITION(7) CONDITION(8) CONDITION(9) CONDITION(10) CONDITION(11)
      CONDITION(12) CONDITION(13) CONDITION(14) CONDITION(15);
}

/* Two numbers for each (a, b): the flags, and a bit for each condition. */
void flags_of(u32 op, const s64 *a, const u64 *b, u32 count, u32 *out) {
  static Cpu cpu;
  for (u32 i = 0; i < count; i++) {
    cpu.cc_op = op;
    cpu.cc_a = (u64)a[i];
    cpu.cc_b = b[i];
    cpu.eflags = (u32)b[i];
    u32 slow = 0;
    for (u32 cc = 0; cc < 16; cc++) slow |= (u32)flags_cond(&cpu, cc) << cc;
    u32 single = (u32)(flag_cf(&cpu) | flag_pf(&cpu) << 2 | flag_af(&cpu) << 4 |
                       flag_zf(&cpu) << 6 | flag_sf(&cpu) << 7 | flag_of(&cpu) << 11);
    u32 word = flags_status(&cpu), fast = conditions(&cpu);
    out[2 * i] = single == word ? word : ~0u;
    out[2 * i + 1] = slow == fast ? fast : ~0u;
  }
}
"""


class Engine:
    """`flags(kind, width, pairs)` as _generated_flags.c computes them: (word, condition mask)."""

    def __init__(self, folder: Path) -> None:
        (folder / "_generated_flags.h").write_text(emit_flags.header())
        (folder / "_generated_flags.c").write_text(emit_flags.source())
        (folder / "harness.c").write_text(HARNESS)
        library = folder / "flags.so"
        command = [*toolchain.compiler(), "-std=gnu11", "-O1", "-fwrapv", "-Wall", "-Wextra"]
        command += ["-Werror", "-shared", "-fPIC", f"-I{ENGINE}", f"-I{folder}", "-o", str(library)]
        sources = [str(folder / "harness.c"), str(folder / "_generated_flags.c")]
        subprocess.run([*command, *sources], check=True, timeout=100)
        self._library = ctypes.CDLL(str(library))

    def flags(self, op: int, pairs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        count = len(pairs)
        a = (ctypes.c_int64 * count)(*(p[0] for p in pairs))
        b = (ctypes.c_uint64 * count)(*(p[1] % 2**64 for p in pairs))
        out = (ctypes.c_uint32 * (2 * count))()
        self._library.flags_of(op, a, b, count, out)
        return zip(out[::2], out[1::2], strict=True)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("flags"))


KINDS: dict[str, tuple[int, Callable[[int, int, int], dict[str, bool]]]] = {
    "sub": (0, flagsmodel.of_sub),
    "add": (4, flagsmodel.of_add),
}


def values(log: int) -> list[tuple[int, int]]:
    """All pairs of bytes; of wider operands those around the corners."""
    w = 8 << log
    if w == 8:
        return list(itertools.product(BYTES, BYTES))
    top = 1 << w
    near = [(k + d) % top for k in (0, 0x80, 0x8000, top >> 1) for d in range(-18, 19)]
    return list(itertools.product(near, near))


@pytest.mark.parametrize("log", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_engine_has_the_formulas(engine: Engine, kind: str, log: int) -> None:
    """Operands are stored sign-extended; the result must not depend on more than their width."""
    first, model = KINDS[kind]
    w, pairs = 8 << log, values(log)
    extended = [(flagsmodel.signed(a, w), flagsmodel.signed(b, w)) for a, b in pairs]
    for (a, b), (word, mask) in zip(pairs, engine.flags(first + log, extended), strict=True):
        wanted = model(a, b, w)
        assert (word, mask) == (flagsmodel.word(wanted), flagsmodel.condition_mask(wanted)), (a, b)


@pytest.mark.parametrize("log", range(4))
def test_engine_has_results_with_given_flags(engine: Engine, log: int) -> None:
    w = 8 << log
    cases = list(itertools.product(sorted({v for pair in values(log) for v in pair}), range(8)))
    given = [{"CF": g & 1 > 0, "OF": g & 2 > 0, "AF": g & 4 > 0} for g in range(8)]
    packed = [sum(g[name] << POSITION[name] for name in g) for g in given]
    pairs = [(flagsmodel.signed(a, w), packed[g]) for a, g in cases]
    for (a, g), (word, mask) in zip(cases, engine.flags(8 + log, pairs), strict=True):
        wanted = {**flagsmodel.of_result(a, w), **given[g]}
        assert (word, mask) == (flagsmodel.word(wanted), flagsmodel.condition_mask(wanted)), (a, g)


def test_engine_has_explicit_flags(engine: Engine) -> None:
    words = [
        sum((n >> i & 1) << p for i, p in enumerate(POSITION.values())) | 0x702 for n in range(64)
    ]
    for eflags, (word, mask) in zip(words, engine.flags(12, [(0, x) for x in words]), strict=True):
        wanted = {name: bool(eflags >> p & 1) for name, p in POSITION.items()}
        assert (word, mask) == (eflags & ~0x702, flagsmodel.condition_mask(wanted))
