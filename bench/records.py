"""What a run of the benchmarks found, as it is kept in bench/results/*.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

VERSION = 1


@dataclass(frozen=True)
class Sample:
    """One process from start to end.  Times in seconds; `status` as wait(2) gives it."""

    status: int
    wall: float
    user: float
    system: float
    peak_kib: int
    output: str  # digest of standard output

    @property
    def cpu(self) -> float:
        """Processor time, in seconds."""
        return self.user + self.system


@dataclass
class Measurement:
    """All samples of one workload: engine -> one sample a round."""

    name: str
    title: str
    command: list[str]
    aim: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    instructions: int | None = None  # that blink executed; None if not counted


@dataclass
class Build:
    """A build of the package from an empty build folder: wall and processor time, in seconds."""

    seconds: float
    cpu: float
    status: int
    said: str  # the line about the engine, or its last one


@dataclass
class Results:
    """One run of the benchmarks."""

    started: str  # ISO 8601, UTC
    command: str
    machine: dict[str, str]
    measurements: list[Measurement]
    build: Build | None = None

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
    return Results(**data, measurements=measurements, build=Build(**build) if build else None)


def _measurement(entry: dict) -> Measurement:  # type: ignore[type-arg]
    samples = {engine: [Sample(**s) for s in kept] for engine, kept in entry.pop("samples").items()}
    return Measurement(**entry, samples=samples)
