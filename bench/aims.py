"""The aims that the issues set, and whether a measurement meets them."""

from __future__ import annotations

from dataclasses import dataclass

from bench.ratios import number

RATIO, RATE, SPEEDUP = "ratio", "rate", "speedup"


@dataclass(frozen=True)
class Aim:
    """One figure that a workload shall reach.

    `ratio`: the time of `ours` / that of `theirs` is at most `limit`.
    `rate`: `ours` executes at least `limit` million instructions a second.
    `speedup`: `ours` is at least `limit` times as fast as in the workload named `theirs`.
    """

    kind: str
    ours: str
    theirs: str
    limit: float

    def __str__(self) -> str:
        if self.kind == RATE:
            return f"{self.ours} ≥ {self.limit:g} million / s"
        if self.kind == SPEEDUP:
            return f"{self.ours} ≥ {self.limit:g} times {self.theirs}"
        return f"{self.ours} / {self.theirs} ≤ {self.limit:g}"

    def met(self, found: float) -> bool:
        """Whether this figure reaches the aim."""
        return found <= self.limit if self.kind == RATIO else found >= self.limit

    def verdict(self, found: float | None) -> str:
        """`met`, by how much it is missed, or that there is no figure."""
        if found is None:
            return "not measured"
        if self.met(found):
            return "met"
        worse = found / self.limit if self.kind == RATIO else self.limit / found
        return f"**missed** by {number(100 * (worse - 1))} %"


def at_most(limit: float, ours: str = "blink", theirs: str = "native") -> Aim:
    """The aim that a ratio of times stays below a limit."""
    return Aim(RATIO, ours, theirs, limit)
