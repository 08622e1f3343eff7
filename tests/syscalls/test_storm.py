"""Signals that come faster than their handler runs: each system call begins some time.

Linux itself stands still at a period of a few microseconds, so it runs with a longer one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syscalls.guest import Compile, blink, lines

MODES = {"linear": [], "interpreted": ["-j"], "checked": ["-m"], "traced": ["-s", "-L", "log"]}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "mode", [*(pytest.param(mode, marks=pytest.mark.ci) for mode in list(MODES)[:3]), "traced"]
)
def test_a_storm(mode: str, compiled: Compile, tmp_path: Path) -> None:
    program = str(compiled("storm"))
    native = lines([program, "3000"], tmp_path / "native")
    emulated = lines([*blink(*MODES[mode]), program, "1"], tmp_path / "blink")
    assert emulated[:2] == native[:2], emulated[2]
    assert native[0] == 0
