"""Figures from the samples: ratios, rates, speed-ups, and what went wrong instead."""

from __future__ import annotations

from statistics import median

from bench.aims import RATE, SPEEDUP, Aim
from bench.ratios import Spread, ratio, spread
from bench.records import Measurement, Peak, Results, Sample

MB = 1e6
FIRST_PROCESS, FURTHER_PROCESS = 40, 10  # MB above the native figure; issue 4, "Reach"
LEAST = 30  # MB of `blink /bin/true`; issue 2


class Figures:
    """The figures of one run; `cpu`: of processor time, not wall time."""

    def __init__(self, results: Results, cpu: bool = False) -> None:
        self.results, self.cpu = results, cpu

    def times(self, samples: list[Sample], wall: bool = False) -> list[float]:
        """The seconds of each sample; what the clock cannot see counts as one microsecond."""
        return [max(s.cpu if self.cpu and not wall else s.wall, 1e-6) for s in samples]

    def seconds(self, m: Measurement, engine: str) -> float | None:
        """The median time of an engine."""
        found = m.samples.get(engine)
        return median(self.times(found)) if found else None

    def compared(self, m: Measurement, ours: str, theirs: str) -> Spread | None:
        """The ratio of two engines' times, if both ran and did what the program does."""
        if not (works(m, ours) and works(m, theirs)):
            return None
        return ratio(self.times(m.samples[ours]), self.times(m.samples[theirs]))

    def rate(self, m: Measurement, engine: str) -> Spread | None:
        """Millions of instructions a second."""
        if not m.instructions or not works(m, engine):
            return None
        return spread([m.instructions / t / 1e6 for t in self.times(m.samples[engine])])

    def speedup(self, m: Measurement, engine: str) -> Spread | None:
        """How many times as fast as the same work on one thread, by wall time."""
        base = self.results.named(m.base)
        if base is None or not (works(base, engine) and works(m, engine)):
            return None
        one, more = base.samples[engine], m.samples[engine]
        return ratio(self.times(one, wall=True), self.times(more, wall=True))

    def figure(self, m: Measurement, aim: Aim) -> float | None:
        """The figure that an aim is about."""
        if aim.kind == RATE:
            found = self.rate(m, aim.ours)
        elif aim.kind == SPEEDUP:
            found = self.speedup(m, aim.ours)
        else:
            found = self.compared(m, aim.ours, aim.theirs)
        return found.median if found else None


def works(m: Measurement, engine: str) -> bool:
    """Whether an engine ran this, and as natively."""
    return bool(m.samples.get(engine)) and not fault(m, engine)


def fault(m: Measurement, engine: str) -> str:
    """What is wrong with an engine's runs; empty if they did what the program does natively."""
    for sample in m.samples[engine]:
        if sample.status & 0x7F:
            return f"signal {sample.status & 0x7F}"
        if sample.status:
            return f"status {sample.status >> 8}"
    expected = m.samples.get("native") or m.samples[engine]
    return "" if _outputs(m.samples[engine]) == _outputs(expected) else "wrong output"


def _outputs(samples: list[Sample]) -> set[str]:
    return {sample.output for sample in samples}


def faults(m: Measurement) -> dict[str, str]:
    """engine -> what is wrong, with the last line that it said."""
    found = {}
    for engine in m.samples:
        if wrong := fault(m, engine):
            said = m.samples[engine][-1].said
            found[engine] = f"{wrong}: `{said}`" if said else wrong
    return found


def megabytes(peak: Peak) -> float:
    """10^6 bytes."""
    return peak.pss_kib * 1024 / MB


def allowed(m: Measurement) -> float | None:
    """How many MB blink's process tree may have; None where that is not known."""
    ours, native = m.memory.get("blink"), m.memory.get("native")
    if ours is None or native is None:
        return None
    further = max(ours.processes - 1, 0) * FURTHER_PROCESS
    limit = megabytes(native) + FIRST_PROCESS + further
    return min(limit, LEAST) if m.name == "true" else limit
