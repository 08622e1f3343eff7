"""`guests/threads.c`, part by part, natively and by blink, linked both ways."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel.test_guests import HERE, blink, end

PARTS = """
    sums ball barriers signals exits dies faults main-first execs execs-main detach robusts forks
    cancels futexes clones code many
""".split()
MODES: dict[str, tuple[str, ...]] = {"default": (), "interpreter": ("-j",), "checked": ("-m",)}


@pytest.fixture(scope="module", params=["static", "dynamic"])
def program(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    need: Callable[[str], str],
) -> Path:
    path = tmp_path_factory.mktemp("threads") / "threads"
    linked = ["-static"] if request.param == "static" else []
    command = [need("gcc"), "-std=gnu11", "-O1", "-w", "-pthread", *linked, "-o", str(path)]
    subprocess.run([*command, str(HERE / "threads.c")], check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def native(program: Path) -> Callable[[str], tuple[int, str, str]]:
    """What a part says natively, asked once."""
    known: dict[str, tuple[int, str, str]] = {}

    def ask(part: str) -> tuple[int, str, str]:
        if part not in known:
            known[part] = end([str(program), part], program.parent)
        return known[part]

    return ask


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", PARTS)
def test_same_as_the_host(
    part: str, mode: str, program: Path, native: Callable[[str], tuple[int, str, str]]
) -> None:
    emulated = end([*blink(*MODES[mode]), str(program), part], program.parent)
    assert emulated == native(part)
