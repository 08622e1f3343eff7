"""Programs that are hard on a translator: natively, translated, and interpreted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from isa.features import host_has
from programs.harness import BLINK, Same

Compile = Callable[..., str]
MODES = pytest.mark.parametrize("mode", [(), ("-j",)], ids=["translated", "interpreted"])
BUILDS = pytest.mark.parametrize("build", [(), ("-static", "-no-pie")], ids=["pie", "static"])


@MODES
@BUILDS
def test_faults_are_precise(
    same: Same, compile_c: Compile, mode: tuple[str, ...], build: tuple[str, ...]
) -> None:
    same(compile_c("precise_faults", *build), options=mode)


@MODES
def test_signals_reach_tight_loops(same: Same, compile_c: Compile, mode: tuple[str, ...]) -> None:
    same(compile_c("tight_loops"), options=mode)


@MODES
@BUILDS
def test_code_may_change(
    same: Same, compile_c: Compile, mode: tuple[str, ...], build: tuple[str, ...]
) -> None:
    same(compile_c("changing_code", *build), options=mode)


@MODES
@BUILDS
def test_upper_halves_survive(
    same: Same, compile_c: Compile, mode: tuple[str, ...], build: tuple[str, ...]
) -> None:
    if not host_has("AVX"):
        pytest.skip("the host has no AVX to compare with")
    same(compile_c("upper_halves", "-pthread", *build), options=mode)


def instructions(said: bytes) -> int:
    """What -Z counted; it is the last that is written."""
    (line,) = [line for line in said.decode().splitlines() if " instructions " in line]
    return int(line.rpartition(" ")[2])


def counts(program: str) -> list[int]:
    """Of the translator and of both interpreters."""
    commands = [[BLINK, mode, program] for mode in ("-Z", "-Zj", "-Zm")]
    runs = [subprocess.run(c, capture_output=True, timeout=300, env={}) for c in commands]
    return [instructions(run.stderr) for run in runs]


def test_translated_code_counts_as_the_interpreter_does(compile_c: Compile) -> None:
    first, *others = counts(compile_c("libc", "-static", "-lm"))
    assert others == [first, first]
    assert first > 10_000


def test_threads_that_have_ended_are_counted(compile_c: Compile) -> None:
    """How often they wait for each other is chance."""
    first, *others = counts(compile_c("counted_threads", "-static", "-pthread", "-O1"))
    assert first > 3 * 100_000 * 3
    assert all(abs(other - first) < 10_000 for other in others)


@MODES
@BUILDS
def test_hot_code(
    same: Same, compile_c: Compile, mode: tuple[str, ...], build: tuple[str, ...]
) -> None:
    """Interpreted, each store to a page with code is a signal: fewer of them."""
    rounds = "1500" if mode else "20000"
    same(compile_c("hot_code", "-pthread", *build), rounds, options=mode)
