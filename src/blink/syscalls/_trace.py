"""What `-s` and its kin do with each system call: lines, JSON, a table at the end.

The texts of arguments come from `_strace`.  A `Tracer` belongs to a process; it exists only where
an option asks for it.
"""

from __future__ import annotations

import time
from errno import errorcode
from posix import getpid, strerror

from blink.abi.errors import Interrupted
from blink.syscalls import _strace
from blink.syscalls._classes import chosen
from blink.syscalls._spec import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.syscalls._spec import Call

    Registers = tuple[int, ...]
    Invoke = Callable[[Task, Call, Registers], int]

LEAVES = ("exit", "exit_group", "execve", "execveat", "rt_sigreturn")  # may not come back


class TraceOptions:
    """What to do with system calls.

    level     0: no lines; 1: one a call; 2: also one before a call that may wait; 3: before each
    only      classes and names (`file,!openat`), empty for all calls
    limit     bytes of a string that are shown
    times     begin lines with the time of day, end them with the duration
    as_json   a JSON object a line
    summary   a table when the process ends
    """

    __slots__ = ("as_json", "level", "limit", "only", "summary", "times")

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.only = ""
        self.limit = 32
        self.times = self.as_json = self.summary = False

    def __bool__(self) -> bool:
        return bool(self.level or self.summary)


class Tracer:
    """Sees each system call of a process."""

    __slots__ = ("_counts", "_process", "_wanted", "options")

    def __init__(self, process: Process, options: TraceOptions) -> None:
        self._process = process
        self.options = options
        self._wanted = chosen(options.only)
        self._counts: dict[str, list[float]] = {}  # name -> calls, errors, seconds
        if options.summary:
            process.at_exit.append(self._table)

    def restart(self) -> None:
        """In a new process, which has made no calls yet."""
        self._counts.clear()

    # --- calls ---

    def call(self, task: Task, call: Call, registers: Registers, invoke: Invoke) -> int:
        """Runs a call, and tells of it."""
        if not self._wanted(call):
            return invoke(task, call, registers)
        texts = _strace.Texts(task, call, registers, self.options.limit)
        announced = self._announce(task, call, texts)
        began = time.monotonic()
        try:
            result: int | None = invoke(task, call, registers)
        except Interrupted:
            self._done(task, call, texts, None, time.monotonic() - began, announced)
            raise
        if result != KEEP:
            self._done(task, call, texts, result, time.monotonic() - began, announced)
        assert result is not None
        return result

    def _announce(self, task: Task, call: Call, texts: _strace.Texts) -> bool:
        """A line before the call, where one is due; whether there was one."""
        level = self.options.level
        if not level or self.options.as_json:
            return False
        if call.name in LEAVES:
            self._say(task.tid, f"{call.name}({texts.before()}) = ?")
        elif level > 2 or (level > 1 and call.waits):
            self._say(task.tid, f"{call.name}({texts.begun()} <unfinished ...>")
            return True
        return False

    def _done(
        self, task: Task, call: Call, texts: _strace.Texts, result: int | None, seconds: float,
        announced: bool,
    ) -> None:  # fmt: skip
        failed = result is not None and -_strace.MAX_ERRNO <= result < 0
        self._count(call.name, failed, seconds)
        if not self.options.level:
            return
        if self.options.as_json:
            self._json_call(task, call, texts, result, seconds)
            return
        duration = f" <{seconds:.6f}>" if self.options.times else ""
        head = f"<... {call.name} resumed>" if announced else f"{call.name}("
        shown = texts.rest(result) if announced else texts.all(result)
        self._say(task.tid, f"{head}{shown}) = {format_result(call, result)}{duration}")

    def _count(self, name: str, failed: bool, seconds: float) -> None:
        row = self._counts.setdefault(name, [0, 0, 0.0])
        row[0] += 1
        row[1] += failed
        row[2] += seconds

    # --- what else happens ---

    def signal(self, task: Task, name: str, details: dict[str, int | str]) -> None:
        """A signal is about to be delivered."""
        shown = ", ".join(f"{key}={value}" for key, value in details.items())
        self._tell(task.tid, f"--- {name} {{{shown}}} ---", {"signal": name, **details})

    def end(self, how: str, what: int | str) -> None:
        """The process ends: `how` is "exited with" or "killed by"."""
        self._tell(getpid(), f"+++ {how} {what} +++", {how.partition(" ")[0]: what})

    def _tell(self, who: int, text: str, fields: dict[str, int | str]) -> None:
        if not self.options.level:
            return
        if self.options.as_json:
            self._json(who, fields)
        else:
            self._say(who, text)

    # --- output ---

    def _say(self, who: int, text: str) -> None:
        if self.options.times:
            now = time.time()
            clock = time.strftime("%H:%M:%S", time.localtime(now))
            text = f"{clock}.{now % 1 * 1e6:06.0f} {text}"
        self._process.log(text, who)

    def _json_call(
        self, task: Task, call: Call, texts: _strace.Texts, result: int | None, seconds: float
    ) -> None:
        failed = result is not None and -_strace.MAX_ERRNO <= result < 0
        error = errorcode.get(-result, str(-result)) if failed and result is not None else None
        self._json(task.tid, {
            "call": call.name, "args": texts.named(result), "result": result, "error": error,
            "seconds": round(seconds, 6),
        })  # fmt: skip

    def _json(self, who: int, what: Mapping[str, object]) -> None:
        import json

        place = {"time": round(time.time(), 6), "tid": who}
        self._process.log(json.dumps({**place, **what}), None)

    def _table(self) -> None:
        """As strace's, the most expensive call first."""
        rows = sorted(self._counts.items(), key=lambda row: -row[1][2])
        total = sum(row[2] for _, row in rows)
        self._process.log("% time     seconds  usecs/call     calls    errors syscall")
        for name, (calls, errors, seconds) in rows:
            share = 100 * seconds / total if total else 0.0
            each = f"{1e6 * seconds / calls:11.0f} {calls:9.0f} {errors or '':>9}"
            self._process.log(f"{share:6.2f} {seconds:11.6f} {each} {name}")
        calls, errors = (sum(row[i] for _, row in rows) for i in (0, 1))
        self._process.log(f"100.00 {total:11.6f} {'':11} {calls:9.0f} {errors or '':>9} total")


def format_result(call: Call, result: int | None) -> str:
    """`3`, `0x7f...`, `-1 ENOENT (No such file or directory)`, or `? RESTART`."""
    if result is None:
        return "? RESTART"
    if -_strace.MAX_ERRNO <= result < 0:
        return f"-1 {errorcode.get(-result, str(-result))} ({strerror(-result)})"
    return hex(result) if call.result == "hex" else str(result)
