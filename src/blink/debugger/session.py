"""A session: one program under a debugger, driven from Python.

    session = Session.launch(["/bin/ls"])
    session.add_breakpoint("main")
    session.cont()
    print(session.wait().text, hex(session.registers()["rdi"]))
    session.close()

Motion returns at once; `wait()` tells how it ended.  The program runs in a process of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

from blink.abi.layout import GUEST_TOP
from blink.debugger import frames, link
from blink.debugger import modules as mod
from blink.debugger.breakpoints import Point, Points
from blink.debugger.disassembly import MAX_INSTRUCTION, disassemble
from blink.debugger.errors import DebugError
from blink.debugger.frames import Frame
from blink.debugger.link import Link, Stdio
from blink.debugger.stop import Stop, stop_of
from blink.debugger.wire import Message, TargetGone, bytes_of, text_of

Plan = Callable[[], dict[str, Any]]


class Thread(NamedTuple):
    """A thread of the guest; `state` is current, ready or waiting."""

    tid: int
    name: str
    rip: int
    state: str


class Session:
    """See docs/internals/time-travel.md for the table of what there is.

    stop          how the last motion ended; None before the first
    running       whether a motion is under way
    tid           the thread that registers() and steps are about
    exit_status   of a program that has ended: its status, or minus the signal
    on_stop       called with each Stop, from a thread of the session's
    """

    def __init__(self, target: Link) -> None:
        self.stop: Stop | None = None
        self.tid = 0
        self.exit_status: int | None = None
        self.on_stop: Callable[[Stop], None] | None = None
        self.symbols = mod.Symbols(self.maps)
        self._points = Points(self.symbols)
        self._link = target
        self._maps: list[mod.Mapping] | None = None
        self._layout: int | None = None
        self._time = self._end = 0
        self._marks: dict[str, int] = {}
        self._stopped = threading.Event()
        self._stopped.set()
        self._flight = threading.Lock()  # of what follows
        self._flying = False  # a motion is under way in the target
        self._interrupted = False  # interrupt() was called since the motion began
        self._plans: SimpleQueue[Plan | None] = SimpleQueue()
        self._relaunch: Callable[[], Link] | None = None
        self._closed = False
        threading.Thread(target=self._work, name="blink-motion", daemon=True).start()

    # --- life ---

    @classmethod
    def launch(
        cls,
        argv: Sequence[str | bytes],
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdio: Stdio = None,
        record: bool = True,
        options: Mapping[str, Any] | None = None,
        program: str | bytes | None = None,
    ) -> Session:
        """Starts a program, which stands before its first instruction.

        `stdio`: three descriptors, or one of a terminal, which becomes the program's controlling
        terminal; None: ours.  `program` is the file when argv[0] is not.  `options`: checked,
        translate, cpu, root, as those of `blink`.  Raises DebugError.
        """
        variables = (
            os.environb if env is None else {os.fsencode(k): os.fsencode(v) for k, v in env.items()}
        )
        fields = {
            "program": text_of(os.fsencode(argv[0] if program is None else program)),
            "argv": [text_of(os.fsencode(word)) for word in argv],
            "env": [text_of(name + b"=" + value) for name, value in variables.items()],
            "terminal": isinstance(stdio, int),
            "record": record,
            "options": dict(options or {}),
        }

        def start() -> Link:
            target = link.spawn(stdio, cwd)
            try:
                target.ask("start", **fields)
            except DebugError:
                target.close()
                raise
            return target

        session = cls(start())
        session._relaunch = start
        session._look()
        return session

    def close(self) -> None:
        """Ends the program and the session."""
        if not self._closed:
            self._closed = True
            self._plans.put(None)
            self._link.close()

    def detach(self) -> None:
        """Lets the program go on alone, and ends the session; end_status() waits for it."""
        self._need_stopped()
        self._closed = True
        self._plans.put(None)
        self._link.ask("detach")
        self._link.leave()

    def end_status(self) -> int:
        """Waits for the process of the program; its exit status as a shell counts, 128 + signal."""
        status = self.exit_status
        if status is None:
            status = self._link.reap(None) or 0
        return status if status >= 0 else 128 - status

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def restart(self) -> None:
        """The program again, from its start, with the same breakpoints."""
        self._need_stopped()
        if self._relaunch is None:
            raise DebugError("a recording starts again with goto(0)")
        self._link.close()
        self._link = self._relaunch()
        self.stop = self.exit_status = None
        self._points.changed = True
        self._look()

    @property
    def reversible(self) -> bool:
        """Whether there is a way back."""
        return False

    @property
    def executable(self) -> str:
        """The path of the program that runs."""
        return str(self._link.ask("image")["path"])

    def auxv(self) -> bytes:
        """The auxiliary vector that the program was given."""
        return bytes_of(self._link.ask("image")["auxv"])

    @property
    def pid(self) -> int:
        """The number of the program's process."""
        return self._link.pid

    def _look(self) -> None:
        """Learns where the target stands."""
        status = self._link.ask("status")
        self._time, self._end, self.tid = status["time"], status["end"], status["tid"]
        self._maps = None

    # --- state ---

    @property
    def running(self) -> bool:
        """Whether a motion is under way."""
        return not self._stopped.is_set()

    @property
    def time(self) -> int:
        """Instructions that all threads have retired, at the last stop."""
        return self._time

    @property
    def end(self) -> int:
        """The last time that is known."""
        return max(self._end, self._time)

    @property
    def live(self) -> bool:
        """Whether the next instruction has never run before."""
        return self._time >= self._end and self.exit_status is None

    def wait(self, timeout: float | None = None) -> Stop:
        """How the motion ended.  Raises TimeoutError, DebugError if nothing has moved."""
        if not self._stopped.wait(timeout):
            raise TimeoutError(f"the program has not stopped within {timeout} seconds")
        if self.stop is None:
            raise DebugError("nothing has run yet")
        return self.stop

    # --- motion: the machinery ---

    def _need_stopped(self) -> None:
        if self.running:
            raise DebugError("the program is running")

    def _begin(self, plan: Plan) -> None:
        self._need_stopped()
        if self.exit_status is not None:
            raise DebugError("the program has ended")
        self._interrupted = False
        self._stopped.clear()
        self._plans.put(plan)

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

    def _arrive(self, result: dict[str, Any]) -> None:
        if result.get("layout") != self._layout:
            self._maps, self._layout = None, result.get("layout")
        self._time = result.get("time", self._time)
        self._end = result.get("end", self._end)
        if result["tid"]:
            self.tid = result["tid"]
        if result["reason"] == "exit":
            self.exit_status = result["details"]["status"]
        elif result["reason"] == "killed":
            self.exit_status = -result["details"]["signo"]
        elif result["reason"] == "gone" and self.exit_status is None:
            self.exit_status = self._link.reap() or 0
        self._points.stopped(result.get("numbers", []))
        stop = stop_of(result, self.symbols, list(self._points))
        self.stop = stop
        self._stopped.set()
        if self.on_stop is not None and not self._closed:
            self.on_stop(stop)

    def _run(self, **fields: Any) -> dict[str, Any]:
        """One motion of the target; those that only concern our list of symbols go on."""
        while True:
            if self._points.changed:
                self._link.ask("stops", **self._points.wire())
                self._points.changed = False
            result = self._motion(fields)
            self._points.count(result["hits"])
            if result["reason"] not in ("load", "exec"):
                return result
            self._maps = None
            self._points.resolve_again(all_of_them=result["reason"] == "exec")
            if any(result["numbers"]):
                return result

    def _motion(self, fields: dict[str, Any]) -> dict[str, Any]:
        """A `run` request, unless an interrupt has come before it."""
        box: SimpleQueue[Message] = SimpleQueue()
        with self._flight:
            if self._interrupted:
                status = self._link.ask("status")
                return status | {"reason": "interrupt", "hits": {}, "numbers": [], "details": {}}
            self._flying = True
            self._link.send("run", box.put, **fields)
        try:
            return link.checked(box.get())
        finally:
            self._flying = False

    # --- forwards ---

    def step(self, n: int = 1) -> None:
        """Runs n instructions of the selected thread."""
        if n > 0:
            self._begin(lambda: self._run(until=self._time + n, only=self.tid))

    def step_range(self, start: int, end: int) -> None:
        """Runs single instructions of the selected thread until it is outside of [start, end)."""
        self._begin(lambda: self._run(range=[start, end], only=self.tid))

    def cont(self, only: int | None = None) -> None:
        """Runs until something of what is wanted comes; with `only`, no thread but that one."""
        self._begin(lambda: self._run(only=only))

    def next(self) -> None:
        """Runs one instruction, and what it calls."""
        self._begin(self._next)

    def _next(self) -> dict[str, Any]:
        registers = self.registers()
        length = frames.call_length(self.read(registers["rip"], MAX_INSTRUCTION))
        if not length:
            return self._run(until=self._time + 1, only=self.tid)
        return self._run_to_frame(registers["rip"] + length, registers["rsp"])

    def _run_to_frame(self, address: int, stack: int) -> dict[str, Any]:
        """Until the selected thread is at an address, with nothing below `stack` in use."""
        guard = {"address": address, "tid": self.tid, "above": stack - 1}
        return self._run(guards=[guard])

    def finish(self) -> None:
        """Runs until the selected frame's function has returned."""
        self._begin(self._finish)

    def _finish(self) -> dict[str, Any]:
        found = self.backtrace(limit=2)
        if len(found) < 2:
            raise DebugError("there is no frame to return to")
        return self._run_to_frame(found[1].pc, found[0].cfa)

    def until(self, address: int) -> None:
        """Runs to an address, as a cursor in the disassembly names it."""
        self._begin(lambda: self._run(guards=[{"address": address}]))

    def interrupt(self) -> None:
        """Ends the motion soon; nothing if there is none."""
        with self._flight:
            self._interrupted = True
            if self._flying:
                self._link.send("interrupt", lambda _: None)

    # --- backwards ---

    def reverse_step(self, n: int = 1) -> None:
        """Raises DebugError: nothing is recorded."""
        raise DebugError("this program is not recorded: there is no way back")

    def reverse_cont(self) -> None:
        """Raises DebugError: nothing is recorded."""
        self.reverse_step()

    def mark(self, name: str) -> None:
        """Gives the time of the last stop a name."""
        self._marks[name] = self.time

    def marks(self) -> dict[str, int]:
        """Name -> time."""
        return dict(self._marks)

    # --- threads ---

    def threads(self) -> list[Thread]:
        """All of them."""
        return [Thread(*row) for row in self._link.ask("threads")["threads"]]

    def select(self, tid: int) -> None:
        """Makes a thread the one that registers() and steps are about.  Raises DebugError."""
        if all(thread.tid != tid for thread in self.threads()):
            raise DebugError(f"there is no thread {tid}")
        self.tid = tid

    # --- registers and memory ---

    def registers(self, tid: int | None = None) -> dict[str, int]:
        """All registers of a thread by name."""
        values: dict[str, int] = self._link.ask("registers", tid=tid or self.tid)["registers"]
        return values

    def set_register(self, name: str, value: int) -> None:
        """Changes a register of the selected thread.  Raises DebugError."""
        self._link.ask("set_register", tid=self.tid, name=name, value=value)

    def read(self, address: int, length: int) -> bytes:
        """Bytes, up to the first that is not mapped."""
        return bytes_of(self._link.ask("read", address=address, length=length)["data"])

    def write(self, address: int, data: bytes) -> None:
        """Stores bytes, whatever the protection is.  Raises DebugError."""
        self._link.ask("write", address=address, data=text_of(data))

    def maps(self) -> list[mod.Mapping]:
        """The mappings, ascending."""
        if self._maps is None:
            self._maps = [mod.Mapping(*row) for row in self._link.ask("maps")["maps"]]
        return self._maps

    def search(
        self, pattern: bytes, start: int = 0, end: int = GUEST_TOP, limit: int = 1000
    ) -> list[int]:
        """Where a pattern lies in memory, ascending."""
        fields = {"start": start, "end": end, "limit": limit}
        found: list[int] = self._link.ask("search", pattern=text_of(pattern), **fields)["found"]
        return found

    def digest(self) -> str:
        """A hash of all registers and memory."""
        return str(self._link.ask("digest")["digest"])

    # --- code ---

    def disassemble(
        self, address: int, count: int = 10, syntax: str = "intel"
    ) -> list[tuple[int, bytes, str]]:
        """Instructions from an address on: address, bytes, text.  `syntax`: intel or att."""
        code = self.read(address, count * MAX_INSTRUCTION)
        return disassemble(code, address, count, syntax) if code else []

    def backtrace(self, tid: int | None = None, limit: int = 64) -> list[Frame]:
        """The frames of a thread, the innermost first."""
        return frames.backtrace(self.registers(tid), self.read, self.symbols, limit)

    # --- stops ---

    def add_breakpoint(
        self,
        where: int | str,
        condition: str | None = None,
        temporary: bool = False,
        ignore: int = 0,
        pending: bool = False,
    ) -> Point:
        """`where`: an address, `NAME`, `NAME+OFFSET` or `FILE:LINE`.  With `pending` it may name
        what is not loaded yet.  Raises DebugError."""
        _check(condition)
        point = self._points.add_breakpoint(where, pending)
        point.condition, point.temporary, point.ignore = condition, temporary, ignore
        self._changed()
        return point

    def add_watchpoint(
        self, address: int, length: int, kind: str = "w", condition: str | None = None
    ) -> Point:
        """Stops behind an instruction or system call that reads (r), writes (w), does either (rw)
        or changes the value (change).  Raises DebugError."""
        _check(condition)
        point = self._points.add_watchpoint(address, length, kind)
        point.condition = condition
        self._changed()
        return point

    def catch(self, kind: str, names: Sequence[str] = ()) -> Point:
        """Stops at an event: syscall, signal, exec, fork, clone, load.  Raises DebugError."""
        point = self._points.add_catch(kind, tuple(str(name) for name in names))
        self._changed()
        return point

    def breakpoints(self) -> list[Point]:
        """All breakpoints, watchpoints and catchpoints, by number."""
        return list(self._points)

    def remove(self, number: int) -> None:
        """Raises DebugError when there is none."""
        self._points.remove(number)
        self._changed()

    def enable(self, number: int, on: bool = True) -> None:
        """Raises DebugError when there is none."""
        self._points.enable(number, on)
        self._changed()

    def _changed(self) -> None:
        """A program that runs hears of a change at once."""
        if self.running:
            self._link.ask("stops", **self._points.wire())
            self._points.changed = False


def _check(condition: str | None) -> None:
    """Raises DebugError for a condition that makes no sense."""
    if condition:
        from blink.debugger.expression import compile

        compile(condition)
