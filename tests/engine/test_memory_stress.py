"""The memory in C under ASan and UBSan: random operations against a model, and threads."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "src" / "blink" / "engine"
FLAGS = (
    "-std=gnu11 -fno-strict-aliasing -fwrapv -O1 -g -Wall -Wextra -pthread"
    " -fsanitize=address,undefined -fno-sanitize-recover=undefined"
).split()
OPERATIONS = {"unit": 30_000, "ci": 300_000, "all": 3_000_000}
MILLISECONDS = {"unit": 500, "ci": 3_000, "all": 20_000}


@pytest.fixture(scope="module", params=[0, 1], ids=["linear", "paged"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("memory") / f"stress{request.param}"
    sources = [ROOT / "tests" / "native" / "memory_stress.c", *sorted(ENGINE.glob("memory*.c"))]
    flags = [*FLAGS, f"-DBLINK_PAGED={request.param}", f"-I{ENGINE}", "-o", str(output)]
    subprocess.run(["gcc", *flags, *map(str, sources)], check=True, timeout=100)
    return output


def test_memory_agrees_with_its_model_and_threads_lose_nothing(program: Path) -> None:
    seed = os.environ.get("BLINK_SEED", "1")
    tier = os.environ.get("BLINK_TIER", "unit")
    command = [str(program), seed, str(OPERATIONS[tier]), str(MILLISECONDS[tier])]
    limit = 100 + OPERATIONS[tier] // 2000
    run = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout}{run.stderr}"
    assert "stores" in run.stdout
