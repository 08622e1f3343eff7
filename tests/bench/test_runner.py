"""Running workloads: alternation, the stopwatch, the scales, one tiny workload."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import building, inputs, runner
from bench.records import Sample
from bench.runner import Runner, alternate, counted
from bench.workloads import KERNELS, SECTIONS, STARTS, WORKLOADS

NULL = Path("/dev/null")


def sample(status: int = 0, wall: float = 1.0) -> Sample:
    return Sample(status, wall, 1.0, 0.0, "")


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


def test_a_slow_engine_has_fewer_rounds() -> None:
    walls = {"fast": 0.4, "slow": 1.0, "slowest": 9.0}
    samples = alternate(list(walls), 5, lambda engine: sample(wall=walls[engine]), patience=2.0)
    assert {e: len(kept) for e, kept in samples.items()} == {"fast": 5, "slow": 3, "slowest": 1}


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


@pytest.fixture(scope="session")
def native(folder: inputs.Folder) -> Runner:
    return Runner(folder, ["native"], rounds=2, quick=True)


def test_a_tiny_workload(native: Runner) -> None:
    found = native.measure(KERNELS[0], SECTIONS[0])
    assert (found.name, found.title, found.section) == ("fib", "fib(20)", "Kernels")
    assert [s.status for s in found.samples["native"]] == [0, 0]
    assert len({s.output for s in found.samples["native"]}) == 1
    assert all(0 < s.wall < 10 for s in found.samples["native"])


def test_small_sizes_have_no_aims(native: Runner) -> None:
    assert KERNELS[0].aims and not native.measure(KERNELS[0], SECTIONS[0]).aims


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3 << 8), ("kill -9 $$", 9)])
def test_the_stopwatch_reports_how_it_ended(native: Runner, script: str, status: int) -> None:
    assert native.once(["sh", "-c", script], NULL).status == status


def test_the_last_line_of_standard_error_is_kept(native: Runner) -> None:
    assert native.once(["sh", "-c", "echo a >&2; echo path: b >&2"], NULL).said == "path: b"


@pytest.mark.parametrize("tool", ["once", "weigh"])
def test_a_hung_program_is_ended(
    native: Runner, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    monkeypatch.setattr(runner, "LIMIT", 1)
    done = getattr(native, tool)(["sleep", "60"], NULL)
    assert tool == "weigh" or done.status == 14  # SIGALRM


def test_memory_counts_what_a_program_touches(native: Runner) -> None:
    """A child that fills 50 MB, beside its parent."""
    fill = "x = bytearray(50_000_000); import time; time.sleep(0.3)"
    script = f"/usr/bin/python3 -I -S -c '{fill}' & wait"
    found = native.weigh(["sh", "-c", script], NULL)
    assert found.processes == 2
    assert 50_000_000 < found.pss_kib * 1024 < 80_000_000


def test_memory_of_shared_pages_is_counted_once(native: Runner) -> None:
    fill = "import os, time; x = bytearray(50_000_000); os.fork(); time.sleep(0.3)"
    found = native.weigh(["/usr/bin/python3", "-I", "-S", "-c", fill], NULL)
    assert found.processes == 2
    assert 50_000_000 < found.pss_kib * 1024 < 80_000_000


def test_warming_up_starts_each_engine(
    folder: inputs.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    made = Runner(folder, ["native", "blink -j"], rounds=1, quick=True)
    monkeypatch.setattr(made, "once", lambda command, stdin: started.append(" ".join(command)))
    made.warm_up()
    assert started == ["/bin/true", f"{runner.BLINK} -j /bin/true"]


def test_a_script_under_qemu_starts_its_programs_under_qemu(
    folder: inputs.Folder, need: Callable[[str], str]
) -> None:
    qemu = need("qemu-x86_64")
    script = next(workload for workload in STARTS if workload.name == "processes")
    made = Runner(folder, ["native", "qemu"], rounds=1, quick=True)
    assert f"do {qemu} /bin/true;" in made.command(script, "qemu")[-1]
    assert "do  /bin/true;" in made.command(script, "native")[-1]


@pytest.mark.ci
@pytest.mark.timeout(600)
def test_all_workloads_run_and_write_what_they_write_natively(need: Callable[[str], str]) -> None:
    """`./dev bench --quick`; its exit status says whether blink did something else."""
    for program in ("gcc", "node", "luajit", "perl", "xz", "git", "sqlite3"):
        need(program)
    words = [sys.executable, "-m", "bench", "--quick", "--paged"]
    done = subprocess.run(words, cwd=inputs.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for workload in WORKLOADS:
        assert f"| {workload.title.format(n=f'{workload.quick:,}')} " in done.stdout
    assert "not installed" not in done.stdout.replace("qemu: not installed", "")
