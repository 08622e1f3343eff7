"""LiveRunner: programs run under control, and stop exactly where they are told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel.test_guests import end
from replay.support import drive

THREADS = Path(__file__).parents[1] / "kernel" / "guests" / "threads.c"
TO_THE_END = """
while True:
    halt = r.run()
    say(halt.reason, halt.details)
"""


@pytest.fixture(scope="module")
def threads(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    path = tmp_path_factory.mktemp("live") / "threads"
    command = [need("gcc"), "-std=gnu11", "-O1", "-w", "-pthread", "-static", "-o", str(path)]
    subprocess.run([*command, str(THREADS)], check=True, timeout=60)
    return path


PARTS = """
    sums ball barriers signals exits dies faults main-first execs execs-main detach robusts forks
    cancels futexes clones
""".split()
IN_UNIT = ("signals", "execs", "forks")


@pytest.mark.parametrize(
    "part", [pytest.param(p, marks=[] if p in IN_UNIT else pytest.mark.ci) for p in PARTS]
)
def test_threads_as_the_host(part: str, threads: Path, tmp_path: Path) -> None:
    status, stdout, stderr = end([str(threads), part], tmp_path)
    driven = drive(TO_THE_END, str(threads), part)
    assert sorted(driven.output.splitlines()) == sorted((stdout + stderr).splitlines())
    assert driven.status == status
    how = ["killed", {"signo": -status}] if status < 0 else ["exit", {"status": status}]
    reason, details = driven.said[-1]
    assert [reason, {k: v for k, v in details.items() if k in ("signo", "status")}] == how


def test_stops_exactly() -> None:
    driven = drive(
        """
for n in 1, 2, 1000, 1001, 40000:
    halt = r.run(n)
    say(halt.reason, r.time, r.current.cpu.icount)
rip = r.current.cpu.rip
r.set_breakpoints([rip])
halt = r.run(n)
say(halt.reason, r.time)
r.set_breakpoints([])
r.run(n + 100)
r.set_breakpoints([r.current.cpu.rip])
say(r.run(n + 100).reason)
r.set_breakpoints([])
r.interrupt()
say(r.run().reason, r.time)
say(r.run().reason)
r.run()
""",
        "/bin/sh",
        "-c",
        "exit 5",
    )
    first = [["until", n, n] for n in (1, 2, 1000, 1001, 40000)]
    assert driven.said[:5] == first
    assert driven.said[5:] == [["until", 40000], ["until"], ["interrupt", 40100], ["exit"]]
    assert driven.status == 5


def test_a_breakpoint_halts_before_its_instruction_and_lets_go() -> None:
    driven = drive(
        """
r.run(2000)
where = r.current.cpu.rip
say(where)
""",
        "/bin/true",
    )
    (where,) = driven.said[0]
    steps = f"""
r.set_breakpoints([{where}])
times = []
while (halt := r.run(20000)).reason == "breakpoint":
    assert r.current.cpu.rip == {where}
    times.append(r.time)
say(times, halt.reason)
r.set_breakpoints([])
r.run(); r.run()
"""
    times, reason = drive(steps, "/bin/true").said[0]
    assert 2000 in times
    assert times == sorted(set(times))
    assert reason == "until"


def test_catches_what_it_is_told() -> None:
    driven = drive(
        """
r.catch(["exec", "fork", "signal", "syscall"])
seen = {}
while (halt := r.run()).reason not in ("exit", "killed"):
    seen.setdefault(halt.reason, []).append(halt.details)
say(sorted(seen))
say([s["number"] for s in seen["signal"]])
say([s["path"] for s in seen["exec"]])
say([s["result"] for s in seen["syscall"] if s["number"] == 39])
say(halt.reason, halt.details, r.process.space is not None)
r.run()
""",
        "/bin/sh",
        "-c",
        "trap 'echo got' USR1; /bin/true; kill -USR1 $$; exec /bin/sh -c 'kill -TERM $$'",
    )
    (reasons,), (signals,), (paths,), _, last = driven.said
    assert reasons == ["exec", "fork", "signal", "syscall"]
    assert 10 in signals
    assert len(paths) == 1
    assert last[:2] == ["killed", {"signo": 15}]
    assert driven.output == "got\n"
    assert driven.status == -15


def test_interrupts_a_program_that_waits_and_steps_onto_its_call() -> None:
    waiting = """
import _thread, time
def later():
    time.sleep(0.5)
    r.interrupt()
_thread.start_new_thread(later, ())
halt = r.run()
say(halt.reason, r.time, r.current.cpu.get("rax"))
"""
    reason, at, number = drive(waiting, "/bin/sleep", "100").said[0]
    assert (reason, number) == ("interrupt", 230)  # clock_nanosleep: RAX still is the number
    stepping = f"""
for n in {at - 1}, {at}:
    say(r.run(n).reason, r.time, r.current.cpu.get("rax"))
"""
    driven = drive(stepping, "/bin/sleep", "100")
    assert driven.said == [["until", at - 1, 230], ["until", at, 230]]


def test_one_thread_alone(threads: Path) -> None:
    driven = drive(
        """
r.catch(["clone"])
halt = r.run()
new = halt.details["number"]
r.only(new)
before = {t: x.cpu.icount for t, x in r.tasks.items()}
r.run(r.time + 50)
after = {t: x.cpu.icount for t, x in r.tasks.items()}
say([after[t] - before[t] for t in sorted(after, key=lambda t: t == new)])
""",
        str(threads),
        "sums",
    )
    assert driven.said == [[[0, 50]]]
