"""The decoder against Zydis: random bytes, every opcode, and the code of the host's programs.

Where the two may differ is listed, with reasons, in tests/native/decode_exceptions.h.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from engine import decode_help

HEADER = Path("/usr/include/Zydis/Zydis.h")
FOLDER = Path("/usr/bin")


@pytest.fixture(scope="module")
def compare(tier: str) -> Path:
    """The comparing program; without Zydis the unit tier skips and the others fail."""
    if not HEADER.exists():
        (pytest.skip if tier == "unit" else pytest.fail)("libzydis-dev is not installed")
    return decode_help.driver("decode_vs_zydis", "-lZydis")


def _run(program: Path, *arguments: str, seconds: float) -> str:
    """What the program prints; fails with it when there is a difference that nothing explains."""
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=seconds + 100, check=False
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


def test_programs(compare: Path, seed: int, quota: float) -> None:
    files = sorted(str(path) for path in FOLDER.iterdir() if path.is_file())
    random.Random(seed).shuffle(files)
    output = _run(compare, "text", str(quota), *files, seconds=quota)
    assert _compared(output) > 100_000
