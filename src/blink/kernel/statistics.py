"""What `-Z` prints when a process ends, one number a line."""

from __future__ import annotations

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Process
    from blink.kernel.task import Task

_PEAK = b"VmHWM:"  # in /proc/self/status, KiB


class Statistics:
    """Counts from the start of a process; a forked child starts anew."""

    __slots__ = ("_before", "_ended", "_process", "_started", "_user")

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ended: dict[str, int] = {}
        self.restart()

    def keep(self, task: Task) -> None:
        """Notes what a thread that ends has counted."""
        _add(self._ended, task)

    def restart(self) -> None:
        """Forgets what was counted until now."""
        self._ended.clear()
        self._before = self._totals()
        self._started = time.monotonic()
        self._user = posix.times().user

    def log(self) -> None:
        """Writes the lines to the log."""
        wall, user = time.monotonic() - self._started, posix.times().user - self._user
        counts = {n: v - self._before.get(n, 0) for n, v in self._totals().items()}
        lines = {
            **counts,
            "wall_seconds": f"{wall:.6f}",
            "user_seconds": f"{user:.2f}",
            "million_instructions_per_second": f"{counts.get('instructions', 0) / wall / 1e6:.1f}",
            "guest_resident_bytes": self._process.memory.rss,
            "peak_memory_bytes": peak_memory(),
        }
        for name, value in lines.items():
            self._process.log(f"{name} {value}")

    def _totals(self) -> dict[str, int]:
        """The counters of all threads, added up."""
        sums = dict(self._ended)
        for task in self._process.tasks.values():
            _add(sums, task)
        return sums


def _add(sums: dict[str, int], task: Task) -> None:
    for name, value in {"instructions": task.cpu.icount, **task.cpu.counters()}.items():
        sums[name] = sums.get(name, 0) + value


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes; 0 when /proc is not there."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:
            status = file.read(8192)
    except OSError:
        return 0
    _, found, rest = status.partition(_PEAK)
    return int(rest.split()[0]) << 10 if found else 0
