"""What recording and going back cost: `python -m bench.recording [--rounds N] [--write]`.

Programs run, are recorded and replayed in alternation; the ratios are of processor times, less
those of a start.  Steps back are timed by the clock, in a debugger's session with a long run.
`--write` keeps the figures in bench/results/recording.json; docs/performance.md shows them, also
behind the next `./dev bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.inputs import ROOT

BLINK = str(Path(sys.executable).parent / "blink")
SOURCE = ROOT / "bench" / "programs" / "recorded.c"
PAGE = ROOT / "docs" / "performance.md"
KEPT = ROOT / "bench" / "results" / "recording.json"
TITLE = "## Recording and going back"
CALLS = 300_000
# name: letter of recorded.c, how often, the aim for recorded / run
WORK = {
    "fib(25), 150 times": ("f", 150, 2),
    "getppid": ("g", CALLS, 5),
    "clock_gettime": ("c", CALLS, 5),
    "pread of 64 bytes": ("r", CALLS, 5),
    "write of 64 bytes": ("w", CALLS, 5),
}
CAPSULES = {
    "/bin/true": ["/bin/true"],
    "bash, 1,000 rounds": ["bash", "-c", "for ((i = 0; i < 1000; i++)); do :; done"],
    "python3 -c pass": ["python3", "-c", "pass"],
    "sqlite3, select 1": ["sqlite3", ":memory:", "select 1"],
}
LONG_RUN = 3200  # rounds of fib(20) in the program that steps back: 10^9 instructions
PLACES, STEPS = 12, 20  # where in it, and how many steps from there
LIMIT = 50.0  # ms of a step back; issue 6
ABOUT = """\
Written by `python -m bench.recording --write`. Ratios are of processor times (the recorder's and
the replay's to a plain run's), less those of a start. Steps back are by the clock, in a session
with a run of some 10^9 instructions: one after the run, and {places} random places with {steps}
steps each.
"""


def compiled(folder: str) -> str:
    """The program with all kinds of work."""
    program = f"{folder}/recorded"
    subprocess.run(["gcc", "-O1", "-w", "-static", "-o", program, str(SOURCE)], check=True)
    return program


# --- recording ---


def seconds(*command: str) -> float:
    """Processor time of a command and its children."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return usage.ru_utime + usage.ru_stime


def once(folder: str, *work: str) -> tuple[float, float, float]:
    """Seconds of a run, of a recording and of a replay."""
    capsule = f"{folder}/it.cap"
    run = seconds(BLINK, *work)
    recorded = seconds(BLINK, "record", "-o", capsule, *work)
    return run, recorded, seconds(BLINK, "replay", "--verify", capsule)


def ratios(folder: str, program: str, rounds: int) -> dict[str, list[float]]:
    """Kind of work -> medians of recorded / run and replayed / run."""
    found = {}
    for name, (letter, count, _) in WORK.items():
        rows = []
        for _ in range(rounds):
            starts = once(folder, program, letter, "0")
            full = once(folder, program, letter, str(count))
            run, *others = (long - short for long, short in zip(full, starts, strict=True))
            rows.append([other / run for other in others])
        found[name] = [statistics.median(column) for column in zip(*rows, strict=True)]
        print(f"{name:24} recorded {found[name][0]:.2f}, replayed {found[name][1]:.2f}", flush=True)
    return found


def sizes(folder: str) -> dict[str, list[int]]:
    """Program -> instructions and bytes of its capsule."""
    found = {}
    for name, command in CAPSULES.items():
        capsule = f"{folder}/size.cap"
        subprocess.run([BLINK, "record", "-o", capsule, *command], check=True, cwd=folder)
        verify = [BLINK, "replay", "--verify", capsule]
        said = subprocess.run(verify, check=True, capture_output=True, text=True).stdout
        found[name] = [int(said.split()[2]), Path(capsule).stat().st_size]
        print(f"{name:24} {found[name][0]:,} instructions, {found[name][1]:,} bytes", flush=True)
    return found


# --- going back ---


