"""The tables of the benchmark reports, and the format that is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import records, report
from bench.records import Build, Measurement, Results, Sample


def sample(wall: float, status: int = 0, output: str = "same", cpu: float = 0.5) -> Sample:
    return Sample(status, wall, cpu, 0.0, 2048, output)


def measurement(**samples: list[Sample]) -> Measurement:
    return Measurement("w", "work", ["@bin/w"], "aim", samples)


GOOD = measurement(
    native=[sample(1.0), sample(2.0)], qemu=[sample(4.0), sample(8.0)],
    blink=[sample(2.0), sample(6.0)],
)  # fmt: skip


def results(*measurements: Measurement) -> Results:
    return Results("2026-01-01", "./dev bench", {"processor": "P"}, list(measurements))


def row(page: str, title: str) -> list[str]:
    """The cells of the first row of this title."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {title} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_times() -> None:
    assert row(report.page(results(GOOD), cpu=False), "work") == [
        "work", "1500", "4.00 (4.00..4.00)", "2.50 (2.00..3.00)", "0.62 (0.50..0.75)", "aim",
    ]  # fmt: skip


def test_processor_times() -> None:
    assert row(report.page(results(GOOD), cpu=True), "work")[1:3] == ["500", "1.00 (1.00..1.00)"]


def test_rate_counts_each_sample() -> None:
    m = measurement(**GOOD.samples)
    m.instructions = 12_000_000
    page = report.page(results(m), cpu=False).partition("## Instructions")[2]
    assert row(page, "work") == ["work", "12.0", "4.00 (2.00..6.00)", "-"]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (sample(1.0, status=1 << 8), "blink: status 1"),
        (sample(1.0, status=11), "blink: signal 11"),
        (sample(1.0, output="other"), "blink: wrong output"),
    ],
)
def test_a_run_that_went_wrong_has_no_ratio(bad: Sample, complaint: str) -> None:
    m = measurement(native=[sample(1.0)], blink=[bad])
    m.instructions = 1
    page, _, rates = report.page(results(m), cpu=False).partition("## Instructions")
    assert row(page, "work")[2] == complaint
    assert row(rates, "work")[2] == "-"


def test_an_engine_that_is_not_here() -> None:
    other = measurement(native=[sample(1.0)])
    page = report.page(results(GOOD, Measurement("x", "other", [], "", other.samples)), cpu=False)
    assert row(page, "other")[2] == "-"


def test_a_failed_build_is_no_time() -> None:
    found = results()
    found.build = Build(12.0, 3.0, 1, "no gcc")
    assert "failed, status 1" in report.page(found, cpu=False)


def test_kept_results_come_back(tmp_path: Path) -> None:
    kept = results(GOOD)
    kept.build = Build(12.0, 3.0, 0, "built")
    kept.save(tmp_path / "x.json")
    assert records.load(tmp_path / "x.json") == kept


def test_results_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"version": 0}')
    with pytest.raises(ValueError, match="format"):
        records.load(tmp_path / "x.json")
