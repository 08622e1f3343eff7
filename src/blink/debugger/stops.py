"""What a session wants to stop at, as the target knows it: conditions are looked at where the guest
is, so that one that fails costs microseconds."""

from __future__ import annotations

from blink._engine import WATCH_READ, WATCH_WRITE
from blink.debugger import state
from blink.debugger.errors import DebugError
from blink.machine.cpu import read_register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.debugger.expression import Expression
    from blink.kernel.task import Task
    from blink.replay.runner import Runner

KINDS = {
    "r": WATCH_READ,
    "w": WATCH_WRITE,
    "rw": WATCH_READ | WATCH_WRITE,
    "change": WATCH_WRITE,
}


class Breakpoint:
    """Where to stop, and when.

    number      the session's; 0 for a guard, which belongs to one motion
    tid         the only thread that it is for, or None
    above       rsp must be above this, or None: a frame that has returned
    below       rsp must be below this, or None
    condition   what must be true
    ignore      how many times more it does not stop
    """

    __slots__ = ("above", "address", "below", "condition", "ignore", "number", "tid")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.address: int = fields["address"]
        self.number: int = fields.get("number", 0)
        self.tid: int | None = fields.get("tid")
        self.above: int | None = fields.get("above")
        self.below: int | None = fields.get("below")
        self.ignore: int = fields.get("ignore", 0)
        self.condition = Condition(fields)

    def holds(self, task: Task) -> bool:
        """Whether the thread and the frame are right, and the condition."""
        if self.tid is not None and task.tid != self.tid:
            return False
        stack = task.cpu.get("rsp")
        if self.above is not None and stack <= self.above:
            return False
        if self.below is not None and stack >= self.below:
            return False
        return self.condition.holds(task)


class Watchpoint:
    """Memory to look at: `kind` is r, w, rw or change."""

    __slots__ = ("address", "condition", "ignore", "kind", "length", "number", "value")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.address: int = fields["address"]
        self.length: int = fields["length"]
        self.kind: str = fields["kind"]
        self.number: int = fields["number"]
        self.ignore: int = fields.get("ignore", 0)
        self.condition = Condition(fields)
        self.value = b""
        if self.kind not in KINDS:
            raise DebugError(f"no watchpoint is of kind {self.kind}: {', '.join(KINDS)}")

    def touches(self, address: int, size: int, write: bool) -> bool:
        """Whether an access concerns it."""
        near = address < self.address + self.length and self.address < address + size
        return near and bool(KINDS[self.kind] & (WATCH_WRITE if write else WATCH_READ))

    def look(self, task: Task) -> bytes:
        """What is there now; shorter when it is not mapped."""
        return state.read(task.process, self.address, self.length)


class Stops:
    """All of them."""

    def __init__(self) -> None:
        self.breakpoints: list[Breakpoint] = []
        self.watchpoints: list[Watchpoint] = []
        self.catches: dict[str, dict[str, list[int]]] = {}  # kind -> name ("": any) -> numbers
        self.version = 0

    @classmethod
    def watching(cls, rows: list[dict[str, Any]]) -> Stops:
        """These watchpoints, and nothing else."""
        stops = cls()
        stops.configure({"breakpoints": [], "watchpoints": rows, "catches": {}})
        return stops

    def configure(self, message: dict[str, Any]) -> None:
        """Replaces all."""
        breakpoints = [Breakpoint(fields) for fields in message["breakpoints"]]
        watchpoints = [Watchpoint(fields) for fields in message["watchpoints"]]
        self.breakpoints, self.watchpoints = breakpoints, watchpoints
        self.catches = message["catches"]
        self.version += 1

    def clear(self) -> None:
        """Forgets all."""
        self.configure({"breakpoints": [], "watchpoints": [], "catches": {}})

    def arm(self, runner: Runner, guards: list[Breakpoint]) -> None:
        """Tells the runner what to stop at."""
        runner.set_breakpoints(sorted({b.address for b in (*self.breakpoints, *guards)}))
        runner.set_watchpoints([(w.address, w.length, KINDS[w.kind]) for w in self.watchpoints])
        kinds = set(self.catches) - {"exit"}
        runner.catch(kinds - {"load"} | {"syscall"} if "load" in kinds else kinds)

    def caught(self, kind: str, names: set[str]) -> list[int]:
        """The numbers of the catchpoints for an event that has these names."""
        wanted = self.catches.get(kind, {})
        found = [
            n for name, numbers in wanted.items() if name in names or not name for n in numbers
        ]
        return sorted(set(found))


class Condition:
    """An expression that decides about a stop; without one, it is true."""

    __slots__ = ("_expression", "_symbols")

    def __init__(self, fields: dict[str, Any]) -> None:
        self._symbols: dict[str, int] = fields.get("symbols", {})
        self._expression: Expression | None = None
        if fields.get("condition"):
            from blink.debugger.expression import compile

            self._expression = compile(fields["condition"])

    def holds(self, task: Task) -> bool:
        """One that cannot be evaluated holds, as in gdb: better to stop."""
        if self._expression is None:
            return True
        try:
            return bool(self._expression.evaluate(Scope(task, self._symbols)))
        except DebugError:
            return True


class Scope:
    """What names in an expression mean, in a thread of the target.  Symbols are the session's: it
    sends the addresses of those that a condition names."""

    __slots__ = ("_symbols", "_task")

    def __init__(self, task: Task, symbols: dict[str, int]) -> None:
        self._task = task
        self._symbols = symbols

    def register(self, name: str) -> int | None:
        """None for a name that no register has."""
        return read_register(self._task.cpu, name)

    def read(self, address: int, length: int) -> bytes:
        """The bytes there, fewer where memory ends."""
        return state.read(self._task.process, address, length)

    def symbol(self, name: str) -> int | None:
        """One of those that the session sent."""
        return self._symbols.get(name)
