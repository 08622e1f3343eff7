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
from typing import Any, NamedTuple

from blink.debugger.core import OVER, Core, Result
from blink.debugger.errors import DebugError
from blink.debugger.link import Link
from blink.debugger.wire import TargetGone

LIMIT = 24  # stations
CALLS = 2000  # rows of the log of system calls in one reply
DISTANCES = (30_000_000, 1_000_000, 30_000, 1_000)  # of new stations before a place
SPACING = 150_000_000  # of stations on a long way: about half a second of replay
SLICE = 25_000_000  # instructions of a program that is recorded, between stations


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
        self._ended = ""  # how the live program ended: a reason, or nothing
        self._stations: list[Station] = []
        self._logged = -1  # how far the log surely goes

    def new_calls(self, known: int) -> list[Any]:
        """Rows of the log of system calls behind those that are known."""
        rows: list[Any] = []
        while self.live is not None:
            try:
                more = self.live.ask("calls", first=known + len(rows), count=CALLS)["rows"]
            except TargetGone:
                break
            rows += more
            if len(more) < CALLS:
                break
        return rows

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

    # --- forwards ---

    def forward(self, **fields: Any) -> Result:
        """A motion into the future: through the recording first, then with the live program."""
        if self.in_past:
            result = self._through_past(fields)
            if result is not None:
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
        core, until = self._core, fields.get("until")
        if self.recorded and not self._stations:
            self._settle_at(core.time, core.target)
        while self.recorded and "range" not in fields:
            halfway = core.time + SLICE
            if until is not None and until <= halfway:
                break
            result = core.run(**(fields | {"until": halfway}))
            if result["reason"] != "until":
                return result
            core.time = self.end = result["time"]
            self._settle_at(core.time, core.target)
        return core.run(**fields)

    def _through_past(self, fields: Result) -> Result | None:
        """Replays; None when it has come to where the live program stands."""
        until = fields.get("until")
        if self.live is None:
            return self._core.run(**fields)
        stop = self.end if until is None else min(until, self.end)
        result = self._core.run(**(fields | {"until": stop}))
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
        if time > self.end:
            raise DebugError(f"the recording ends at {self.end}")
        result = self._at(max(time, self.first))
        return result if time > self.first else result | {"reason": "start"}

    def _at(self, time: int) -> Result:
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
        if self.live is not None or self.now != self.first:
            raise DebugError("the past cannot be changed: branch() goes on from here")
        first, *later = self._stations
        for station in later:
            station.target.close()
        self._stations = [first]
        return [first.target, self._core.target]

    def save(self, path: str) -> None:
        """Writes the recording to a file."""
        self._begin()
        source = self.live or self._core.target
        source.ask("save", path=os.path.abspath(path))

    def branch(self) -> Link:
        """A copy of what is shown, as the start of another timeline."""
        self._begin()
        return self._copy(self._core.target)

    def begin_again(self, live: Link) -> None:
        """The program from its start, in another process."""
        self._stations.clear()
        self._ended, self.end, self._logged = "", 0, -1
        self.live = self._core.target = live

    def leave(self) -> None:
        """As close(), but for the program, which goes on alone."""
        live, self.live = self.live, None
        assert live is not None
        live.leave()
        for station in self._stations:
            station.target.close()
        if self._core.target is not live:
            self._core.target.close()

    def close(self) -> None:
        """Ends all processes."""
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

    def search(self, **fields: Any) -> Result:
        """Goes to the last thing before now that the session, or `guards`, wants to stop at; to the
        start when there is none."""
        self._begin()
        found = self._last(fields)
        if found is None:
            return self._at(self.first) | {"reason": "start"}
        if found["reason"] == "interrupt":
            return found
        time = found["details"].get("before", found["time"])
        there = self._at(time)
        kept = {name: found[name] for name in ("reason", "numbers", "details", "tid")}
        return there | kept

    def _last(self, fields: Result) -> Result | None:
        """Replays the stretches between stations, the latest first."""
        core, limit = self._core, self.now
        while limit > self.first:
            station = self._before(limit - 1)
            copy = self._copy(station.target)
            try:
                core.configure(copy)
                result = core.fly(copy, {"until": limit, "last": True, **fields})
            finally:
                copy.close()
            _reached(result, limit)
            if result["reason"] == "interrupt":
                return result | {"time": self.now}
            core.points.count(result["hits"])
            if result["found"] is not None:
                found: Result = result["found"]
                return found
            limit = station.time
        return None


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
