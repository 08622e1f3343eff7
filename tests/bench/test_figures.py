"""Figures from samples, and the aims beside them."""

from __future__ import annotations

import pytest
from tests.bench.samples import good, measurement, peak, results, sample

from bench.aims import RATE, SPEEDUP, Aim, at_most
from bench.figures import Figures, allowed, fault, faults
from bench.ratios import Spread
from bench.records import Sample


@pytest.mark.parametrize(
    ("aim", "found", "verdict"),
    [
        (at_most(1.5), 1.5, "met"),
        (at_most(1.5), 3.0, "**missed** by 100 %"),
        (at_most(1.5), None, "not measured"),
        (Aim(RATE, "blink -j", "", 600), 700.0, "met"),
        (Aim(RATE, "blink -j", "", 600), 300.0, "**missed** by 100 %"),
        (Aim(SPEEDUP, "blink", "one", 1.8), 1.9, "met"),
        (Aim(SPEEDUP, "blink", "one", 1.8), 1.5, "**missed** by 20.0 %"),
    ],
)
def test_verdicts(aim: Aim, found: float | None, verdict: str) -> None:
    assert aim.verdict(found) == verdict


def test_how_an_aim_reads() -> None:
    assert str(at_most(1.5, theirs="qemu")) == "blink / qemu ≤ 1.5"
    assert str(Aim(RATE, "blink -j", "", 600)) == "blink -j ≥ 600 million / s"
    assert str(Aim(SPEEDUP, "blink", "one", 1.8)) == "blink ≥ 1.8 times one"


def test_ratio_of_wall_or_processor_time() -> None:
    m = good()
    assert Figures(results(m)).compared(m, "blink", "native") == Spread(2.5, 2.0, 3.0)
    assert Figures(results(m), cpu=True).compared(m, "blink", "native") == Spread(1.0, 1.0, 1.0)
    assert Figures(results(m)).figure(m, at_most(1.0)) == 2.5


def test_rate_counts_each_sample() -> None:
    m, aim = good(), Aim(RATE, "blink", "", 1)
    assert Figures(results(m)).figure(m, aim) is None
    m.instructions = 12_000_000
    assert Figures(results(m)).rate(m, "blink") == Spread(4.0, 2.0, 6.0)
    assert Figures(results(m)).figure(m, aim) == 4.0


def test_speedup_over_one_thread_is_of_wall_time() -> None:
    one = measurement(name="one", blink=[sample(3.0)])
    two = measurement(name="two", blink=[sample(1.5)])
    two.base = "one"
    figures = Figures(results(one, two), cpu=True)
    assert figures.speedup(two, "blink") == Spread(2.0, 2.0, 2.0)
    assert figures.figure(two, Aim(SPEEDUP, "blink", "one", 1.8)) == 2.0
    assert Figures(results(two)).speedup(two, "blink") is None


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (sample(1.0, status=1 << 8), "status 1"),
        (sample(1.0, status=11), "signal 11"),
        (sample(1.0, output="other"), "wrong output"),
    ],
)
def test_a_run_that_went_wrong_has_no_figures(bad: Sample, complaint: str) -> None:
    m = measurement(native=[sample(1.0)], blink=[sample(1.0), bad])
    m.instructions = 1
    assert fault(m, "blink") == complaint
    assert Figures(results(m)).compared(m, "blink", "native") is None
    assert Figures(results(m)).rate(m, "blink") is None


def test_what_a_failed_program_said() -> None:
    m = measurement(native=[sample(1.0)], qemu=[Sample(11, 1.0, 1.0, 0.0, "", "uncaught signal")])
    assert faults(m) == {"qemu": "signal 11: `uncaught signal`"}


@pytest.mark.parametrize(
    ("name", "native", "blink", "limit"),
    [
        ("w", peak(100), peak(50), 140),
        ("w", peak(1), peak(9, 3), 61),
        ("true", peak(1), peak(9), 30),
    ],
)
def test_the_memory_limit(name: str, native: object, blink: object, limit: float) -> None:
    m = measurement(name=name)
    m.memory = {"native": native, "blink": blink}  # type: ignore[dict-item]
    assert allowed(m) == pytest.approx(limit, abs=0.01)
    del m.memory["native"]
    assert allowed(m) is None
