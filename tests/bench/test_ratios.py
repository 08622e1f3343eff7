"""The arithmetic of the benchmark reports."""

from __future__ import annotations

import pytest

from bench.ratios import Spread, number, ratio, spread


def test_ratio_pairs_the_rounds() -> None:
    """A machine that is ten times slower in the second round does not change the ratio."""
    assert ratio([2.0, 20.0, 4.0], [1.0, 10.0, 1.0]) == Spread(2.0, 2.0, 4.0)


def test_ratio_leaves_out_rounds_that_only_one_ran() -> None:
    assert ratio([1.0, 1.0, 9.0], [2.0, 4.0]) == Spread(0.375, 0.25, 0.5)


def test_spread_of_an_even_count_takes_the_middle() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0]) == Spread(2.5, 1.0, 4.0)


def test_spread_of_nothing() -> None:
    with pytest.raises(ValueError, match="no samples"):
        spread([])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.50"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (1234567.0, "1234567")],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text
