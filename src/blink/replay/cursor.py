"""`Cursor`: a place in a log, for one thread or for all."""

from __future__ import annotations

from blink import _engine
from blink.replay import log as records
from blink.replay import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.replay.log import Event, Log

QUIET = (_engine.STOP_NONE, _engine.STOP_INTERRUPT)  # no instruction is the reason
_BYTES = (records.META, records.BLOB)


class Cursor:
    """event   the next one of thread `tid` (None: of any), before `end`; None behind the last"""

    __slots__ = ("_at", "_end", "_log", "_tid", "event")

    def __init__(self, log: Log, event: Event | None, at: int, end: int, tid: int | None) -> None:
        """`event` is the next one, if it is the thread's; what follows it is at `at`."""
        self._log, self._at, self._end, self._tid = log, at, end, tid
        self.event = event
        if event is None or (tid is not None and event.tid != tid):
            self.skip()

    def of(self, tid: int) -> Cursor:
        """Another one, for one thread, from here on."""
        return Cursor(self._log, self.event, self._at, self._end, tid)

    def behind(self) -> Cursor:
        """Another one, behind the last event."""
        return Cursor(self._log, None, self._end, self._end, self._tid)

    def copy(self) -> Cursor:
        """Another one at the same place."""
        made = Cursor.__new__(Cursor)
        made._log, made._at, made._end, made._tid = self._log, self._at, self._end, self._tid
        made.event = self.event
        return made

    def skip(self) -> None:
        """The event is passed by."""
        self.event = None
        while self._at < self._end and (found := self._log.read(self._at)) is not None:
            event, self._at = found
            if event.kind not in _BYTES and self._tid in (None, event.tid):
                self.event = event
                return

    def signal(self) -> Event | None:
        """The next event if a signal came there; turns and the like are passed by."""
        while (event := self.event) is not None:
            if event.kind == records.STOP and event.stop in QUIET:
                if any(row[0] == ops.SIGNAL for row in ops.decode(event.payload)):
                    return event
            elif event.kind not in (records.RUN, records.PART):
                return None
            self.skip()
        return None

    def call(self) -> Event | None:
        """The next event if it is a system call."""
        event = None if self.signal() is not None else self.event
        return event if event is not None and is_call(event) else None


def is_call(event: Event) -> bool:
    """Whether it is what a system call did."""
    if event.kind == records.CALL:
        return True
    return event.kind == records.STOP and event.stop == _engine.STOP_SYSCALL
