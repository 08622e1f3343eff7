"""The tables of the benchmark reports, and the format that is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.samples import good, measurement, peak, results, sample

from bench import notes, records, report
from bench.aims import SPEEDUP, Aim
from bench.notes import UNEXPLAINED, Notes
from bench.records import Build, Frames, Results, Sample
from bench.workloads import WORKLOADS

NO_NOTES = Notes({})


def row(page: str, title: str) -> list[str]:
    """The cells of the first row of this title."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {title} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def page(found: Results, kept: Notes = NO_NOTES) -> str:
    return report.page(found, kept)


def test_times_and_aims() -> None:
    assert row(page(results(good())), "work w") == [
        "work w", "1500", "4.00 (4.00..4.00)", "2.50 (2.00..3.00)", "0.62 (0.50..0.75)",
        "blink / native ≤ 2.5: met; blink / native ≤ 2: **missed** by 25.0 %",
    ]  # fmt: skip


def test_processor_times() -> None:
    cells = row(report.page(results(good()), NO_NOTES, cpu=True), "work w")
    assert cells[1:3] == ["500", "1.00 (1.00..1.00)"]


def test_a_missed_aim_is_listed_with_its_reason() -> None:
    line = "- **work w**: blink / native ≤ 2, found 2.50: **missed** by 25.0 %. "
    assert f"{line}{UNEXPLAINED}\n" in page(results(good()))
    kept = Notes({"time": {"w": "Calls\ndominate."}, "memory": {"w": "no"}})
    assert f"{line}Calls dominate.\n" in page(results(good()), kept)


def test_what_is_met_is_not_listed() -> None:
    m = good()
    m.aims = m.aims[:1]
    assert "Aims missed" not in page(results(m))


def test_memory() -> None:
    m = good()
    m.memory = {"native": peak(1), "qemu": peak(20), "blink": peak(52, 2)}
    text = page(results(m))
    assert row(text.partition("## Memory")[2], "work w") == [
        "work w", "1.00", "20.0", "52.0", "2", "51.0", "**missed**",
    ]  # fmt: skip
    assert "memory: 52.0 MB, limit 51.0 MB" in text


def test_speedup() -> None:
    one = measurement(name="one", native=[sample(2.0)], blink=[sample(3.0)])
    aim = Aim(SPEEDUP, "blink", "one", 1.8)
    two = measurement(aim, name="two", native=[sample(1.0)], blink=[sample(2.0)])
    two.base = "one"
    cells = row(page(results(one, two)), "work two")
    assert cells[3:] == [
        "2.00 (2.00..2.00)", "1.50 (1.50..1.50)", "blink ≥ 1.8 times one: **missed** by 20.0 %",
    ]  # fmt: skip


@pytest.mark.parametrize("bad", [sample(1.0, status=11), sample(1.0, output="other")])
def test_a_run_that_went_wrong_says_so(bad: Sample) -> None:
    text = page(results(measurement(native=[sample(1.0)], blink=[bad])))
    wrong = "signal 11" if bad.status else "wrong output"
    assert row(text, "work w")[2] == f"blink: {wrong}"
    assert f"- work w: blink: {wrong}" in text.partition("## Not as natively")[2]


def test_what_could_not_be_measured_is_listed() -> None:
    found = results(good())
    found.missing = ["node: node is not installed"]
    assert "## Not as natively\n\n- node: node is not installed\n" in page(found)


def test_an_engine_that_is_not_here() -> None:
    other = measurement(name="other", native=[sample(1.0)])
    assert row(page(results(good(), other)), "work other")[2] == "-"


def test_the_path_that_a_program_chose() -> None:
    said = [Sample(0, 1.0, 1.0, 0.0, "same", "path: avx2")]
    m = measurement(native=said, blink=[Sample(0, 1.0, 1.0, 0.0, "same", "path: sse2")])
    assert "- work w ran as: native avx2, blink sse2\n" in page(results(m))


@pytest.mark.parametrize(
    ("build", "cell"),
    [(Build(12.0, 3.0, 1, "no gcc"), "failed, status 1"), (Build(61.0, 3.0, 0, "ok"), "61.0 s")],
)
def test_a_build_that_misses_its_aim(build: Build, cell: str) -> None:
    found = results()
    found.build = build
    text = page(found)
    assert row(text, "`./dev build` in a fresh tree")[1] == cell
    assert "- **build**: " in text


def test_kept_results_come_back(tmp_path: Path) -> None:
    kept = results(good())
    kept.measurements[0].memory = {"blink": peak(3)}
    kept.build = Build(12.0, 3.0, 0, "built")
    kept.save(tmp_path / "x.json")
    assert records.load(tmp_path / "x.json") == kept


def test_results_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"version": 0}')
    with pytest.raises(ValueError, match="format"):
        records.load(tmp_path / "x.json")


def test_the_kept_notes_are_about_workloads() -> None:
    names = {workload.name for workload in WORKLOADS}
    tables = notes.load().tables
    assert set(tables) <= {"time", "memory"}
    assert set(tables.get("time", {})) <= names | {"build", "frames"}
    assert set(tables.get("memory", {})) <= names


def test_frames_of_the_interface(tmp_path: Path) -> None:
    found = results(good())
    fast = Frames("fib", 80, 25, "full", 100, 4.0, 2.0, 500_000, 8_000_000, 0.5, "P")
    found.frames = [fast, Frames("CPython", 200, 60, "full", 40, 4.0, 2.0, 500_000, 4000, 0.5, "P")]
    text = page(found)
    assert row(text.partition("## The interface")[2], "fib") == [
        "fib", "80x25", "full", "25.0", "20.0", "5.0", "2,000,000", "0.5", "≥ 20: met",
    ]  # fmt: skip
    assert "- **frames**: 10.0 to 10.0 a second, aim 20. " in text
    found.save(tmp_path / "kept")
    assert records.load(tmp_path / "kept").frames == found.frames
