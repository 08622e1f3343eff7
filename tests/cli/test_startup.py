"""Start-up time as a ratio to Python's own (docs/internals/startup.md)."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

LIMIT = 1.5
ROUNDS = 60
BLINK = Path(sys.executable).parent / "blink"


def once(command: list[str]) -> float:
    """Seconds from the start of a process to its end."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    assert os.waitpid(pid, 0)[1] == 0
    return time.perf_counter() - started


@pytest.mark.ci
def test_blink_starts_about_as_fast_as_python() -> None:
    python = [str(sys._base_executable), "-I", "-S", "-c", "pass"]  # type: ignore[attr-defined]
    blink = [str(BLINK), "-v"]
    # Interleaved, and the best of many: load from other processes hits both alike.
    pairs = [(once(blink), once(python)) for _ in range(ROUNDS)]
    ratio = min(b for b, _ in pairs) / min(p for _, p in pairs)
    print(f"blink -v takes {ratio:.2f} times python -I -S -c pass")
    assert ratio < LIMIT