def steps(program: str) -> dict[str, Any]:
    """Milliseconds of steps back: the first after a run, and those at random places."""
    from blink.debugger.session import Session

    chance = random.Random(6)
    options = {"stdio": (0, 2, 2)}
    with Session.launch([program, "s", str(LONG_RUN)], **options) as session:  # type: ignore[arg-type]
        session.cont()
        session.wait()
        after_run = _step(session)
        places, jumps = [], []
        for _ in range(PLACES):
            start = time.perf_counter()
            session.goto(chance.randrange(session.end // 20, session.end))
            session.wait()
            jumps.append((time.perf_counter() - start) * 1e3)
            places += [_step(session) for _ in range(STEPS)]
        end = session.end
    found = {"end": end, "after_run": after_run, "steps": places, "jumps": jumps}
    print(
        f"of {end:,} instructions: step back after the run {after_run:.1f} ms; "
        f"elsewhere median {statistics.median(places):.1f}, worst {max(places):.1f}; "
        f"goto median {statistics.median(jumps):.0f}, worst {max(jumps):.0f}"
    )
    return found


def _step(session: Any) -> float:
    start = time.perf_counter()
    session.reverse_step()
    stop = session.wait()
    assert stop.reason == "step", stop.text
    return (time.perf_counter() - start) * 1e3


# --- the page ---


def section(path: Path | None = None) -> str:
    """The part of docs/performance.md from the kept figures; nothing when there are none."""
    from bench.report import table

    path = path or KEPT
    if not path.exists():
        return ""
    kept = json.loads(path.read_text())
    parts = [f"{TITLE}\n", ABOUT.format(places=PLACES, steps=STEPS)]
    about = [["date", kept["started"]], *(list(row) for row in kept["machine"].items())]
    parts.append(table(["what", "value"], about))
    parts.append(table(["work", "recorded / run", "replayed / run", "aim"], _ratio_rows(kept)))
    parts.append(table(["step back, ms", "median", "worst", "aim"], _step_rows(kept)))
    rows = [[name, f"{n:,}", f"{size / 1e6:.2f}"] for name, (n, size) in kept["sizes"].items()]
    parts.append(table(["capsule of", "instructions", "MB"], rows))
    return "\n".join(parts)


def _ratio_rows(kept: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, (recorded, replayed) in kept["ratios"].items():
        aim = WORK[name][2]
        verdict = "met" if recorded <= aim else "**missed**"
        rows.append([name, f"{recorded:.2f}", f"{replayed:.2f}", f"recorded ≤ {aim}: {verdict}"])
    return rows


def _step_rows(kept: dict[str, Any]) -> list[list[str]]:
    back = kept["back"]
    rows: list[tuple[str, list[float]]] = [
        (f"after a run of {back['end']:,} instructions", [back["after_run"]]),
        ("at random places in it", back["steps"]),
    ]
    return [
        [name, f"{statistics.median(ms):.1f}", f"{max(ms):.1f}", _met(max(ms))] for name, ms in rows
    ]


def _met(worst: float) -> str:
    return f"≤ {LIMIT:.0f} ms: {'met' if worst <= LIMIT else '**missed**'}"


def write(kept: dict[str, Any]) -> None:
    """Keeps the figures, and puts them into the page."""
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(placed(PAGE.read_text(), section()))


def placed(page: str, text: str) -> str:
    """A page with this section in the place of the old one, else at its end."""
    before, found, rest = page.partition(TITLE)
    if not found:
        return f"{page.rstrip()}\n\n{text}"
    _, heading, behind = rest.partition("\n## ")
    return before + text + (heading + behind if heading else "")


def main() -> None:
    """Measures, prints, and keeps if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="samples of each ratio (5)")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    options = parser.parse_args()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    about = machine.describe()
    kept: dict[str, Any] = {"started": started, "machine": about}
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(folder)
        kept["back"] = steps(program)
        kept["sizes"] = sizes(folder)
        kept["ratios"] = ratios(folder, program, options.rounds)
    if options.write:
        write(kept)


if __name__ == "__main__":
    main()
