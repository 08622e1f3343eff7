"""How much of its buffers a system call has filled, where its result says so."""

from __future__ import annotations

from blink import _engine
from blink.abi.filled import FILLS_ALL, FILLS_FIRST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

    Ranges = list[tuple[int, int]]


def trimmed(ranges: Ranges, stop: int, number: int, task: Task) -> Ranges:
    """The ranges that may have changed."""
    if stop != _engine.STOP_SYSCALL or number not in FILLS_ALL | FILLS_FIRST:
        return ranges
    result = task.cpu.get("rax")
    left = result if result < 1 << 63 else 0
    whole = number in FILLS_ALL
    kept, rest = [], [] if whole else ranges[1:]
    for address, length in ranges if whole else ranges[:1]:
        kept.append((address, min(length, left)))
        left -= min(length, left)
    return kept + rest
