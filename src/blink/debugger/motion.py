"""One motion of the guest: run until something that the session wants, and nothing else, comes."""

from __future__ import annotations

from blink.abi.layout import GUEST_TOP
from blink.abi.mman import MAP_ANONYMOUS, PROT_EXEC
from blink.abi.signals import name as signal_name
from blink.debugger import state
from blink.debugger.stops import Breakpoint, Stops
from blink.replay.runner import Halt
from blink.syscalls._table import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.debugger.stops import Watchpoint
    from blink.debugger.target import Target
    from blink.kernel.task import Task

    Result = dict[str, Any]
    Place = tuple[int, int, int]  # time, thread, address

NR_MMAP = 9
TRAIL = (
    "rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
    "r13", "r14", "r15", "fs_base", "gs_base",
)  # fmt: skip
ALWAYS = ("exit", "killed", "end", "diverged", "until")
ENDS = (*ALWAYS, "interrupt")


class Motion:
    """A `run` request: `until` is a time or None, `only` the one thread that runs or None, `guards`
    breakpoints of this motion; with `range` (first, behind the last) it goes on while the thread is
    at these addresses; with `trail` it goes the last so many instructions before `until` one by one
    and tells the way: the registers of TRAIL before each; with `quiet` it stops for nothing before
    `until`; with `last` neither, but it tells the last stop before `now` that it came by."""

    def __init__(self, target: Target, message: dict[str, Any]) -> None:
        self.target = target
        self.runner = target.runner
        self.until: int | None = message.get("until")
        self.last = bool(message.get("last"))
        self.now: int | None = message.get("now")
        own = "guards" in message or "watches" in message
        quiet = message.get("quiet") or (self.last and own)
        self.stops = Stops.watching(message.get("watches", [])) if quiet else target.stops
        self.guards = [Breakpoint(fields) for fields in message.get("guards", ())]
        self.only: int | None = message.get("only")
        self.range: tuple[int, int] | None = message.get("range")
        self.goal: int | None = self.until
        self.trail = int(message.get("trail", 0))
        self.way: dict[int, list[int]] = {}  # time -> a step of the trail
        self.hits: dict[int, int] = {}
        self.found: Result | None = None

    def go(self) -> Result:
        """Runs; the reply."""
        self.target.begin_motion()
        try:
            self._arm()
            return self._interrupted() or self._until_stop()
        finally:
            self.target.end_motion()

    def _arm(self) -> None:
        self.stops.arm(self.runner, self.guards)
        self.runner.only(self.only)
        self._note_values()

    def _until_stop(self) -> Result:
        start: Place | None = self._place()
        while True:
            if self.range is not None or self.trail:
                self.until = self._next_time()
            halt = self.runner.run(self.until)
            if halt.reason == "interrupt":
                result = self._interrupted()
            elif halt.reason == "breakpoint" and self._place() == start:
                result = None  # where we stood is behind us
            else:
                start, result = None, self._judge(halt)
            if result is not None and (not self.last or halt.reason in ENDS):
                return result
            if result is not None and self._passes(result):
                return result | {"found": self.found}
            if self.target.asked and (result := self._interrupted()):
                return result

    def _passes(self, result: Result) -> bool:
        """Notes what comes before now; whether the session must look for names before it goes
        on."""
        names = result["reason"] in ("load", "exec")
        past = self.until is not None and result["time"] <= self.until
        if past and (not names or any(result["numbers"])):
            self.found = result | {"found": None}  # not a chain of all that came before
        return names and 0 in result["numbers"]

    def _interrupted(self) -> Result | None:
        """Answers other requests; the reply when one of them wants a stop."""
        version = self.stops.version
        if self.target.serve_waiting():
            return self._result("interrupt", self.runner.current.tid)
        if self.stops.version != version:
            self._arm()
        return None

    def _next_time(self) -> int:
        """When to look again, in a motion that does not go straight to its end."""
        now: int = self.runner.time
        if self.goal is not None and self.trail:
            if now < self.goal - self.trail:
                return self.goal - self.trail
            get = self.runner.current.cpu.get
            self.way[now] = [get(name) for name in TRAIL]
        return now + 1

    def _goes_on(self) -> bool:
        """Whether a motion that has come to where it looks again is not over."""
        if self.goal is not None and self.trail:
            now: int = self.runner.time
            return now < self.goal
        if self.range is None:
            return False
        start, end = self.range
        return start <= self.runner.current.cpu.rip < end

    def _place(self) -> Place:
        task = self.runner.current
        return self.runner.time, task.tid, task.cpu.rip

    def _judge(self, halt: Halt) -> Result | None:
        """The reply if this halt is a stop."""
        if self.last and halt.reason not in ENDS and self.runner.time == self.now:
            return None  # it is now, not before
        if halt.reason == "breakpoint":
            return self._breakpoint(halt)
        if halt.reason == "watchpoint":
            return self._watchpoint(halt)
        if halt.reason in ALWAYS:
            if halt.reason == "until" and self._goes_on():
                return None
            return self._result(halt.reason, halt.tid, details=halt.details)
        halt = self._loaded(halt)
        numbers = self.stops.caught(halt.reason, _names(halt))
        return self._result(halt.reason, halt.tid, numbers, halt.details) if numbers else None

    def _loaded(self, halt: Halt) -> Halt:
        """A system call that has mapped code of a file, as the event that it is."""
        if halt.reason != "syscall" or halt.details["number"] != NR_MMAP:
            return halt
        (_, length, prot, flags, *_), start = halt.details["args"], halt.details["result"]
        is_code = prot & PROT_EXEC and not flags & MAP_ANONYMOUS and start < GUEST_TOP
        if not is_code or "load" not in self.stops.catches:
            return halt
        path = state.file_at(self.runner, start)
        return Halt("load", halt.tid, path=path, start=start, end=start + length)

    def _breakpoint(self, halt: Halt) -> Result | None:
        task = self.runner.tasks[halt.tid]
        rip = task.cpu.rip
        here = [b for b in (*self.stops.breakpoints, *self.guards) if b.address == rip]
        good = [b for b in here if b.holds(task) and self._counts(b)]
        if not good:
            return None
        numbers = sorted(b.number for b in good if b.number)
        return self._result("breakpoint" if numbers else "guard", halt.tid, numbers, halt.details)

    def _counts(self, stop: Breakpoint | Watchpoint) -> bool:
        """Notes a hit; whether it stops."""
        self.hits[stop.number] = self.hits.get(stop.number, 0) + 1
        if stop.ignore > 0 and not self.last:
            stop.ignore -= 1
            return False
        return True

    # --- watchpoints ---

    def _note_values(self) -> None:
        for watch in self.stops.watchpoints:
            watch.value = watch.look(self.runner.current)

    def _watchpoint(self, halt: Halt) -> Result | None:
        """Lets the instruction do its work, then tells what has become of the memory.  The host's
        writes have been done already."""
        runner = self.runner
        before, task = runner.time, runner.tasks[halt.tid]
        details = {"pc": task.cpu.rip, "before": before, "syscall": halt.details.get("call", False)}
        touched = self._touched(halt)
        if not details["syscall"]:
            runner.only(halt.tid)
            while runner.time == before:
                halt = runner.run(before + 1)
                if halt.reason == "watchpoint":
                    touched += self._touched(halt)
                elif halt.reason in ENDS[:-1]:
                    break
            runner.only(self.only)
        return self._report(halt, task, touched, details)

    def _touched(self, halt: Halt) -> list[Watchpoint]:
        access = halt.details
        return [
            w
            for w in self.stops.watchpoints
            if w.touches(access["address"], access["size"], access["write"])
        ]

    def _report(
        self, halt: Halt, task: Task, touched: list[Watchpoint], details: dict[str, Any]
    ) -> Result | None:
        numbers, first = [], None
        for watch in dict.fromkeys(touched):
            old, watch.value = watch.value, watch.look(task)
            wanted = watch.kind != "change" or old != watch.value
            if wanted and watch.condition.holds(task) and self._counts(watch):
                numbers.append(watch.number)
                first = first or (watch, old)
        if first is None:
            return self._judge(halt) if halt.reason in ALWAYS[:-1] else None
        watch, old = first
        details |= {"address": watch.address, "old": old.hex(), "new": watch.value.hex()}
        return self._result("watchpoint", task.tid, numbers, details)

    # --- replies ---

    def _result(
        self,
        reason: str,
        tid: int,
        numbers: list[int] | None = None,
        details: dict[str, Any] | None = None,
    ) -> Result:
        task = self.runner.tasks.get(tid)
        way = {"trail": list(self.way.values())} if self.trail else {}
        return {
            "reason": reason,
            "tid": tid,
            "time": self.runner.time,
            "end": self.runner.end,
            "rip": None if task is None else task.cpu.rip,
            "layout": state.layout(self.runner.process),
            "numbers": numbers or [],
            "details": {name: _plain(value) for name, value in (details or {}).items()} | way,
            "hits": self.hits,
            "found": self.found,
        }


def _plain(value: Any) -> Any:
    """A value as JSON can have it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape") if value.isascii() else value.hex()
    return value


def _names(halt: Halt) -> set[str]:
    """What a catchpoint may call an event: a system call's or signal's name or number, a path."""
    names = {str(_plain(value)) for value in halt.details.values() if not isinstance(value, tuple)}
    number = int(halt.details.get("number", 0))
    if halt.reason == "signal":
        names.add(signal_name(number))
    elif halt.reason == "syscall" and (call := find(number)) is not None:
        names.add(call.name)
    return names | {name.rpartition("/")[2] for name in names}
