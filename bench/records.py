"""What a run of the benchmarks found, as it is kept in bench/results/*.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.aims import Aim

VERSION = 2


@dataclass(frozen=True)
class Sample:
    """One run from start to end.  Times in seconds; `status` as wait(2) gives it."""

    status: int
    wall: float
    user: float
    system: float
    output: str  # digest of standard output
    said: str = ""  # the last line of standard error

    @property
    def cpu(self) -> float:
        """Processor time, in seconds."""
        return self.user + self.system


@dataclass(frozen=True)
class Peak:
    """The most memory that a process tree had: its proportional set size, and how many it was."""

    pss_kib: int
    processes: int


@dataclass
class Measurement:
    """All samples of one workload: engine -> one sample a round."""

    name: str
    title: str
    section: str
    aims: list[Aim] = field(default_factory=list)
    base: str = ""  # the workload that does the same work on one thread
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    instructions: int | None = None  # that blink executed; None if not counted
    memory: dict[str, Peak] = field(default_factory=dict)


@dataclass
class Build:
    """A build of the package from an empty build folder: wall and processor time, in seconds."""

    seconds: float
    cpu: float
    status: int
    said: str  # the line about the engine, or its last one


@dataclass(frozen=True)
class Frames:
    """What the interface showed at one speed in one terminal; times in seconds, `cpu` of its own
    process, `written` bytes to the terminal, `load` the machine's while it was measured."""

    program: str
    columns: int
    lines: int
    speed: str  # instructions a second, or full
    frames: int
    seconds: float
    cpu: float
    written: int
    instructions: int
    load: float
    machine: str

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of processor time a frame."""
        return 1e3 * self.cpu / max(1, self.frames)


@dataclass
class Results:
    """One run of the benchmarks."""

    started: str  # ISO 8601, UTC
    command: str
    machine: dict[str, str]
    measurements: list[Measurement]
    build: Build | None = None
    frames: list[Frames] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # what could not be measured, and why

    def named(self, name: str) -> Measurement | None:
        """The measurement of this name."""
        return next((m for m in self.measurements if m.name == name), None)

    def save(self, path: Path) -> None:
        """Writes JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n")


def load(path: Path) -> Results:
    """Reads what `save` wrote.  Raises ValueError for another version of the format."""
    data = json.loads(path.read_text())
    if data.pop("version", None) != VERSION:
        raise ValueError(f"{path}: not results of format {VERSION}")
    measurements = [_measurement(entry) for entry in data.pop("measurements")]
    build = data.pop("build")
    frames = [Frames(**entry) for entry in data.pop("frames", ())]
    kept = Results(**data, measurements=measurements, frames=frames)
    kept.build = Build(**build) if build else None
    return kept


def _measurement(entry: dict[str, Any]) -> Measurement:
    samples = {engine: [Sample(**s) for s in kept] for engine, kept in entry.pop("samples").items()}
    memory = {engine: Peak(**peak) for engine, peak in entry.pop("memory").items()}
    aims = [Aim(**aim) for aim in entry.pop("aims")]
    return Measurement(**entry, samples=samples, memory=memory, aims=aims)
