"""The system calls of a program that a session runs: the lines of `-s`, with their times."""

from __future__ import annotations

from blink.syscalls._trace import TraceOptions, Tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.replay.runner import Runner

MOST = 200_000  # lines that are kept; the first ones
TEXT = 128  # bytes of a string that are shown

Row = tuple[int, int, str]


class CallList(Tracer):
    """Collects a row a call: time, thread, text; and what the log tells between calls."""

    __slots__ = ("_runner", "rows")

    def __init__(self, runner: Runner) -> None:
        options = TraceOptions(1)
        options.limit = TEXT
        super().__init__(runner.process, options)
        self._runner = runner
        self.rows: list[Row] = []

    def restart(self) -> None:
        """A new process is nobody's session."""
        super().restart()
        self._process.tracer = None

    def _say(self, who: int, text: str) -> None:
        if len(self.rows) < MOST:
            self.rows.append((self._runner.time, who, text))


def follow(runner: Runner) -> None:
    """From here on each system call is noted."""
    runner.process.tracer = CallList(runner)
    runner.catch(runner.caught)  # the engine makes none by itself any more


def rows_of(runner: Runner, first: int, count: int) -> list[Row]:
    """Of those noted, `count` from number `first` on."""
    found = runner.process.tracer
    return found.rows[first : first + count] if isinstance(found, CallList) else []
