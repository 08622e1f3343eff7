"""Fuzzes the system calls: the same lists of calls natively and under blink.

    ./dev fuzz-syscalls [--seconds N] [--calls N] [--seed N] [--length N] [--filter WORD]
                        [--jobs N] [--all] [--keep]

A list is a process of its own, in a sandbox: a temporary folder, nobody's rights, own namespaces.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import time
from random import SystemRandom

from isa import long_runs
from syscalls.fuzz.parallel import chosen, steps

TITLE = "System calls against the host"
COLUMNS = ("kernel", "calls defined", "seed", "length", "lists", "calls", "seconds", "differences")


class Totals:
    """What was done so far."""

    def __init__(self) -> None:
        self.calls = self.lists = self.found = 0

    def run(self, seed: int, deadline: float, options: argparse.Namespace) -> None:
        """Lists of calls until time or number is reached, or something differs."""
        seeds = itertools.count(seed)
        done = steps(seeds, options.jobs, options.filter, options.length)
        with contextlib.closing(done):
            for number, calls, found in done:
                self.calls += calls
                self.lists += 1
                self.found += len(found)
                for text in found:
                    print(f"seed {number}: {text}", flush=True)
                if found and not options.all:
                    return
                if time.monotonic() >= deadline or 0 < options.calls <= self.calls:
                    return


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev fuzz-syscalls", allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long")
    parser.add_argument("--calls", type=int, default=0, help="stop after so many calls")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run, or one list of it")
    parser.add_argument("--length", type=int, default=200, help="calls in a list")
    parser.add_argument("--jobs", type=int, default=1, help="as many lists at once")
    parser.add_argument("--filter", default="", help="only calls whose names contain this")
    parser.add_argument("--all", action="store_true", help="go on after a difference")
    parser.add_argument("--keep", action="store_true", help="add the run to docs/long-runs.md")
    options = parser.parse_args()
    seed = SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    defined = len(chosen(options.filter))
    if not defined:
        parser.error(f"no call that is fuzzed is named like {options.filter!r} (policy.py)")
    seconds = options.seconds or (0 if options.calls else 60)
    begin = time.monotonic()
    print(f"{defined} system calls, seed {seed}", flush=True)
    deadline = begin + seconds if seconds else float("inf")
    totals = Totals()
    with contextlib.suppress(KeyboardInterrupt):
        totals.run(seed, deadline, options)
    print(f"{totals.calls} calls in {totals.lists} lists, {totals.found} differences")
    if options.keep:
        row = (os.uname().release, defined, seed, options.length, totals.lists)
        counts = (f"{totals.calls:,}", round(time.monotonic() - begin), totals.found)
        long_runs.keep(TITLE, COLUMNS, (*row, *counts))
    return int(totals.found > 0)


if __name__ == "__main__":
    sys.exit(main())
