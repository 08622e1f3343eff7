"""`./dev bench`: measures native, qemu-user and blink side by side.

A whole run is kept in bench/results and becomes docs/performance.md and its chart; --only and
--quick just print.  The exit status is 1 if blink did something else than the program natively.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import building, chart, frames, machine, notes, records, report
from bench.figures import fault
from bench.inputs import ROOT, Folder
from bench.records import Results
from bench.runner import ENGINES, Runner
from bench.workloads import SECTIONS, WORKLOADS, Section, Workload

DOCS = ROOT / "docs"
PAGE, CHART = DOCS / "performance.md", DOCS / report.CHART
KEPT = ROOT / "bench" / "results"
BUILD, FRAMES = "build", "frames"


def parser() -> argparse.ArgumentParser:
    """The options."""
    said = argparse.ArgumentParser(prog="./dev bench", description=__doc__.partition("\n")[0])
    names = [*(workload.name for workload in WORKLOADS), BUILD, FRAMES]
    said.add_argument(
        "--only", metavar="NAME", action="append", choices=names,
        help="this one (may be repeated): " + " ".join(names),
    )  # fmt: skip
    said.add_argument("--rounds", type=int, default=5, help="samples of each (5)")
    said.add_argument("--quick", action="store_true", help="small sizes, to see that all runs")
    said.add_argument("--cpu", action="store_true", help="processor time, for a busy machine")
    said.add_argument("--paged", action="store_true", help="blink -m too")
    said.add_argument("--show", metavar="JSON", type=Path, help="print the tables of a kept run")
    said.add_argument("--add", metavar="JSON", type=Path, help="the build and the frames go there")
    said.add_argument("--write", action="store_true", help="keep the results of this run or --show")
    return said


def engines(paged: bool) -> list[str]:
    """Those that can run here."""
    wanted = [name for name in ENGINES if paged or name != "blink -m"]
    return [name for name in wanted if not ENGINES[name] or shutil.which(ENGINES[name][0])]


def chosen(only: list[str] | None) -> list[tuple[Section, Workload]]:
    """The workloads that the options name."""
    return [(s, w) for s in SECTIONS for w in s.workloads if not only or w.name in only]


def absent(workload: Workload) -> str:
    """The program that a workload misses on this machine."""
    program = workload.command[0]
    return "" if program.startswith("@") or shutil.which(program) else program


def run(options: argparse.Namespace) -> Results:
    """Measures what the options name, with a line of progress for each."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    words = [word for word in sys.argv[1:] if word != "--write"]
    results = Results(started, shlex.join(["./dev", "bench", *words]), machine.describe(), [])
    here = engines(options.paged)
    results.missing = [f"{e}: not installed" for e in ("qemu", "blink") if e not in here]
    rounds = 1 if options.quick else options.rounds
    runner = Runner(Folder(ROOT / "build" / "bench"), here, rounds, options.quick)
    runner.warm_up()
    _measure(runner, chosen(options.only), results)
    if BUILD in options.only if options.only else not options.quick:
        print("bench: the build from nothing", file=sys.stderr, flush=True)
        results.build = building.measure()
    if not options.only or FRAMES in options.only:
        print("bench: frames of the interface", file=sys.stderr, flush=True)
        results.frames = frames.measure(options.quick)
    return results


def add(found: Results, place: Path) -> Results:
    """A kept run with the build and the frames of another."""
    kept = records.load(place)
    kept.build = found.build or kept.build
    kept.frames = found.frames or kept.frames
    kept.save(place)
    return kept


def _measure(runner: Runner, todo: list[tuple[Section, Workload]], results: Results) -> None:
    """Adds the measurements of these workloads."""
    start = time.monotonic()
    for number, (section, workload) in enumerate(todo, 1):
        place = f"{number}/{len(todo)}, {time.monotonic() - start:.0f} s"
        print(f"bench: {place}: {section.title}: {workload.name}", file=sys.stderr, flush=True)
        if program := absent(workload):
            results.missing.append(f"{workload.name}: {program} is not installed")
        else:
            results.measurements.append(runner.measure(workload, section))


def faulty(results: Results) -> bool:
    """Whether one of our own engines failed, or wrote something else."""
    ours = [(m, e) for m in results.measurements for e in m.samples if e.startswith("blink")]
    return any(fault(m, engine) for m, engine in ours)


def write(results: Results, text: str, options: argparse.Namespace) -> None:
    """Keeps a run, its page and its chart."""
    if not (options.show or options.add):
        results.save(KEPT / f"{results.started[:16].replace(':', '')}.json")
    PAGE.write_text(text)
    CHART.write_text(chart.draw(results, options.cpu))
    names = " and ".join(str(path.relative_to(ROOT)) for path in (PAGE, CHART))
    print(f"bench: wrote {names}", file=sys.stderr)


def main() -> int:
    """Measures or shows; returns the exit status."""
    options = parser().parse_args()
    if options.rounds < 1:
        parser().error("--rounds: at least 1")
    results = records.load(options.show) if options.show else run(options)
    if options.add:
        results = add(results, options.add)
    text = report.page(results, notes.load(), options.cpu)
    print(text)
    whole = not (options.only or options.quick or options.show)
    if whole or options.write or options.add:
        write(results, text, options)
    return int(faulty(results))


if __name__ == "__main__":
    sys.exit(main())
