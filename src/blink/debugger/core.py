"""What a session is built on: the connection to the process that shows the program, the thread that
carries out motions, and what is known since the last stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from blink.debugger import link
from blink.debugger.breakpoints import Points
from blink.debugger.errors import DebugError
from blink.debugger.link import Link
from blink.debugger.modules import Mapping, Symbols
from blink.debugger.stop import Stop, stop_of
from blink.debugger.symbols import open_here
from blink.debugger.wire import Message, TargetGone, bytes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.replay.kept import KeptFiles

Result = dict[str, Any]
Plan = Callable[[], Result]
OVER = ("exit", "killed", "gone")


class Core:
    """`target`: the process that shows the program now; `timeline` may put another in its place."""

    def __init__(self, target: Link, kept: KeptFiles | None) -> None:
        self.target = target
        self.stop: Stop | None = None
        self.tid = 0
        self.time = 0
        self.exit_status: int | None = None
        self.on_stop: Callable[[Stop], None] | None = None
        self.symbols = Symbols(self.maps, open_here if kept is None else kept.open)
        self._there: list[Mapping] = []  # of a copy that a search looks at
        self._symbols_there = self.symbols.twin(lambda: self._there)
        self._astray = False  # the breakpoints' addresses are those of the copy
        self.points = Points(self.symbols)
        self.closed = False
        self._kept = kept
        self._maps: list[Mapping] | None = None
        self._layout: int | None = None
        self._stopped = threading.Event()
        self._stopped.set()
        self._flight = threading.Lock()  # of what follows
        self._flying: Link | None = None  # where a motion is under way
        self.interrupted = False  # interrupt() was called since the motion began
        self._warm = False
        self._plans: SimpleQueue[Plan | None] = SimpleQueue()
        threading.Thread(target=self._work, name="blink-motion", daemon=True).start()

    def look(self) -> int:
        """Learns where the target stands; the last time that it knows."""
        status = self.target.ask("status")
        self.time, self.tid = status["time"], status["tid"]
        self._maps = None
        return int(status["end"])

    def end_work(self) -> None:
        """No more motions."""
        self.closed = True
        self._plans.put(None)
        if self._kept is not None:
            self._kept.close()

    # --- state that motions need ---

    def registers(self, tid: int | None = None) -> dict[str, int]:
        """All registers of a thread by name; the selected thread's without `tid`."""
        values: dict[str, int] = self.target.ask("registers", tid=tid or self.tid)["registers"]
        return values

    def read(self, address: int, length: int) -> bytes:
        """Bytes, up to the first that is not mapped."""
        return bytes_of(self.target.ask("read", address=address, length=length)["data"])

    def maps(self) -> list[Mapping]:
        """The mappings, ascending."""
        if self._maps is None:
            self._maps = [Mapping(*row) for row in self.target.ask("maps")["maps"]]
        return self._maps

    # --- motions ---

    @property
    def running(self) -> bool:
        """Whether a motion is under way."""
        return not self._stopped.is_set()

    def wait(self, timeout: float | None = None) -> Stop:
        """How the motion ended.  Raises TimeoutError, DebugError if nothing has moved."""
        if not self._stopped.wait(timeout):
            raise TimeoutError(f"the program has not stopped within {timeout} seconds")
        if self.stop is None:
            raise DebugError("nothing has run yet")
        return self.stop

    def interrupt(self) -> None:
        """Ends the motion soon; nothing if there is none."""
        with self._flight:
            self.interrupted = True
            if self._flying is not None:
                self._flying.send("interrupt", lambda _: None)

    def need_stopped(self) -> None:
        """Raises DebugError while a motion is under way, and at the end of the session."""
        if self.closed:
            raise DebugError("the session is closed")
        if self.running:
            raise DebugError("the program is running")

    def begin(self, plan: Plan) -> None:
        """Has the thread carry out a motion.  Raises DebugError while there is another."""
        self.need_stopped()
        self.interrupted = False
        self._warm_up()
        self._stopped.clear()
        self._plans.put(plan)

    def _warm_up(self) -> None:
        """Loads what the words of the first stop need while the program runs: 0.1 s."""
        if not self._warm:
            self._warm = True
            threading.Thread(target=_load, name="blink-load", daemon=True).start()

    def _work(self) -> None:
        while (plan := self._plans.get()) is not None:
            try:
                result = plan()
            except TargetGone as gone:
                result = {"reason": "gone", "tid": self.tid, "details": {"text": str(gone)}}
            except DebugError as error:
                result = {"reason": "error", "tid": self.tid, "details": {"text": str(error)}}
            except Exception as error:
                result = {"reason": "error", "tid": self.tid, "details": {"text": repr(error)}}
            self._arrive(result)

    def _arrive(self, result: Result) -> None:
        if result["reason"] != "error":
            self._settle(result)
        self.points.stopped(result.get("numbers", []))
        stop = stop_of(result | {"time": self.time}, self.symbols)
        self.stop = stop
        self._stopped.set()
        if self.on_stop is not None and not self.closed:
            self.on_stop(stop)

    def _settle(self, result: Result) -> None:
        if result.get("layout") != self._layout:
            self._maps, self._layout = None, result.get("layout")
        self.time = result.get("time", self.time)
        self.tid = result["tid"] or self.tid
        if result["reason"] == "exit":
            self.exit_status = result["details"]["status"]
        elif result["reason"] == "killed":
            self.exit_status = -result["details"]["signo"]
        elif result["reason"] != "gone":
            self.exit_status = None
        elif self.exit_status is None:
            self.exit_status = self.target.reap() or 0

    def run(self, **fields: Any) -> Result:
        """One motion of the target; halts that only concern our list of symbols go on."""
        while True:
            self.configure()
            result = self.fly(self.target, fields)
            self.points.count(result["hits"])
            if result["reason"] not in ("load", "exec"):
                return result
            self._maps = None
            self.points.resolve_again(all_of_them=result["reason"] == "exec")
            if any(result["numbers"]):
                return result

    def resolve_here(self, layout: int) -> None:
        """Another time is shown: names of breakpoints mean what they mean there."""
        if (self._astray or layout != self._layout) and self.points.any_named:
            self._maps, self._astray = None, False
            self.points.resolve_again(True, self.symbols)

    def resolve_there(self, copy: Link, all_of_them: bool) -> None:
        """As resolve_here(), for a copy that a search looks at; resolve_here() ends that."""
        if self.points.any_named:
            self._there, self._astray = [Mapping(*row) for row in copy.ask("maps")["maps"]], True
            self.points.resolve_again(all_of_them, self._symbols_there)

    def configure(self, target: Link | None = None) -> None:
        """Tells a target what is wanted, if it does not know."""
        target = target or self.target
        if target.known_points != self.points.version:
            target.ask("stops", **self.points.wire())
            target.known_points = self.points.version

    def fly(self, target: Link, fields: Message) -> Result:
        """A `run` request to a target, unless an interrupt has come before it."""
        box: SimpleQueue[Message] = SimpleQueue()
        with self._flight:
            if self.interrupted:
                status = target.ask("status")
                return status | {"reason": "interrupt", "hits": {}, "numbers": [], "details": {}}
            self._flying = target
            target.send("run", box.put, **fields)
        try:
            return link.checked(box.get())
        finally:
            self._flying = None


def _load() -> None:
    import elftools.dwarf.dwarfinfo
    import elftools.elf.elffile  # noqa: F401
