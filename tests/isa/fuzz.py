"""Compares the instruction set with the host CPU: `./dev fuzz-isa`.

Prints a line for tests/isa/regressions.txt for each form that differs, shrunk to what matters.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence

from .asm import assemble, disassemble
from .forms import Plan, plans
from .hostcpu import HostCpu
from .regression import format_line, read_case
from .session import SUBJECTS, Clock, Finding, Session, make_subject, rounds

EACH = 60


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz-isa", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, help="repeat a run")
    parser.add_argument("--filter", default="", help="only mnemonics or encodings that match")
    parser.add_argument("--cpu", default=",".join(SUBJECTS), help="CPUs under test (comma list)")
    parser.add_argument("--limit", type=int, default=20, help="stop after so many bad forms")
    parser.add_argument(
        "--line",
        metavar="ASM",
        help="print the regression line of one instruction, e.g. 'add eax, ebx ; rax=1 rbx=2'",
    )
    return parser.parse_args(argv)


def selected(pattern: str) -> list[Plan]:
    """Plans whose label matches the regular expression, without those that cannot be compared."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return [p for p in plans() if not p.skip and wanted.match(p.label)]


def print_line(text: str) -> int:
    """The regression line of an instruction and a state, as the host computes it."""
    source, _, words = text.partition(";")
    case = read_case(assemble(source.strip()), words)
    with HostCpu() as host:
        print(format_line(case, disassemble([case.code])[0], host.run([case])[0]))
    return 0


def fuzz(session: Session, chosen: Sequence[Plan], clock: Clock, seed: int, limit: int) -> int:
    """Search until time is over; returns how many forms differ."""
    bad: Counter[tuple[str, str]] = Counter()
    for plan, cases in rounds(chosen, seed, EACH):
        for finding in session.check(cases):
            bad[plan.label, finding.name] += 1
            if bad[plan.label, finding.name] == 1:
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
        bad = fuzz(session, chosen, clock, seed, options.limit)
    rate = session.compared / clock.seconds
    print(f"{session.compared} cases in {clock.seconds:.1f} s ({rate:.0f}/s), {bad} forms differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
