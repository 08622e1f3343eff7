"""Runs workloads: the engines in alternation, one process at a time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.inputs import Folder
from bench.records import Measurement, Sample
from bench.workloads import Workload

BLINK = str(Path(sys.executable).parent / "blink")
ENGINES: dict[str, tuple[str, ...]] = {
    "native": (),
    "qemu": ("qemu-x86_64",),
    "blink": (BLINK,),
    "blink -Z": (BLINK, "-Z"),  # counts instructions
    "blink -j": (BLINK, "-j"),  # the interpreter
    "blink -m": (BLINK, "-m"),
}
INTERPRETER = "blink -j"  # counts instructions
NO_EXEC = ("qemu",)  # engines whose guests' execve leaves them
LIMIT = 300  # seconds until a run counts as hung


class Runner:
    """Runs workloads at their full or quick size."""

    def __init__(self, folder: Folder, engines: list[str], rounds: int, quick: bool) -> None:
        self.folder, self.engines, self.rounds, self.quick = folder, engines, rounds, quick
        self.stopwatch = folder.program("stopwatch")

    def size(self, workload: Workload) -> int:
        return workload.quick if self.quick else workload.size

    def measure(self, workload: Workload) -> Measurement:
        """All rounds of one workload.  An engine that failed is not run again."""
        size = self.size(workload)
        command, stdin = self.folder.command(workload, size), self.folder.stdin(workload, size)
        result = Measurement(workload.name, workload.title, list(workload.command), workload.aim)
        engines = [e for e in self.engines if not (workload.execs and e in NO_EXEC)]

        def run(engine: str) -> Sample:
            return self.once([*ENGINES[engine], *command], stdin)

        self.once(command, stdin)  # so that files are in memory
        result.samples = alternate(engines, self.rounds * workload.repeat, run)
        if workload.count and INTERPRETER in engines:
            result.instructions = self.instructions(command, stdin)
        return result

    def once(self, command: list[str], stdin: Path) -> Sample:
        """One run under the stopwatch, in an empty folder."""
        with tempfile.TemporaryDirectory(prefix="blink-bench-") as place:
            report, output = Path(place, "report"), Path(place, "output")
            words = [str(self.stopwatch), str(report), str(LIMIT), *command]
            with stdin.open("rb") as source, output.open("wb") as sink:
                subprocess.run(
                    words, stdin=source, stdout=sink, stderr=subprocess.DEVNULL, cwd=place,
                    env=environment(), check=True,
                )  # fmt: skip
            digest = hashlib.sha256(output.read_bytes()).hexdigest()[:16]
            return sample(report.read_text(), digest)

    def instructions(self, command: list[str], stdin: Path) -> int | None:
        """How many instructions blink executes for this, from its statistics."""
        with tempfile.TemporaryDirectory(prefix="blink-bench-") as place:
            log = Path(place, "log")
            self.once([*ENGINES[INTERPRETER], "-Z", "-L", str(log), *command], stdin)
            return counted(log.read_text() if log.exists() else "")


def environment() -> Mapping[str, str]:
    """The same small environment everywhere."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "HOME": "/tmp"}


def alternate(
    engines: list[str], rounds: int, run: Callable[[str], Sample]
) -> dict[str, list[Sample]]:
    """engine -> samples; each round runs every engine, starting with another one each time."""
    samples: dict[str, list[Sample]] = {engine: [] for engine in engines}
    for turn in range(rounds):
        start = turn % len(engines)
        for engine in engines[start:] + engines[:start]:
            if not any(sample.status for sample in samples[engine]):
                samples[engine].append(run(engine))
    return samples


def sample(report: str, digest: str) -> Sample:
    """What the stopwatch wrote: status, wall ns, user us, system us, peak KiB."""
    status, wall, user, system, peak = (int(word) for word in report.split())
    return Sample(status, wall / 1e9, user / 1e6, system / 1e6, peak, digest)


def counted(log: str) -> int | None:
    """The number of instructions in a log with statistics; a line ends `instructions N`."""
    for line in reversed(log.splitlines()):
        words = line.split()
        if len(words) >= 2 and words[-2] == "instructions":
            return int(words[-1])
    return None
