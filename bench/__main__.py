"""`./dev bench`: measures native, qemu-user and blink side by side.

A whole run is kept in bench/results and becomes docs/performance.md; --only and --quick just print.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import building, machine, records, report
from bench.inputs import ROOT, Folder
from bench.records import Results
from bench.runner import ENGINES, Runner
from bench.workloads import WORKLOADS, Workload

PAGE = ROOT / "docs" / "performance.md"
KEPT = ROOT / "bench" / "results"
BUILD = "build"


def parser() -> argparse.ArgumentParser:
    """The options."""
    said = argparse.ArgumentParser(prog="./dev bench", description=__doc__.partition("\n")[0])
    names = [workload.name for workload in WORKLOADS]
    said.add_argument(
        "--only", metavar="NAME", action="append", choices=[*names, BUILD],
        help="this one (may be repeated): " + " ".join([*names, BUILD]),
    )  # fmt: skip
    said.add_argument("--rounds", type=int, default=5, help="samples of each (5)")
    said.add_argument("--quick", action="store_true", help="small sizes, to see that all runs")
    said.add_argument("--cpu", action="store_true", help="processor time, for a busy machine")
    said.add_argument("--paged", action="store_true", help="blink -m too")
    said.add_argument("--show", metavar="JSON", type=Path, help="print the tables of a kept run")
    said.add_argument("--write", action="store_true", help="keep the results of this run or --show")
    return said


def engines(paged: bool) -> list[str]:
    """Those that can run here."""
    wanted = [name for name in ENGINES if paged or name != "blink -m"]
    return [name for name in wanted if not ENGINES[name] or shutil.which(ENGINES[name][0])]


def chosen(only: list[str] | None, quick: bool) -> tuple[list[Workload], bool]:
    """The workloads whose programs this machine has, and whether to time the build."""
    wanted = [w for w in WORKLOADS if not only or w.name in only]
    here = [w for w in wanted if w.command[0].startswith("@") or shutil.which(w.command[0])]
    for missing in [w.name for w in wanted if w not in here]:
        print(f"bench: {missing}: program not installed", file=sys.stderr)
    return here, BUILD in only if only else not quick


def run(options: argparse.Namespace) -> Results:
    """Measures what the options name, with a line of progress for each."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    words = [word for word in sys.argv[1:] if word != "--write"]
    results = Results(started, shlex.join(["./dev", "bench", *words]), machine.describe(), [])
    rounds = 1 if options.quick else options.rounds
    runner = Runner(Folder(ROOT / "build" / "bench"), engines(options.paged), rounds, options.quick)
    workloads, build = chosen(options.only, options.quick)
    for workload in workloads:
        print(f"bench: {workload.title}", file=sys.stderr, flush=True)
        results.measurements.append(runner.measure(workload))
    if build:
        print("bench: the build from nothing", file=sys.stderr, flush=True)
        results.build = building.measure()
    return results


def main() -> int:
    """Measures or shows; returns the exit status."""
    options = parser().parse_args()
    if options.rounds < 1:
        parser().error("--rounds: at least 1")
    results = records.load(options.show) if options.show else run(options)
    text = report.page(results, options.cpu)
    print(text)
    whole = not (options.only or options.quick or options.show)
    if whole or options.write:
        if not options.show:
            results.save(KEPT / f"{results.started[:16].replace(':', '')}.json")
        PAGE.write_text(text)
        print(f"bench: wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
