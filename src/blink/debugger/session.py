"""A session: one program under a debugger, driven from Python.

    session = Session.launch(["/bin/ls"])
    session.add_breakpoint("main")
    session.cont()
    print(session.wait().text, hex(session.registers()["rdi"]))
    session.reverse_step()
    session.close()

Motion returns at once; `wait()` tells how it ended.  The program runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blink.debugger import link
from blink.debugger.breakpoints import Point
from blink.debugger.compare import INSTRUCTIONS, Difference, compare, written
from blink.debugger.core import Core, Plan
from blink.debugger.errors import DebugError
from blink.debugger.inspection import Inspection
from blink.debugger.launching import Launch
from blink.debugger.link import Link, Stdio
from blink.debugger.motions import Motions
from blink.debugger.rows import CallLine
from blink.debugger.stop import Stop
from blink.debugger.timeline import LIMIT, Timeline
from blink.debugger.trail import Row
from blink.debugger.wire import bytes_of
from blink.replay.kept import KeptFiles


class Session(Inspection):
    """See docs/internals/time-travel.md for the table of what there is.

    stop          how the last motion ended; None before the first
    running       whether a motion is under way
    tid           the thread that registers() and steps are about
    time, end     where the program is, and the last time that is known
    exit_status   where the program has ended: its status, or minus the signal
    kept          the files that a capsule holds; None where symbols are those of this machine's
    on_stop       called with each Stop, from a thread of the session's
    """

    def __init__(
        self, shown: Link, live: bool, recorded: bool, checkpoints: int, kept: KeptFiles | None
    ) -> None:
        core = Core(shown, kept)
        super().__init__(core, Timeline(core, shown if live else None, recorded, checkpoints))
        self.kept = kept
        self._motions = Motions(self._core, self._timeline)
        self._launch: Launch | None = None
        self._marks: dict[str, int] = {}
        self._calls: list[CallLine] = []
        self._checkpoints = checkpoints
        self.pid = shown.pid
        end = self._core.look()
        if not live:
            self._timeline.begin_at(shown, end)

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
        terminal; None: ours.  `record`: there is a way back.  `program` is the file when argv[0] is
        not.  `options`: checked, translate, cpu, trace, statistics, log_path, log_stderr, and root,
        overlay, image, upper, binds, tmpfs, bare as those of `blink` that make a root; checkpoints:
        how many processes may stand in the past; limit: bytes of the recording, behind which the
        program goes on without; calls: note the system calls, for calls().  Raises DebugError.
        """
        launch = Launch(argv, env, cwd, stdio, record, options, program)
        session = cls(launch.start(), True, record, launch.checkpoints, None)
        session._timeline.notes_calls = launch.notes_calls
        session._launch = launch
        return session

    @classmethod
    def open(cls, recording: str, checkpoints: int = LIMIT) -> Session:
        """Opens a recording, at its start.  Raises DebugError."""
        target, kept = link.spawn_replay(recording)
        return cls(target, False, True, checkpoints, kept)

    def branch(self) -> Session:
        """A session of its own from here on, in which registers and memory can be changed, now.

        Changed, it leaves the recording: calls for memory, threads, signals and time are done,
        output is collected, what else it asks for is answered as recorded, if the recording has
        that call next.  Where it has not, it stops: diverged.  It is closed by itself.
        """
        self._core.need_stopped()
        kept = self.kept and self.kept.copy()
        session = Session(self._timeline.branch(), False, True, self._checkpoints, kept)
        session.pid = self.pid
        return session

    def differs(self, other: Session, instructions: int = INSTRUCTIONS) -> Difference:
        """Where this run and another one part, from the later of their starts on: a branch and what
        it left, say.  The first `instructions` are compared one by one.  Raises DebugError."""
        self._core.need_stopped()
        return compare(self._timeline, other._timeline, instructions)

    def output(self, stream: int = 1) -> bytes:
        """What a recording, or a branch, writes to standard output (1) or error (2).  A branch
        writes nowhere else.  Raises DebugError."""
        self._core.need_stopped()
        return written(self._timeline, stream)

    def writes(self, first: int, until: int) -> tuple[list[tuple[int, int, bytes]], bool]:
        """The same in pieces, of both streams, up to a time, from piece number `first` on: time,
        stream, bytes; as far as it is known soon, and whether to ask again."""
        pieces, more = self._timeline.new_writes(first, until)
        return [(time, stream, bytes_of(text)) for time, stream, text in pieces], more

    def save(self, path: str) -> None:
        """Writes what has been recorded until now to a file, for open(); of a branch, what was
        recorded before it, the changes, and what it has done.  Raises DebugError."""
        self._core.need_stopped()
        self._timeline.save(path)

    def close(self) -> None:
        """Ends the program and the session."""
        if not self._core.closed:
            self._core.end_work()
            self._timeline.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def restart(self, arguments: Sequence[str | bytes] | None = None) -> None:
        """The program again, from its start, with the same breakpoints; with other arguments behind
        its name, if some are given.  Raises DebugError."""
        self._core.need_stopped()
        if self._launch is None:
            raise DebugError("a recording starts again with goto(0)")
        if arguments is not None:
            self._launch.change(arguments)
        self._timeline.close()
        self._timeline.begin_again(self._launch.start())
        self.pid = self._core.target.pid
        self._calls = []
        self._core.stop = self._core.exit_status = None
        self._core.look()

    def detach(self) -> None:
        """Lets the program go on alone, and ends the session; end_status() waits for it."""
        self._core.need_stopped()
        live = self._timeline.live
        if live is None:
            raise DebugError("a recording cannot go on alone")
        live.ask("detach")
        self._core.end_work()
        self._timeline.leave()

    def end_status(self) -> int:
        """Waits for the process of the program; its exit status as a shell counts, 128 + signal."""
        status = self.exit_status
        if status is None and self._timeline.live is not None:
            status = self._timeline.live.reap(None)
        return 128 - status if status is not None and status < 0 else status or 0

    # --- where it is ---

    @property
    def stop(self) -> Stop | None:
        """How the last motion ended."""
        return self._core.stop

    @property
    def running(self) -> bool:
        """Whether a motion is under way."""
        return self._core.running

    @property
    def exit_status(self) -> int | None:
        """Where the program has ended: its exit status, or minus the signal."""
        return self._core.exit_status

    @property
    def on_stop(self) -> Callable[[Stop], None] | None:
        """Called with each stop, from a thread of the session's."""
        return self._core.on_stop

    @on_stop.setter
    def on_stop(self, function: Callable[[Stop], None] | None) -> None:
        self._core.on_stop = function

    @property
    def time(self) -> int:
        """Instructions that all threads have retired, at the last stop."""
        return self._core.time

    @property
    def end(self) -> int:
        """The last time that is known."""
        return max(self._timeline.end, self._core.time)

    @property
    def first(self) -> int:
        """The earliest time that can be gone to."""
        return self._timeline.first

    @property
    def live(self) -> bool:
        """Whether the next instruction has never run before."""
        return not self._timeline.in_past and self.exit_status is None

    @property
    def reversible(self) -> bool:
        """Whether there is a way back."""
        return self._timeline.recorded

    @property
    def replayed(self) -> bool:
        """Whether no program lives: it is a recording, or a branch."""
        return self._timeline.live is None

    @property
    def changeable(self) -> bool:
        """Whether registers and memory can be changed here; elsewhere, branch() comes first."""
        return self._timeline.can_change

    @property
    def executable(self) -> str:
        """The path of the program that runs."""
        return str(self._core.target.ask("image")["path"])

    def auxv(self) -> bytes:
        """The auxiliary vector that the program was given."""
        return bytes_of(self._core.target.ask("image")["auxv"])

    # --- motion ---

    def wait(self, timeout: float | None = None) -> Stop:
        """How the motion ended.  Raises TimeoutError, DebugError if nothing has moved."""
        return self._core.wait(timeout)

    def interrupt(self) -> None:
        """Ends the motion soon; nothing if there is none."""
        self._core.interrupt()

    def _forwards(self, plan: Plan) -> None:
        if self.exit_status is not None:
            raise DebugError("the program has ended")
        self._core.begin(plan)

    def step(self, n: int = 1) -> None:
        """Runs n instructions of the selected thread (in the past: of all that ran)."""
        if n > 0:
            self._forwards(lambda: self._motions.step(n))

    def advance(self, n: int, trail: int = 0) -> None:
        """Runs n instructions, of whichever threads; goes the last `trail` of them one by one, and
        the stop's details tell the way: the values of motion.TRAIL before each."""
        fields = {"until": self.time + n, "trail": trail}
        self._forwards(lambda: self._timeline.forward(**fields))

    def step_range(self, start: int, end: int) -> None:
        """Runs single instructions of the selected thread until it is outside of [start, end)."""
        self._forwards(lambda: self._timeline.forward(range=[start, end], only=self.tid))

    def trail(self, until: int, reads: Sequence[tuple[int, int]] = ()) -> list[Row]:
        """What is on the way from here to a time that is known, instruction by instruction, with
        the memory of `reads` (address, length); only from where there was a single thread.
        Nothing moves.  Raises DebugError."""
        self._core.need_stopped()
        return self._timeline.trail(until, reads)

    def cont(self, only: int | None = None) -> None:
        """Runs until something of what is wanted comes; with `only`, no thread but that one."""
        self._forwards(lambda: self._timeline.forward(only=only))

    def next(self) -> None:
        """Runs one instruction, and what it calls."""
        self._forwards(self._motions.next)

    def finish(self) -> None:
        """Runs until the function of the selected thread has returned."""
        self._forwards(self._motions.finish)

    def until(self, address: int) -> None:
        """Runs to an address, as a cursor in the disassembly names it."""
        self._forwards(lambda: self._timeline.forward(guards=[{"address": address}]))

    def goto(self, time: int) -> None:
        """Goes to a time."""
        self._core.begin(lambda: self._timeline.goto(time))

    def reverse_step(self, n: int = 1, only: int | None = None) -> None:
        """n instructions back, of all threads; with `only`, of that one, and what others did in
        between."""
        timeline = self._timeline
        self._core.begin(
            lambda: timeline.back(n) if only is None else timeline.thread_back(only, n)
        )

    def reverse_next(self) -> None:
        """One instruction back, or, behind a call, to before it."""
        self._core.begin(self._motions.reverse_next)

    def reverse_finish(self) -> None:
        """Back to the call of the selected thread's function."""
        self._core.begin(self._motions.reverse_finish)

    def reverse_cont(self) -> None:
        """Back to the last thing before now that is wanted, else to the start."""
        self._core.begin(self._timeline.search)

    def last_write(self, address: int, length: int) -> None:
        """Back to before the instruction or system call that wrote there last; nowhere (the stop's
        reason is "error") when nobody did."""
        self._core.begin(lambda: self._motions.last_write(address, length))

    def mark(self, name: str) -> None:
        """Gives the time of the last stop a name."""
        self._marks[name] = self.time

    def marks(self) -> dict[str, int]:
        """Name -> time."""
        return dict(self._marks)

    def calls(
        self, first: int | None = None, count: int = 100, wait: bool = True
    ) -> list[CallLine]:
        """System calls, `count` from number `first` on, or the last ones.

        All of a recording, and of a program until the farthest that it has been; a copy replays for
        it, unless the program was launched with the option `calls`.  Without `wait`, only what is
        known soon: ask again.
        """
        new = self._timeline.new_calls(len(self._calls), wait)
        self._calls += [CallLine(*row) for row in new]
        start = max(0, len(self._calls) - count) if first is None else first
        return self._calls[start : start + count]

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
        point = self._core.points.add_breakpoint(where, pending)
        point.condition, point.temporary, point.ignore = condition, temporary, ignore
        self._changed()
        return point

    def add_watchpoint(
        self, address: int, length: int, kind: str = "w", condition: str | None = None
    ) -> Point:
        """Stops behind an instruction or system call that reads (r), writes (w), does either (rw)
        or changes the value (change); backwards, before it.  Raises DebugError."""
        _check(condition)
        point = self._core.points.add_watchpoint(address, length, kind)
        point.condition = condition
        self._changed()
        return point

    def catch(self, kind: str, names: Sequence[str] = ()) -> Point:
        """Stops at an event: syscall, signal, exec, fork, clone, load.  Raises DebugError."""
        point = self._core.points.add_catch(kind, tuple(str(name) for name in names))
        self._changed()
        return point

    def breakpoints(self) -> list[Point]:
        """All breakpoints, watchpoints and catchpoints, by number."""
        return list(self._core.points)

    def remove(self, number: int) -> None:
        """Raises DebugError when there is none."""
        self._core.points.remove(number)
        self._changed()

    def enable(self, number: int, on: bool = True) -> None:
        """Raises DebugError when there is none."""
        self._core.points.enable(number, on)
        self._changed()

    def _changed(self) -> None:
        """A program that runs hears of a change at once."""
        if self.running:
            self._core.configure()


def _check(condition: str | None) -> None:
    """Raises DebugError for a condition that makes no sense."""
    if condition:
        from blink.debugger.expression import compile

        compile(condition)
