"""Counts a program's system calls, and how many of them failed."""

from __future__ import annotations

import sys
from collections import Counter

import blink
from blink.syscalls._table import find


def main(argv: list[str]) -> Counter[str]:
    """Calls by name; failures as `name failed`."""
    counts: Counter[str] = Counter()

    def called(program: blink.Program, stop: blink.Stop) -> None:
        call = find(stop.details["number"])
        name = call.name if call else str(stop.details["number"])
        counts[name] += 1
        if -4096 < (stop.details["result"] or 0) < 0 or (stop.details["result"] or 0) > 1 << 63:
            counts[f"{name} failed"] += 1

    with blink.load(argv) as program:
        program.on_syscall([], called)
        program.run()
    for name, count in counts.most_common():
        print(f"{count:6} {name}")
    return counts


if __name__ == "__main__":
    main(sys.argv[1:] or ["/bin/true"])
