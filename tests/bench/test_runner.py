"""Running workloads: alternation, the stopwatch, one tiny workload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import building, inputs, runner
from bench.records import Sample
from bench.runner import Runner, alternate, counted
from bench.workloads import WORKLOADS, Workload


def sample(status: int = 0) -> Sample:
    return Sample(status, 1.0, 1.0, 0.0, 1, "")


def test_engines_alternate_and_take_turns_to_be_first() -> None:
    order: list[str] = []

    def run(engine: str) -> Sample:
        order.append(engine)
        return sample()

    samples = alternate(["a", "b", "c"], 2, run)
    assert "".join(order) == "abcbca"
    assert {engine: len(kept) for engine, kept in samples.items()} == {"a": 2, "b": 2, "c": 2}


def test_an_engine_that_failed_is_left_alone() -> None:
    samples = alternate(["good", "bad"], 3, lambda engine: sample(int(engine == "bad")))
    assert (len(samples["good"]), len(samples["bad"])) == (3, 1)


def test_what_a_build_says() -> None:
    assert building.summary("one\nengine (release): 2 s\nlast") == "engine (release): 2 s"
    assert building.summary("one\nlast") == "last"


def test_instructions_in_a_log() -> None:
    assert counted("[1] system call 9\n[1] instructions 254419\n[1] blocks 7\n") == 254419
    assert counted("[1] blocks 7\n") is None


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> inputs.Folder:
    need("gcc")
    return inputs.Folder(tmp_path_factory.mktemp("bench"))


def test_a_tiny_workload(folder: inputs.Folder) -> None:
    fib = next(workload for workload in WORKLOADS if workload.name == "fib")
    found = Runner(folder, ["native"], rounds=2, quick=True).measure(fib)
    assert [s.status for s in found.samples["native"]] == [0, 0]
    assert len({s.output for s in found.samples["native"]}) == 1
    assert all(0 < s.wall < 10 and s.peak_kib > 0 for s in found.samples["native"])


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3 << 8), ("kill -9 $$", 9)])
def test_the_stopwatch_reports_how_it_ended(
    folder: inputs.Folder, script: str, status: int
) -> None:
    watch = Runner(folder, ["native"], rounds=1, quick=True)
    assert watch.once(["sh", "-c", script], Path("/dev/null")).status == status


def test_a_hung_program_is_ended(folder: inputs.Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LIMIT", 1)
    watch = Runner(folder, ["native"], rounds=1, quick=True)
    assert watch.once(["sleep", "60"], Path("/dev/null")).status == 14  # SIGALRM


def test_the_peak_memory_is_the_program_s_own(folder: inputs.Folder) -> None:
    """Not that of the Python process which starts it."""
    watch = Runner(folder, ["native"], rounds=1, quick=True)
    assert watch.once(["/bin/true"], Path("/dev/null")).peak_kib < 4096


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_inputs_are_the_same_each_time(workload: Workload) -> None:
    if workload.data:
        make = inputs.GENERATORS[workload.data]
        assert make(workload.quick) == make(workload.quick) != b""
