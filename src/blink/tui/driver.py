"""The thread that moves the program and looks at it; the interface itself never waits for either.

Motions are asked for by the UI's thread and carried out here, one after another.  While one lasts,
the program is stopped for a moment up to 25 times a second, so that the panels live.  The UI says
when it has drawn a frame; only then does the next one come: a slow terminal makes fewer frames, not
a queue of them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blink.debugger.errors import DebugError
from blink.debugger.motion import TRAIL
from blink.tui.probe import History, Probe
from blink.tui.speed import Speed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from blink.debugger.session import Session
    from blink.debugger.stop import Stop
    from blink.tui.panel import Content, Panel

FRAME = 1 / 25
EXACT = 100  # instructions of a frame that are looked at one by one
TYPED_AHEAD = 0.5  # seconds in which keys are for when what runs has ended
PATIENCE = 1.0  # seconds to wait for the UI to draw
REFUSED = (DebugError, OSError, ValueError, KeyError)
BACKWARDS = ("reverse_step", "reverse_next", "reverse_finish", "reverse_cont", "goto", "last_write")


@dataclass
class Frame:
    """What the interface shows next."""

    stop: Stop | None
    time: int
    end: int
    running: bool
    rate: float  # instructions a second
    contents: dict[Panel, Content] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    threads: int = 0
    live: bool = True
    exit_status: int | None = None
    error: str = ""
    arrived: bool = False  # a motion has just ended here
    probe: Probe | None = None

    @property
    def stop_rip(self) -> int | None:
        """Where the selected thread stands, None after the program's end."""
        return self.probe.registers.get("rip") if self.probe is not None else None


