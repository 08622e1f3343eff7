"""PR_SET_VMA: names of memory in /proc/self/maps, as Linux shows them.

The host may be built without (CONFIG_ANON_VMA_NAME), blink has it anyway: the lines are kept.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from syscalls.guest import HERE, Compile, blink, lines

PR_SET_VMA = 0x53564D41
MODES = {"linear": [], "checked": ["-m"], "rooted": ["-C", "/"]}
EXPECTED = (HERE / "names.txt").read_text().splitlines()


@pytest.mark.parametrize("mode", MODES)
def test_names(mode: str, compiled: Compile, tmp_path: Path) -> None:
    status, said, errors = lines([*blink(*MODES[mode]), str(compiled("names"))], tmp_path / "run")
    assert (status, said) == (0, EXPECTED), errors


def test_the_kernel_says_the_same(compiled: Compile, tmp_path: Path) -> None:
    """Where it can."""
    if ctypes.CDLL(None).prctl(PR_SET_VMA, 0, 0, 0, 0) == 0:
        assert lines([str(compiled("names"))], tmp_path / "run")[:2] == (0, EXPECTED)
