"""A fixture for pytest: recordings as test data.

def test_arguments(capsule):
    with capsule("bug.cap") as program:
        assert program.at("main").rdi == 2
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.debugger.program import Program


@pytest.fixture
def capsule() -> Callable[[str], Program]:
    """Opens a recording: see blink.Program, which is a context manager."""
    from blink.debugger.program import Program  # when a test asks, not in each run of pytest

    return Program.open_capsule
