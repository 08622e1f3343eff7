"""Going back in time.

The past is shown by copies of a process that replays the recording.  Some copies stand still at
chosen times: the stations.  To be at time T, a copy of the last station before T replays up to T.
On its way it leaves new stations, the denser the nearer to T, so that the steps back that follow
are short; when there are too many, those go that are missed least.

The program that still runs (`live`) is at the end of the recording.  It stands still while the past
is looked at, and whoever goes forwards beyond the end goes on with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple

from blink.debugger.core import OVER, Core, Result
from blink.debugger.errors import DebugError
from blink.debugger.link import Link
from blink.debugger.trail import Row
from blink.debugger.wire import TargetGone, bytes_of

LIMIT = 24  # stations
CALLS = 2000  # rows of the log of system calls in one reply
DISTANCES = (20_000_000, 500_000, 15_000)  # of new stations before a place
SPACING = 150_000_000  # of stations on a long way: about half a second of replay
SLICE = 20_000_000  # instructions between stations of who goes forwards; at most,
SLICE_LEAST = 1_000_000
SLICE_SECONDS = 0.01  # as many as this takes: who steps back from between them replays as long


class Station(NamedTuple):
    """A process that stands still at a time."""

    time: int
    target: Link


class Timeline:
    """Of the program that a process `live` runs and records, or of a recording alone.

    end        the last time that is known
    recorded   whether there is a way back
    first      the earliest time that can be gone to
    """

    def __init__(self, core: Core, live: Link | None, recorded: bool, limit: int = LIMIT) -> None:
        self._core = core
        self.live = live
        self.recorded = recorded
        self.end = 0
        self._limit = limit
        self._is_branch = False  # it goes on behind `end`
        self._ended = ""  # how the live program ended: a reason, or nothing
        self._stations: list[Station] = []
        self._logged = -1  # how far the log surely goes
        self._slice = SLICE_LEAST
        self.notes_calls = False  # the live program does
        self._calls: Link | None = None  # who replays for the log of system calls

    def new_calls(self, known: int, wait: bool) -> list[Any]:
        """Rows of the log of system calls behind those that are known; without `wait`, those that
        are known soon."""
        source = self.live if self.notes_calls else self._reader()
        rows: list[Any] = []
        while source is not None:
            try:
                reply = source.ask("calls", first=known + len(rows), count=CALLS)
            except TargetGone:
                break
            rows += reply["rows"]
            if not reply["more"] or not wait:
                break
        return rows

    def new_writes(self, known: int, until: int) -> tuple[list[Any], bool]:
        """Pieces of output behind those that are known, up to a time; whether to ask again."""
        source = self._reader()
        if source is None:
            return [], False
        reply = source.ask("writes", first=known, until=until)
        return reply["pieces"], reply["more"]

    def _reader(self) -> Link | None:
        """A copy at the start that replays to learn the system calls."""
        if self._stations:
            self._begin()
            if self._calls is None or self._calls.gone:
                self._calls = self._copy(self._stations[0].target)
        return self._calls

    def _end_reader(self) -> None:
        if self._calls is not None:
            self._calls.close()
            self._calls = None

    def copy_at(self, time: int) -> Link:
        """A process of its own that stands at a time.  Raises DebugError."""
        self._begin()
        copy = self._copy(self._before(time).target)
        try:
            self._replay(copy, time)
        except DebugError:
            copy.close()
            raise
        return copy

    def trail(self, until: int, reads: Sequence[tuple[int, int]]) -> list[Row]:
        """What is on the way from here to a time that is known; less where there were threads."""
        self._begin()
        copy = self._copy(self._core.target)
        try:
            rows = copy.ask("trail", until=until, reads=reads)["rows"]
        finally:
            copy.close()
        return [Row(time, values, [bytes_of(text) for text in read]) for time, values, read in rows]

    def begin_at(self, first: Link, end: int) -> None:
        """The recording alone: `first` stands where the session is."""
        self._stations.append(Station(self.now, self._copy(first)))
        self.end = end

    @property
    def first(self) -> int:
        """The earliest time that can be gone to."""
        return self._stations[0].time if self._stations else 0

    @property
    def now(self) -> int:
        """Where the session is."""
        return self._core.time

    @property
    def in_past(self) -> bool:
        """Whether the session shows a replay."""
        return self._core.target is not self.live

    @property
    def can_change(self) -> bool:
        """Whether registers and memory may be changed here: no future is known that follows."""
        return not self.in_past or (self.live is None and self.now == self.first)

    # --- forwards ---

    def forward(self, **fields: Any) -> Result:
        """A motion into the future: through the recording first, then with the live program."""
        if self.in_past:
            result = self._through_past(fields)
            if result is not None:
                self.end = max(self.end, result.get("time", 0))
                return result
        if self._ended:
            raise DebugError("the program has ended")
        result = self._live(fields)
        self.end = max(self.end, result.get("time", 0))
        if result["reason"] in OVER:
            self._ended = result["reason"]
        return result

    def _live(self, fields: Result) -> Result:
        """Runs the program itself; while it is recorded, it leaves stations, too."""
        core = self._core
        if not self.recorded:
            return core.run(**fields)
        if not self._stations:
            self._settle_at(core.time, core.target)
        result = self._run(fields)
        self.end = max(self.end, core.time)
        return result

    def _run(self, fields: Result) -> Result:
        """Forwards, in slices, with a station between any two."""
        core, until = self._core, fields.get("until")
        while "range" not in fields:
            if core.target is self.live and core.target.ask("status")["full"]:
                self.recorded = False  # its limit is reached: it goes on without
                break
            if core.time >= self._before(core.time).time + self._slice:
                self._settle_at(core.time, core.target)
            halfway = core.time + self._slice
            if until is not None and until <= halfway:
                break
            began = monotonic()
            result = core.run(**(fields | {"until": halfway}))
            if result["reason"] != "until":
                return result
            core.time = result["time"]
            self.end = max(self.end, core.time)
            self._adapt(monotonic() - began)
        return core.run(**fields)

    def _adapt(self, seconds: float) -> None:
        """The next slice, from how long one took."""
        wanted = self._slice * min(max(SLICE_SECONDS / max(seconds, 1e-9), 0.5), 2)
        self._slice = int(min(max(wanted, SLICE_LEAST), SLICE))

    def _through_past(self, fields: Result) -> Result | None:
        """Replays; None when it has come to where the live program stands."""
        until = fields.get("until")
        if self.live is None:
            return self._run(fields)
        stop = self.end if until is None else min(until, self.end)
        result = self._run(fields | {"until": stop})
        at_end = result.get("time") == self.end and result["reason"] in ("until", "end")
        if not at_end:
            return result
        if self._ended:
            return self._core.fly(self._core.target, {}) if until is None else result
        self._show(self.live, self.end)
        return None if until is None or until > self.end else result | {"reason": "until"}

    # --- being somewhere ---

    def goto(self, time: int) -> Result:
        """Shows a time.  Raises DebugError when it is not known."""
        self._begin()
        if time > self.end and self._is_branch:
            return self.forward(until=time, quiet=True)
        if time > self.end:
            raise DebugError(f"the recording ends at {self.end}")
        result = self._at(max(time, self.first))
        return result if time > self.first else result | {"reason": "start"}

    def _at(self, time: int) -> Result:
        result = self._stand_at(time)
        self._core.resolve_here(result["layout"])
        return result

    def _stand_at(self, time: int) -> Result:
        core = self._core
        if self.live is not None and time == self.end and not self._ended:
            self._show(self.live, time)
            return core.target.ask("status") | _QUIET
        best = self._before(time)
        here = core.target
        if not (self.in_past and best.time <= core.time <= time):
            here = self._copy(best.target)
        result = self._advance(here, core.time if here is core.target else best.time, time)
        self._show(here, result["time"])
        return result

    def _advance(self, target: Link, start: int, time: int) -> Result:
        """Replays from `start` to `time`, leaving stations on the way."""
        for halfway in _ladder(start, time):
            if self._before(halfway).time < halfway:
                result = self._replay(target, halfway)
                if result["reason"] != "until":
                    return result
                self._settle_at(halfway, target)
        return self._replay(target, time)

    def _replay(self, target: Link, time: int) -> Result:
        """Straight to a time, whatever there is to stop at."""
        return _reached(self._core.fly(target, {"until": time, "quiet": True}), time)

    def _show(self, target: Link, time: int) -> None:
        """Puts a process in the place of the one that is shown."""
        core = self._core
        old = core.target
        core.target, core.time = target, time
        if old is not target and old is not self.live:
            old.close()

    # --- stations ---

    def _begin(self) -> None:
        """There is a way back, and the log goes as far as the program has gone."""
        if not self._stations:
            raise DebugError("nothing is recorded: there is no way back")
        if self.live is not None and self._logged != self.end and not self._ended:
            self.live.ask("sync")
            self._logged = self.end

    def _before(self, time: int) -> Station:
        return max((s for s in self._stations if s.time <= time), key=lambda s: s.time)

    def _copy(self, target: Link) -> Link:
        return Link.from_fd(target.ask("copy")["fd"])

    def _settle_at(self, time: int, target: Link) -> None:
        self._stations.append(Station(time, self._copy(target)))
        self._stations.sort(key=lambda s: s.time)
        while len(self._stations) > self._limit:
            self._drop(time)

    def _drop(self, near: int) -> None:
        """Gives up the station whose absence costs least: relative to the way to where we are."""
        stations = self._stations

        def cost(i: int) -> float:
            behind = stations[i + 1].time if i + 1 < len(stations) else self.end + 1
            return (behind - stations[i - 1].time) / (abs(near - stations[i].time) + 1000)

        victim = min(range(1, len(stations)), key=cost)
        stations.pop(victim).target.close()

    def edited(self) -> list[Link]:
        """Which processes a change of the program's state concerns.  Raises DebugError in the past,
        which can be changed only at the start of a branch."""
        if not self.in_past:
            return [self._core.target]
        if not self.can_change:
            raise DebugError("the past cannot be changed: branch() goes on from here")
        self._end_reader()
        self.end, self._is_branch = self.now, True
        first, *later = self._stations
        for station in later:
            station.target.close()
        self._stations = [first]
        return [first.target, self._core.target]

    def save(self, path: str) -> None:
        """Writes the recording to a file; a branch as far as it has been."""
        self._begin()
        path = os.path.abspath(path)
        if not self.in_past or self.live is not None:
            (self.live or self._core.target).ask("save", path=path)
            return
        copy = self._copy(self._stations[0].target)
        try:
            copy.ask("save", path=path, until=self.end + 1)
        finally:
            copy.close()

    def branch(self) -> Link:
        """A copy of what is shown, as the start of another timeline."""
        self._begin()
        return self._copy(self._core.target)

    def begin_again(self, live: Link) -> None:
        """The program from its start, in another process."""
        self._end_reader()
        self._stations.clear()
        self._ended, self.end, self._logged = "", 0, -1
        self.live = self._core.target = live

    def leave(self) -> None:
        """As close(), but for the program, which goes on alone."""
        self._end_reader()
        live, self.live = self.live, None
        assert live is not None
        live.leave()
        for station in self._stations:
            station.target.close()
        if self._core.target is not live:
            self._core.target.close()

    def close(self) -> None:
        """Ends all processes."""
        self._end_reader()
        for station in self._stations:
            station.target.close()
        if self.in_past:
            self._core.target.close()
        if self.live is not None:
            self.live.close()

    # --- backwards ---

    def back(self, n: int) -> Result:
        """n instructions back, of all threads."""
        return self.goto(self.now - n)

    def thread_back(self, tid: int, n: int) -> Result:
        """To before the n-th last instruction of one thread, whatever others did since; to where
        it began, if it had not so many."""
        self._begin()
        limit = began = self.now
        known = str(tid) in self._core.target.ask("status")["icount"]
        while n and limit > self.first:
            station = self._before(limit - 1)
            copy = self._copy(station.target)  # a branch has to run for it
            told = copy.ask("back", tid=tid, count=n, limit=limit)
            copy.close()
            began = began if told["time"] is None else told["time"]
            limit, n = station.time, told["missing"]
        if began == self.now and not known:
            raise DebugError(f"there was no thread {tid}")
        result = self.goto(began) | {"tid": tid}
        return result | {"reason": "start", "details": {"thread": tid}} if n else result

    def search(self, otherwise: str = "", **fields: Any) -> Result:
        """Goes to the last thing before now that the session, or `guards`, wants to stop at.  When
        there is none: to the start; or, with what is said `otherwise`, nowhere (DebugError)."""
        self._begin()
        found = self._last(fields)
        if found is None and otherwise:
            raise DebugError(otherwise)
        if found is None:
            return self._at(self.first) | {"reason": "start"}
        if found["reason"] == "interrupt":
            return self._at(self.now) | {"reason": "interrupt"}
        time = found["details"].get("before", found["time"])
        there = self._at(time)
        kept = {name: found[name] for name in ("reason", "numbers", "details", "tid")}
        return there | kept

    def _last(self, fields: Result) -> Result | None:
        """Replays the stretches between stations, the latest first."""
        limit = self.now
        while limit > self.first:
            station = self._before(limit - 1)
            copy = self._copy(station.target)
            try:
                result = self._stretch(
                    copy, {"until": limit, "now": self.now, "last": True} | fields
                )
            finally:
                copy.close()
            if result["reason"] == "interrupt":
                return result | {"time": self.now}
            if result["found"] is not None:
                found: Result = result["found"]
                return found
            limit = station.time
        return None

    def _stretch(self, copy: Link, fields: Result) -> Result:
        """Replays one.  At an exec or a load the names of breakpoints are looked up again."""
        core, found = self._core, None
        is_ours = "guards" in fields or "watches" in fields
        result: Result = {"reason": "exec"}
        while result["reason"] in ("load", "exec"):
            if not is_ours:
                core.resolve_there(copy, result["reason"] == "exec")
            core.configure(copy)
            result = _reached(core.fly(copy, fields), fields["until"])
            core.points.count(result["hits"])
            found = result.get("found") or found
        return result | {"found": found}


_QUIET: Result = {"reason": "until", "hits": {}, "numbers": [], "details": {}}


def _reached(result: Result, time: int) -> Result:
    """The reply of a replay that has come as far as it should.  Raises DebugError."""
    if result["reason"] == "diverged":
        raise DebugError(f"the replay differs: {result['details']['text']}")
    if result["reason"] == "end" and result["time"] < time:
        raise DebugError(f"the recording ends at {result['time']}, before {time}")
    return result


def _ladder(start: int, time: int) -> list[int]:
    """Where to leave stations on the way from `start` to `time`."""
    places = list(range(start + SPACING, time - DISTANCES[0], SPACING))
    places += [time - d for d in DISTANCES if time - d > start + d // 4]
    return places
