"""One list of calls after the other, in each mode of blink, and what is a difference."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

from blink.syscalls._spec import Call
from syscalls.fuzz import generate, run
from syscalls.guest import HERE

COMPILE = ["gcc", "-std=gnu11", "-static", "-O2", "-w"]


class Campaign:
    """Counts calls, lists and differences.

    A difference counts when the host does the same again, and blink, too.
    """

    def __init__(
        self, folder: Path, calls: list[Call], length: int, user: int = run.NOBODY
    ) -> None:
        program = folder / "compiled"
        source = HERE / "interpreter.c"
        subprocess.run([*COMPILE, "-o", str(program), str(source)], check=True, timeout=60)
        self.runner = run.Runner(program, folder, user)
        self.calls = calls
        self.length = length
        self.count = self.lists = self.found = 0
        self.modes = list(run.MODES)

    def step(self, random: Random) -> list[str]:
        """Runs one list; what blink does otherwise, in words."""
        made = generate.sequence(self.calls, random, self.length)
        mode = random.choice(self.modes)
        self.lists += 1
        host = self.runner.run([], made)
        if host.status == run.TIMED_OUT:
            return []  # it waits with a mask that holds back the clock which ends all waiting
        ours = self.runner.run(run.prefix(mode), made)
        self.count += len(ours.results)
        found = run.difference(made, host, ours)
        if found is None or not self._again(made, mode, found):
            return []
        self.found += 1
        index, text = found
        return [f"{mode}: call {index}: {made[index]}: {text}"]

    def _again(self, made: list[generate.Made], mode: str, found: tuple[int, str]) -> bool:
        """Whether host and blink differ at the same call each time."""
        for _ in range(2):
            host = self.runner.run([], made)
            if host.status == run.TIMED_OUT:
                return False
            ours = self.runner.run(run.prefix(mode), made)
            again = run.difference(made, host, ours)
            if again is None or again[0] != found[0]:
                return False
        return True
