"""coverage.txt is what the tests do, and enough."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from syscalls import coverage
from syscalls.test_calls import FAMILIES

AIM = 300


def test_enough_calls_are_covered() -> None:
    assert len(coverage.covered(coverage.TABLE.read_text())) >= AIM


def test_the_guests_are_those_of_the_comparison() -> None:
    assert set(coverage.FAMILIES) == set(FAMILIES)


@pytest.mark.ci
def test_the_table_is_what_the_tests_do(need: Callable[[str], str], tmp_path: Path) -> None:
    """No call is called covered that the tests do not cover here: as root, with this kernel."""
    need("gcc")
    if os.geteuid() != 0:
        pytest.skip("what nobody may do counts as an error, not as a success")
    here = coverage.covered(coverage.table(coverage.collect(tmp_path)))
    missing = coverage.covered(coverage.TABLE.read_text()) - here
    assert not missing
