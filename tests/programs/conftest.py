"""`same`: every test that uses it runs plain, with -j and with -m.

With -j and -m in the unit tier only where the test is marked `all_modes`; from the ci tier on
everywhere.  A test that takes longer says itself which mode belongs to which tier:
`@pytest.mark.tiers(plain="ci", interpreted="long")`; it does not run in those that it leaves out.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from programs.harness import GUESTS, Same

MODES = {"plain": (), "interpreted": ("-j",), "checked": ("-m",)}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "all_modes: runs with -j and -m, too, in every tier")
    config.addinivalue_line("markers", "tiers: the tier (unit, ci or long) of each mode")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "same" in metafunc.fixturenames:
        chosen = [
            pytest.param(mode, marks=() if tier == "unit" else getattr(pytest.mark, tier))
            for mode, tier in _tiers(metafunc.definition).items()
        ]
        metafunc.parametrize("same", chosen, indirect=True)


def _tiers(test: pytest.Item) -> dict[str, str]:
    """The tier of each mode that a test runs in."""
    if own := test.get_closest_marker("tiers"):
        return dict(own.kwargs)
    if test.get_closest_marker("all_modes"):
        return dict.fromkeys(MODES, "unit")
    return {**dict.fromkeys(MODES, "ci"), "plain": "unit"}


@pytest.fixture
def same(request: pytest.FixtureRequest, tmp_path: Path, need: Callable[[str], str]) -> Same:
    """Compares a command's native run with the run under blink (see `Same`)."""
    return Same(tmp_path, need, MODES[request.param])


@pytest.fixture(scope="session")
def compile_c(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Callable[..., str]:
    """Compiles a C source of guests/ natively, once for each flags; returns the program's path."""
    folder = tmp_path_factory.mktemp("compiled")
    done: dict[tuple[str, ...], str] = {}

    def build(name: str, *flags: str, compiler: str = "gcc") -> str:
        key = (name, compiler, *flags)
        if key not in done:
            path = folder / f"{name}{len(done)}"
            options = ["-O1", "-w", "-D_GNU_SOURCE", "-o", str(path)]
            command = [need(compiler), *options, str(GUESTS / f"{name}.c"), *flags]
            subprocess.run(command, check=True, timeout=60)
            done[key] = str(path)
        return done[key]

    return build
