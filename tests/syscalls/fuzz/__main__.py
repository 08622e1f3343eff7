"""Fuzzes the system calls: the same lists of calls natively and under blink.

    ./dev fuzz-syscalls [--seconds N] [--calls N] [--seed N] [--filter WORD] [--all] [--keep]

A list is a process of its own, in a sandbox: a temporary folder, nobody's rights, own namespaces.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom

from isa import long_runs
from syscalls.fuzz import generate
from syscalls.fuzz.campaign import Campaign

TITLE = "System calls against the host"
COLUMNS = ("kernel", "calls defined", "seed", "length", "lists", "calls", "seconds", "differences")


def _run(campaign: Campaign, seed: int, deadline: float, options: argparse.Namespace) -> None:
    while time.monotonic() < deadline and (not options.calls or campaign.count < options.calls):
        found = campaign.step(Random(seed))
        for text in found:
            print(f"seed {seed}: {text}", flush=True)
        if found and not options.all:
            return
        seed += 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev fuzz-syscalls", allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long")
    parser.add_argument("--calls", type=int, default=0, help="stop after so many calls")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run, or one list of it")
    parser.add_argument("--length", type=int, default=200, help="calls in a list")
    parser.add_argument("--filter", default="", help="only calls whose names contain this")
    parser.add_argument("--all", action="store_true", help="go on after a difference")
    parser.add_argument("--keep", action="store_true", help="add the run to docs/long-runs.md")
    options = parser.parse_args()
    seed = SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    chosen = [c for c in generate.calls() if options.filter in c.name]
    seconds = options.seconds or (0 if options.calls else 60)
    begin = time.monotonic()
    print(f"{len(chosen)} system calls, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="blink-fuzz-") as folder:
        campaign = Campaign(Path(folder), chosen, options.length)
        deadline = begin + seconds if seconds else float("inf")
        with suppress(KeyboardInterrupt):
            _run(campaign, seed, deadline, options)
    print(f"{campaign.count} calls in {campaign.lists} lists, {campaign.found} differences")
    if options.keep:
        row = (os.uname().release, len(chosen), seed, options.length, campaign.lists)
        counts = (f"{campaign.count:,}", round(time.monotonic() - begin), campaign.found)
        long_runs.keep(TITLE, COLUMNS, (*row, *counts))
    return int(campaign.found > 0)


if __name__ == "__main__":
    sys.exit(main())
