"""Compares the instruction set with the host CPU: `./dev fuzz-isa`.

Prints a line for tests/isa/regressions.txt for each form that differs, shrunk to what matters.
"""

from __future__ import annotations

import argparse
import gc
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import inf
from typing import NamedTuple

from . import long_runs
from .asm import assemble, disassemble
from .cpustate import Case
from .features import host_has
from .forms import Plan, plans
from .hostcpu import HostCpu
from .regression import format_line, read_case
from .session import SUBJECTS, Clock, Finding, Session, make_subject
from .workload import MODES, work

TITLE = "Instructions against the host"
_SHOWN = 5  # sequences that differ: each may have a reason of its own
# Of so many instructions alone, and of so many programs, which show nothing more of it, the
# reference runs one: it takes as long as fifty of the other CPUs.
_EVERY, _EVERY_PROGRAM = 4, 25
_VARIANTS = 12  # of an instruction alone, with its values at other places


class Result(NamedTuple):
    """What a run has found."""

    compared: int
    by_reference: int
    kinds: int
    seconds: float


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz-isa", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--cases", type=int, help="stop after so many at the latest")
    parser.add_argument("--seed", type=int, help="repeat a run")
    parser.add_argument("--filter", default="", help="only mnemonics or encodings that match")
    parser.add_argument("--cpu", default=",".join(SUBJECTS), help="CPUs under test (comma list)")
    parser.add_argument("--mode", default=",".join(MODES), help="what to try (comma list)")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with its own seed")
    parser.add_argument("--limit", type=int, default=20, help="stop after so many bad forms")
    parser.add_argument("--keep", action="store_true", help="add the run to docs/long-runs.md")
    parser.add_argument(
        "--line",
        metavar="ASM",
        help="print the regression line of one instruction, e.g. 'add eax, ebx ; rax=1 rbx=2'",
    )
    return parser.parse_args(argv)


def selected(pattern: str) -> list[Plan]:
    """Plans whose label matches the regular expression, of forms that the host can judge."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return [
        p for p in plans() if not p.skip and wanted.match(p.label) and host_has(p.form.insn.feature)
    ]


def print_line(text: str) -> int:
    """The regression line of an instruction and a state, as the host computes it."""
    source, _, words = text.partition(";")
    case = read_case(assemble(source.strip()), words)
    with HostCpu() as host:
        print(format_line(case, disassemble([case.code])[0], host.run([case])[0]))
    return 0


def fuzz(
    session: Session, batches: Iterator[list[Case]], clock: Clock, limit: int, most: float = inf
) -> int:
    """Search until time is over, or `most` cases; how many kinds of difference were found."""
    bad: Counter[tuple[str, str]] = Counter()
    for cases in batches:
        every = _EVERY_PROGRAM if cases[0].run else _EVERY
        for finding in session.check(cases, every, _VARIANTS):
            kind = (finding.case.label, finding.name)
            bad[kind] += 1
            if bad[kind] <= (_SHOWN if finding.case.run else 1):
                _show(session, finding)
        if clock.over or len(bad) >= limit or session.compared >= most:
            break
    return len(bad)


def _show(session: Session, finding: Finding) -> None:
    print(session.shrunk(finding).report(), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1 when a difference was found."""
    options = _arguments(argv)
    if options.line:
        return print_line(options.line)
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    chosen = selected(options.filter)
    if not chosen:
        print(f"no form matches {options.filter!r}", file=sys.stderr)
        return 2
    print(f"{len(chosen)} forms, seed {seed}", flush=True)
    result = run_all(options, seed)
    rate = result.compared / result.seconds
    print(
        f"{result.compared} cases in {result.seconds:.1f} s ({rate:.0f}/s), the reference"
        f" {result.by_reference} of them, {result.kinds} kinds differ"
    )
    if options.keep:
        keep(options, len(chosen), seed, result)
    return 1 if result.kinds else 0


def keep(options: argparse.Namespace, forms: int, seed: int, result: Result) -> None:
    """Adds the run to docs/long-runs.md."""
    columns = ("forms", "CPUs", "seed", "cases", "reference", "seconds", "kinds that differ")
    jobs = f", {options.jobs} jobs" * (options.jobs > 1)
    counts = (f"{result.compared:,}", f"{result.by_reference:,}", round(result.seconds))
    long_runs.keep(TITLE, columns, (forms, options.cpu, f"{seed}{jobs}", *counts, result.kinds))


def run_all(options: argparse.Namespace, seed: int) -> Result:
    """The run of each job, added up."""
    if options.jobs == 1:
        return run_one(options, seed)
    with ProcessPoolExecutor(options.jobs) as pool:
        seeds = range(seed, seed + options.jobs)
        results = list(pool.map(partial(run_one, options), seeds))
    return Result(
        sum(r.compared for r in results),
        sum(r.by_reference for r in results),
        sum(r.kinds for r in results),
        max(r.seconds for r in results),
    )


def run_one(options: argparse.Namespace, seed: int) -> Result:
    """Searches in this process until time is over."""
    with HostCpu() as host:
        subjects = [make_subject(name) for name in options.cpu.split(",")]
        session = Session(host, subjects).with_batches()
        clock = Clock(options.seconds)
        batches = work(options.mode.split(","), selected(options.filter), seed)
        most = options.cases / options.jobs if options.cases else inf
        gc.freeze()  # forms and plans: nothing of them becomes garbage
        bad = fuzz(session, batches, clock, options.limit, most)
        session.close()
    return Result(session.compared, session.by_reference, bad, clock.seconds)


if __name__ == "__main__":
    sys.exit(main())
