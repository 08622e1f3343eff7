"""How fast the program runs while it is watched."""

from __future__ import annotations

FRAME = 1 / 25
SLOWEST, FASTEST = 0, 30  # powers of two: instructions a second, then a frame's worth of 2**30
SHARE = 0.5  # a burst lasts at least this many times as long as all else of its frame


class Speed:
    """A power of two of instructions a second, or full translation speed."""

    def __init__(self) -> None:
        self.level = FASTEST + 1
        self.burst = FRAME

    @property
    def full(self) -> bool:
        return self.level > FASTEST

    @property
    def rate(self) -> int | None:
        """Instructions a second, None for all that can be had."""
        return None if self.full else 1 << self.level

    def turbo(self) -> None:
        """Twice as fast."""
        self.level = min(FASTEST + 1, self.level + 1)

    def slower(self) -> None:
        """Half as fast; from full speed to what can be followed."""
        self.level = 20 if self.full else max(SLOWEST, self.level - 1)

    def count(self) -> int | None:
        """Instructions of the next frame, None for full speed."""
        rate = self.rate
        return None if rate is None else max(1, int(rate * FRAME))

    def pause(self, spent: float) -> float:
        """Seconds to wait after a frame that took `spent`."""
        rate = self.rate
        if rate is None:
            return 0.0
        return max(FRAME, 1 / rate) - spent

    def looked(self, seconds: float) -> None:
        """All but the burst took so long: the next lasts for the rest of a frame, or long enough
        to be worth it."""
        self.burst = max(FRAME - seconds, SHARE * seconds, 0.01)

    def __str__(self) -> str:
        rate = self.rate
        return "full speed" if rate is None else f"{short(rate)}/s"


def short(number: float) -> str:
    """A number in a few characters: 12, 3.4k, 56M."""
    for unit in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number:.3g}{unit}" if unit else f"{number:.0f}"
        number /= 1000
    return f"{number:.0f}T"
