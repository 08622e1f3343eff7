"""Samples and measurements that the tests of the reports are made of."""

from __future__ import annotations

from bench.aims import Aim, at_most
from bench.records import Measurement, Peak, Results, Sample


def sample(wall: float, status: int = 0, output: str = "same", cpu: float = 0.5) -> Sample:
    return Sample(status, wall, cpu, 0.0, output)


def measurement(*aims: Aim, name: str = "w", **samples: list[Sample]) -> Measurement:
    return Measurement(name, f"work {name}", "Kernels", list(aims), samples=samples)


def good(*aims: Aim) -> Measurement:
    """Two rounds: qemu takes four times as long as native, blink two and three times."""
    return measurement(
        *(aims or (at_most(2.5), at_most(2.0))),
        native=[sample(1.0), sample(2.0)],
        qemu=[sample(4.0), sample(8.0)],
        blink=[sample(2.0), sample(6.0)],
    )


def results(*measurements: Measurement) -> Results:
    return Results("2026-01-01", "./dev bench", {"processor": "P"}, list(measurements))


def peak(megabytes: float, processes: int = 1) -> Peak:
    return Peak(round(megabytes * 1e6 / 1024), processes)
