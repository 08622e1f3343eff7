"""The engine's own tests again, in an engine with ASan and UBSan (`./dev build --sanitize`)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import engine_build

ROOT = Path(__file__).parents[2]
SUITES = ("tests/engine", "tests/isa/test_hostcpu.py", "tests/isa/test_regressions.py")

# ASan keeps its shadow where linear guests live (0x7fff8000 to 0x10007fff8000), so what maps there
# cannot run in linear memory; in paged memory the same tests run.
COLLIDING = (
    "test_a_signal_ends_run",
    "test_signals_end_native_calls",
    "test_a_kick_ends_run",
    "test_reservations_of_terabytes_are_cheap and linear",
    "test_flags_of_gigabytes_next_to_small_changes and linear",
    "test_reset_drops_everything and linear",
    "test_tracking_a_huge_mapping and linear",
)


def runtimes(gcc: str) -> str:
    """The sanitizers' libraries, which the interpreter must load before all else."""
    names = ("libasan.so", "libubsan.so")
    return " ".join(
        subprocess.run(
            [gcc, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in names
    )


@pytest.mark.ci
@pytest.mark.timeout(1800)
def test_engine_tests_are_clean_under_sanitizers(need: Callable[[str], str]) -> None:
    gcc = need("gcc")
    engine_build.build(engine_build.sanitize())
    settings = {
        "LD_PRELOAD": runtimes(gcc),
        "ASAN_OPTIONS": "detect_leaks=0",  # CPython keeps what it allocated
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "BLINK_TIER": "unit",
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=600"]
    command += ["-o", "pythonpath=build/sanitize . tests tools", *SUITES]
    command += ["-k", "not (" + " or ".join(f"({name})" for name in COLLIDING) + ")"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output = done.stdout
    assert "AddressSanitizer" not in output, output
    assert "runtime error:" not in output, output
    assert done.returncode == 0, output
