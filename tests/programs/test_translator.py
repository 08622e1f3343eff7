"""Programs that are hard on a translator: natively, translated, and interpreted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from programs.harness import Same

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
