"""Loops that a Python interpreter is measured with.  usage: loops.py KERNEL N"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator


class Body:
    """A point that moves in a box."""

    def __init__(self, at: int, speed: int) -> None:
        self.at, self.speed = at, speed

    def step(self) -> int:
        self.at += self.speed
        if not 0 <= self.at <= 100:
            self.speed = -self.speed
        return self.at


def calls(n: int) -> int:
    """Method calls, attributes, a generator."""

    def positions(bodies: Iterable[Body]) -> Iterator[int]:
        for body in bodies:
            yield body.step()

    bodies = [Body(i * 7 % 100, i % 5 - 2) for i in range(20)]
    return sum(sum(positions(bodies)) for _ in range(n))


def floats(n: int) -> str:
    """A logistic map and a sum of squares."""
    x, total = 0.375, 0.0
    for i in range(n):
        x = 3.75 * x * (1.0 - x)
        total += x * x / (1.0 + i)
    return f"{total:.15f}"


def data(n: int) -> tuple[int, list[tuple[int, int]]]:
    """Dictionaries, lists, tuples, sorting with a key."""
    seen: dict[tuple[int, int], int] = {}
    rows = []
    for i in range(n):
        key = (i * i % 97, i % 7)
        seen[key] = seen.get(key, 0) + i
        rows.append((i * 7919 % 10007, i))
    rows.sort(key=lambda row: (row[0] % 100, row[1]))
    return sum(seen.values()), rows[:50:10]


def text(n: int) -> int:
    """Strings, regular expressions, JSON."""
    word, found = re.compile(r"([a-z]+)-(\d+)"), 0
    for i in range(n):
        line = " ".join(f"item-{i * k}:{k:04x}" for k in range(20))
        found += sum(int(digits) % 10 for _, digits in word.findall(line))
        found += len(json.loads(json.dumps({"line": line, "parts": line.split(":")}))["parts"])
    return found


KERNELS: dict[str, Callable[[int], object]] = {
    "calls": calls,
    "floats": floats,
    "data": data,
    "text": text,
}

if __name__ == "__main__":
    print(KERNELS[sys.argv[1]](int(sys.argv[2])))
