"""How much of its buffers a system call has filled, where its result says so."""

from __future__ import annotations

from blink import _engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

    Ranges = list[tuple[int, int]]

# The result is how many bytes of all buffers, in their order, are new.
_ALL = frozenset((0, 17, 19, 78, 79, 89, 191, 192, 193, 194, 195, 196, 217, 267, 295, 318, 327))
_FIRST = frozenset((45,))  # recvfrom: of the first one; an address follows


def trimmed(ranges: Ranges, stop: int, number: int, task: Task) -> Ranges:
    """The ranges that may have changed."""
    if stop != _engine.STOP_SYSCALL or number not in _ALL and number not in _FIRST:
        return ranges
    result = task.cpu.get("rax")
    left = result if result < 1 << 63 else 0
    kept, rest = [], [] if number in _ALL else ranges[1:]
    for address, length in ranges if number in _ALL else ranges[:1]:
        kept.append((address, min(length, left)))
        left -= min(length, left)
    return kept + rest
