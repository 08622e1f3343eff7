"""The decoder against Zydis: random bytes, every opcode, and the code of the host's programs.

Where the two may differ is listed, with reasons, in tests/native/decode_exceptions.h.
"""

from __future__ import annotations

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import decode_help

HEADER = Path("/usr/include/Zydis/Zydis.h")
FOLDER = Path("/usr/bin")
ALL_SECONDS = 300  # for all of it; two minutes suffice on two cores of 2024


@pytest.fixture(scope="module")
def compare(tier: str) -> Path:
    """The comparing program; without Zydis the unit tier skips and the others fail."""
    if not HEADER.exists():
        (pytest.skip if tier == "unit" else pytest.fail)("libzydis-dev is not installed")
    return decode_help.driver("decode_vs_zydis", "-lZydis")


def _run(program: Path, *arguments: str, seconds: float) -> str:
    """What the program prints; fails with it when there is a difference that nothing explains."""
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=seconds + 500, check=False
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _compared(output: str) -> int:
    return int(output.rpartition("compared ")[2].partition(",")[0])


def test_random_bytes(compare: Path, seed: int, quota: float) -> None:
    output = _run(compare, "random", str(seed | 1 << 32), str(quota), seconds=quota)
    assert _compared(output) > 10_000


def test_every_opcode(compare: Path) -> None:
    assert _compared(_run(compare, "sweep", "64", seconds=0)) > 70_000_000


@pytest.mark.ci
@pytest.mark.parametrize("mode", ["16", "32"])
def test_every_opcode_of_other_modes(compare: Path, mode: str) -> None:
    assert _compared(_run(compare, "sweep", mode, seconds=0)) > 70_000_000


def programs(seed: int) -> list[str]:
    """The files of the folder, each once, in random order."""
    files = sorted(str(p) for p in FOLDER.iterdir() if p.is_file() and not p.is_symlink())
    random.Random(seed).shuffle(files)
    return files


def test_some_programs(compare: Path, seed: int, quota: float) -> None:
    output = _run(compare, "text", str(quota), *programs(seed), seconds=quota)
    assert _compared(output) > 100_000


@pytest.mark.ci
@pytest.mark.timeout(ALL_SECONDS + 500)
def test_all_programs(compare: Path, seed: int) -> None:
    """Two processes share them; lengths and operands of every instruction."""
    files = programs(seed)
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda part: _all_of(compare, part), (files[::2], files[1::2]))
        assert sum(runs) > 10_000_000


def _all_of(compare: Path, files: list[str]) -> int:
    output = _run(compare, "text", str(ALL_SECONDS), *files, seconds=ALL_SECONDS)
    assert "out of time" not in output
    return _compared(output)