class Driver:
    """Owns the session while the interface runs."""

    def __init__(
        self,
        session: Session,
        panels: Callable[[], list[Panel]],
        post: Callable[[Frame], None],
        output: Callable[[int], None] = lambda time: None,
        broken: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self.session = session
        self.history = History((DebugError, OSError, KeyError))
        self.speed = Speed()
        self.quiet = False  # no panels while it runs
        self._panels = panels
        self._post = post
        self._broken = broken  # told of an error of ours, which ends the thread
        self._output = output  # told the time before each look: whose is the terminal's output
        self._jobs: deque[tuple[Callable[[], Any], bool]] = deque()
        self._wake = threading.Condition()
        self._drawn = threading.Event()
        self._drawn.set()
        self._halt = threading.Event()  # the user wants a stop
        self._over = False
        self._running = False
        self._working = False
        self._begun = 0.0  # when what runs began
        self._last = (0.0, 0)
        self._flown = 0.0  # seconds of a slice at full speed
        self._probe: Probe | None = None  # the look that the last frame shows
        self._fresh: Probe | None = None  # a look that the next frame may show
        self.rate = 0.0
        self._thread = threading.Thread(target=self._serve, name="driver", daemon=True)

    # --- for the UI's thread --------------------------------------------------------------------

    def start(self) -> None:
        """Starts the thread; the first frame follows."""
        self._thread.start()
        self.look()

    def close(self) -> None:
        """Ends the thread, and what runs."""
        self._over = True
        self.interrupt()
        self.drawn()
        with self._wake:
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(5)

    def drawn(self) -> None:
        """The UI has drawn the last frame."""
        self._drawn.set()

    @property
    def busy(self) -> bool:
        """Whether the program runs, or is about to."""
        return self._running or any(moves for _, moves in self._jobs)

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for, under way, or yet to be drawn."""
        return not (self._jobs or self._working) and self._drawn.is_set()

    def interrupt(self) -> None:
        """Stops the program, soon; forgets what else was asked for."""
        with self._wake:
            self._jobs.clear()
        self._stop()

    def look(self) -> None:
        """Asks for a frame, unless one is coming anyway."""
        if not self._running and not self._jobs:
            self._add(lambda: None, moves=False)

    def call(self, work: Callable[[], Any]) -> None:
        """Has the driver's thread do something with the session that moves nothing, then look."""
        self._add(work, moves=False)

    def move(self, name: str, *words: Any) -> None:
        """Asks for a motion: the name of one of the session's.

        Keys that repeat faster than the program moves are not saved up.  What has run for a while
        stops for it: it may go on for ever.
        """
        if len(self._jobs) < 4 or self._is_ours():
            self._add(lambda: self._move(name, *words), moves=True)
            if self.lasts:
                self._stop()

    def go(self) -> None:
        """Asks to continue at the chosen speed."""
        self._add(self._go, moves=True)

    @property
    def lasts(self) -> bool:
        """Whether the program runs, and not just since a key that was typed right before."""
        return self._running and time.monotonic() - self._begun > TYPED_AHEAD

    def _stop(self) -> None:
        self._halt.set()
        if self._running:
            with contextlib.suppress(DebugError):  # it may just have ended
                self.session.interrupt()

    def _add(self, job: Callable[[], Any], moves: bool) -> None:
        """What a job asks for comes before what was asked for after it."""
        with self._wake:
            if self._is_ours():
                self._jobs.appendleft((job, moves))
            else:
                self._jobs.append((job, moves))
            self._wake.notify()

    def _is_ours(self) -> bool:
        return threading.current_thread() is self._thread

    # --- the thread -----------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._do_jobs()
        except Exception as error:
            self._broken(error)

    def _do_jobs(self) -> None:
        while not self._over:
            with self._wake:
                while not self._jobs and not self._over:
                    self._wake.wait()
                if self._over:
                    return
                job, moves = self._jobs.popleft()
                self._working = True
            self._run(job, moves)
            self._working = False

    def _run(self, job: Callable[[], Any], moves: bool) -> None:
        error = ""
        self._halt.clear()
        self._fresh = None
        self._begun = time.monotonic()
        self._last = (self._begun, self.session.time)
        self._running = moves
        try:
            job()
        except REFUSED as problem:
            error = str(problem)
        finally:
            self._running = False
        if not self._over:
            self._show(running=False, error=error, arrived=moves and not error)

    def _move(self, name: str, *words: Any) -> None:
        """One motion of the session's, to its end."""
        before = self._now()
        if name not in BACKWARDS:
            single = name == "step" and words in ((), (1,))
            self._note(before, visits=single)
            self.history.exact = self.history.exact and single
        self._remember(before)
        motion = getattr(self.session, name, None)
        if motion is None:
            raise DebugError("this session has no recording")
        motion(*words)
        stop = self._wait()
        if stop.reason == "error":
            raise DebugError(stop.text)

    def _wait(self) -> Stop:
        """Until the motion ends, showing that it lasts."""
        while True:
            if (stop := self._stopped(4 * FRAME)) is not None:
                return stop
            if self._halt.is_set():
                self.session.interrupt()
            self._show(running=True, panels=False)

    def _go(self) -> None:
        """Continues until something stops the program, with living panels."""
        while not self._halt.is_set() and not self._over:
            begun = time.monotonic()
            self._flown = 0.0
            stop = self._slice()
            if stop is not None:
                return
            self._show(running=True, panels=not self.quiet, error=self._in_between())
            spent = time.monotonic() - begun
            self.speed.looked(spent - self._flown)
            if (pause := self.speed.pause(spent)) > 0:
                self._halt.wait(pause)

    def _in_between(self) -> str:
        """Does what was asked for meanwhile and moves nothing, a new breakpoint, say; what was not
        possible."""
        error = ""
        while (job := self._still_job()) is not None:
            try:
                job()
            except REFUSED as problem:
                error = str(problem)
        return error

    def _still_job(self) -> Callable[[], Any] | None:
        """The next job if it moves nothing; none when the user wants a stop."""
        with self._wake:
            if self._halt.is_set() or not self._jobs or self._jobs[0][1]:
                return None
            return self._jobs.popleft()[0]

    def _slice(self) -> Stop | None:
        """The program's part of one frame; the stop if it was one."""
        self._fresh = None
        before = self._now()
        self._remember(before)
        count = self.speed.count()
        if count is None:
            self._note(before, visits=False)
            return self._burst()
        self.session.advance(count, min(count, EXACT))
        stop = self._wait()
        self._note_trail(stop, exact=count <= EXACT)
        return None if stop.reason in ("step", "until") else stop

    def _now(self) -> Probe:
        """A look at where the program stands; the last one if it has not moved."""
        probe, session = self._probe, self.session
        if probe is None or (probe.time, probe.tid) != (session.time, session.tid):
            probe = Probe(session, self.history)
        return probe

    def _stopped(self, timeout: float) -> Stop | None:
        """The stop if it comes in time."""
        try:
            return self.session.wait(timeout)
        except TimeoutError:
            return None

    def _burst(self) -> Stop | None:
        """At full speed for a frame."""
        begun = time.monotonic()
        self.session.cont()
        stop = self._stopped(self.speed.burst)
        self._flown = time.monotonic() - begun
        if stop is None and self.quiet:
            return self._wait()
        if stop is None:
            self.session.interrupt()
            stop = self.session.wait()
        if stop is not None and stop.reason == "interrupt" and not self._halt.is_set():
            return self._sample()
        return stop

    def _sample(self) -> Stop | None:
        """The last instructions of a burst one by one, so that panels know where it is busy."""
        self.session.advance(EXACT, EXACT)
        stop = self._stopped(FRAME)
        if stop is None:  # it waits for something
            self.session.interrupt()
            stop = self.session.wait()
        self._note_trail(stop, exact=False)
        if stop.reason == "interrupt":
            return stop if self._halt.is_set() else None
        return None if stop.reason in ("step", "until") else stop

    def _note_trail(self, stop: Stop, exact: bool) -> None:
        """What the instructions of a trail have touched, and that they ran."""
        probe = self._fresh = Probe(self.session, self.history)
        trail = stop.details.get("trail", ())
        probe.look(values[0] for values in trail)
        self.history.exact = self.history.exact and exact
        for values in trail:
            registers = dict(zip(TRAIL, values, strict=True))
            for access in probe.accesses(registers):
                self.history.access(access)
            self.history.visit(values[0])

    def _note(self, probe: Probe, visits: bool) -> None:
        """Which memory the instruction that runs next will touch; that it was there."""
        for access in probe.accesses():
            self.history.access(access)
        if visits:
            self.history.visit(probe.rip)

    def _remember(self, probe: Probe) -> None:
        self.history.registers = probe.registers

    # --- frames ---------------------------------------------------------------------------------

    def _show(
        self, running: bool, panels: bool = True, error: str = "", arrived: bool = False
    ) -> None:
        """Collects what can be seen and hands it to the UI."""
        if not self._drawn.wait(PATIENCE) and running and not error:
            return
        probe, self._fresh = self._fresh or Probe(self.session, self.history), None
        if panels:
            probe.look()
        frame = self._frame(running, error, arrived, probe)
        if panels:
            frame.probe = self._probe = probe
            if (running or arrived) and (name := probe.name(probe.rip)):
                self.history.sample(name.partition("+")[0])
            for panel in self._panels():
                frame.contents[panel] = panel.collect(probe)
        self._drawn.clear()
        self._post(frame)

    def _frame(self, running: bool, error: str, arrived: bool, probe: Probe) -> Frame:
        session = self.session
        now, count = time.monotonic(), session.time
        then, before = self._last
        if running and now - then > 0.2:
            self.rate = abs(count - before) / (now - then)
            self._last = (now, count)
        self._output(count)
        return Frame(
            stop=session.stop,
            time=count,
            end=session.end,
            running=running,
            rate=self.rate if running else 0.0,
            marks=dict(session.marks()),
            threads=len(probe.threads),
            live=session.live,
            exit_status=session.exit_status,
            error=error,
            arrived=arrived,
        )
