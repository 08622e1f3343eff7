"""A fixture for pytest: recordings as test data.

def test_arguments(capsule):
    with capsule("bug.cap") as program:
        assert program.at("main").rdi == 2
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blink.debugger.program import Program


@pytest.fixture
def capsule() -> Callable[[str], Program]:
    """Opens a recording: see blink.Program, which is a context manager."""
    return Program.open_capsule
