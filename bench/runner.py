"""Runs workloads: the engines in alternation, one process at a time."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench.inputs import Folder
from bench.records import Measurement, Peak, Sample
from bench.workloads import Section, Workload

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
WEIGHED = ("native", "qemu", "blink")  # their memory is measured
NO_EXEC = ("qemu",)  # a guest's execve leaves these
NO_AIMS = ("qemu",)  # not weighed where they are slow
LIMIT = 300  # seconds until a run counts as hung
PATIENCE = 4.0  # seconds after which an engine has samples enough, and a run is slow


class Ran(NamedTuple):
    """What a run left: the tool's report, the digest of the output, the last line of errors."""

    report: str
    output: str
    said: str


class Runner:
    """Runs workloads at their full or quick size."""

    def __init__(self, folder: Folder, engines: list[str], rounds: int, quick: bool) -> None:
        self.folder, self.engines, self.rounds, self.quick = folder, engines, rounds, quick
        self.stopwatch, self.scales = folder.program("stopwatch"), folder.program("footprint")

    def warm_up(self) -> None:
        """Starts each engine once: blink's first start writes a file that the others read."""
        for engine in self.engines:
            self.once([*ENGINES[engine], "/bin/true"], Path("/dev/null"))

    def size(self, workload: Workload) -> int:
        return workload.quick if self.quick else workload.size

    def measure(self, workload: Workload, section: Section) -> Measurement:
        """All rounds of one workload.  An engine that failed is not run again."""
        size = self.size(workload)
        stdin = self.folder.stdin(workload, size)
        engines = [engine for engine in self.engines if engine in section.engines]
        commands = {engine: self.command(workload, engine) for engine in engines}
        title, aims = workload.title.format(n=f"{size:,}"), [] if self.quick else [*workload.aims]
        result = Measurement(workload.name, title, section.title, aims, workload.base)

        def run(engine: str) -> Sample:
            return self.once(commands[engine], stdin)

        if not self.quick:
            run(engines[0])  # so that files are in memory
        rounds = self.rounds * (1 if self.quick else workload.repeat)
        result.samples = alternate(engines, rounds, run)
        if workload.count and INTERPRETER in engines:
            result.instructions = self.instructions(commands["native"], stdin)
        if "blink" in engines:
            left_out = {e for e in NO_AIMS if e in engines and slow(result.samples[e])}
            weighed = [e for e in WEIGHED if e in engines and e not in left_out]
            result.memory = {engine: self.weigh(commands[engine], stdin) for engine in weighed}
        return result

    def command(self, workload: Workload, engine: str) -> list[str]:
        """The words that run a workload in an engine."""
        words = list(ENGINES[engine])
        run = shutil.which(words[0]) if engine in NO_EXEC else None
        return [*words, *self.folder.command(workload, self.size(workload), run or "")]

    def once(self, command: list[str], stdin: Path) -> Sample:
        """One run under the stopwatch."""
        ran = self._under(self.stopwatch, command, stdin)
        status, wall, user, system = (int(word) for word in ran.report.split())
        return Sample(status, wall / 1e9, user / 1e6, system / 1e6, ran.output, ran.said)

    def weigh(self, command: list[str], stdin: Path) -> Peak:
        """One more run, whose memory is looked at all the time and whose time does not count."""
        kib, processes = self._under(self.scales, command, stdin).report.split()
        return Peak(int(kib), int(processes))

    def _under(self, tool: Path, command: list[str], stdin: Path) -> Ran:
        """Runs a command under one of our tools, in an empty folder."""
        with tempfile.TemporaryDirectory(prefix="blink-bench-") as place:
            report, output, errors = (Path(place, name) for name in ("report", "output", "errors"))
            words = [str(tool), str(report), str(LIMIT), *command]
            with stdin.open("rb") as source, output.open("wb") as sink, errors.open("wb") as log:
                subprocess.run(
                    words, stdin=source, stdout=sink, stderr=log, cwd=place,
                    env=environment(), check=True,
                )  # fmt: skip
            digest = hashlib.sha256(output.read_bytes()).hexdigest()[:16]
            said = errors.read_text(errors="replace").splitlines() or [""]
            return Ran(report.read_text(), digest, said[-1][:200])

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
    engines: list[str], rounds: int, run: Callable[[str], Sample], patience: float = PATIENCE
) -> dict[str, list[Sample]]:
    """engine -> samples; each round runs every engine, starting with another one each time.

    The slow ones leave before the end: sample i of each engine is of round i all the same.
    """
    samples: dict[str, list[Sample]] = {engine: [] for engine in engines}
    for turn in range(rounds):
        start = turn % len(engines)
        for engine in engines[start:] + engines[:start]:
            if not _enough(samples[engine], patience):
                samples[engine].append(run(engine))
    return samples


def slow(samples: list[Sample]) -> bool:
    """Whether one more run would take too long."""
    return max(sample.wall for sample in samples) > PATIENCE


def _enough(samples: list[Sample], patience: float) -> bool:
    """Whether an engine failed or has used its time."""
    return any(s.status for s in samples) or sum(s.wall for s in samples) > patience


def counted(log: str) -> int | None:
    """The number of instructions in a log with statistics; a line ends `instructions N`."""
    for line in reversed(log.splitlines()):
        words = line.split()
        if len(words) >= 2 and words[-2] == "instructions":
            return int(words[-1])
    return None
