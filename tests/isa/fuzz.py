"""Compares the instruction set with the host CPU: `./dev fuzz-isa`.

Prints a line for tests/isa/regressions.txt for each form that differs, shrunk to what matters.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

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


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz-isa", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, help="repeat a run")
    parser.add_argument("--filter", default="", help="only mnemonics or encodings that match")
    parser.add_argument("--cpu", default=",".join(SUBJECTS), help="CPUs under test (comma list)")
    parser.add_argument("--mode", default=",".join(MODES), help="what to try (comma list)")
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


def fuzz(session: Session, batches: Iterator[list[Case]], clock: Clock, limit: int) -> int:
    """Search until time is over; returns how many kinds of difference were found."""
    bad: Counter[tuple[str, str]] = Counter()
    for cases in batches:
        for finding in session.check(cases):
            kind = (finding.case.label, finding.name)
            bad[kind] += 1
            if bad[kind] <= (_SHOWN if finding.case.run else 1):
                _show(session, finding)
        if clock.over or len(bad) >= limit:
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
    with HostCpu() as host:
        session = Session(host, [make_subject(name) for name in options.cpu.split(",")])
        clock = Clock(options.seconds)
        batches = work(options.mode.split(","), chosen, seed)
        bad = fuzz(session, batches, clock, options.limit)
    rate = session.compared / clock.seconds
    print(f"{session.compared} cases in {clock.seconds:.1f} s ({rate:.0f}/s), {bad} kinds differ")
    if options.keep:
        columns = ("forms", "CPUs", "seed", "cases", "seconds", "kinds that differ")
        counts = (f"{session.compared:,}", round(clock.seconds), bad)
        long_runs.keep(TITLE, columns, (len(chosen), options.cpu, seed, *counts))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
