"""Many steps back, one after the other.

To go back over a line, GDB asks for one instruction back after the other, and looks at the stack
in between; a loop of a million rounds is some millions of them, of 5 ms each.  So behind the first
few the session goes back a long way at once, notes what GDB wants to know on the way from there to
here, and answers the next steps from the notes.  As soon as GDB asks for anything else, the session
goes to where GDB believes it to be.
"""

from __future__ import annotations

from collections.abc import Callable

from blink.debugger.gdb.drive import Drive
from blink.debugger.trail import NAMES, Row

_PATIENCE = 16  # steps before notes are worth it
_LEAST, _MOST = 64, 4096  # steps of one way; each is twice as long as the one before
_MOST_READS = 4
Read = tuple[int, int]  # address, length


class Backwards:
    """`reply` makes the reply for a step that ended with these registers."""

    def __init__(self, drive: Drive, reply: Callable[[dict[str, int]], bytes]) -> None:
        self._drive = drive
        self._reply = reply
        self._steps = 0  # so many, with nothing but reads in between
        self._reads: dict[Read, None] = {}
        self._way: list[Row] = []  # the last is where GDB believes to be; [] if the session is
        self._length = _LEAST

    def answer(self, packet: bytes) -> bytes | None:
        """The reply from the notes; None: the session stands where GDB believes."""
        if packet == b"bs":
            return self._step()
        if packet.startswith(b"m"):
            return self._read(packet)
        self._settle()
        self._steps, self._length = 0, _LEAST
        self._reads.clear()
        return None

    def interrupted(self) -> None:
        """GDB wants to stop where it is."""
        self._settle()

    # --- steps ---

    def _step(self) -> bytes | None:
        self._steps += 1
        if self._way:
            self._way.pop()
        if not self._way and self._steps > _PATIENCE:
            self._go_far()
        if not self._way:
            return None
        reply = self._reply(dict(zip(NAMES, self._way[-1].registers, strict=True)))
        if len(self._way) == 1:  # the session stands there
            self._way.clear()
        return reply

    def _go_far(self) -> None:
        """Goes back, and notes the way."""
        session = self._drive.session
        now = session.time
        start = max(now - self._length, session.first)
        if start >= now - 1 or len(session.threads()) > 1:
            return
        self._drive.carry_out(lambda: session.goto(start))
        self._way = session.trail(now, list(self._reads))
        if not self._way:  # there were threads
            self._drive.carry_out(lambda: session.goto(now))
        self._length = min(2 * self._length, _MOST)

    def _settle(self) -> None:
        if not self._way:
            return
        time, session = self._way[-1].time, self._drive.session
        self._way.clear()
        if time != session.time:
            self._drive.carry_out(lambda: session.goto(time))

    # --- reads ---

    def _read(self, packet: bytes) -> bytes | None:
        address, length = (int(word, 16) for word in packet[1:].split(b","))
        read = address, length
        known = list(self._reads)
        if self._way and read in self._reads:
            data = self._way[-1].data[known.index(read)]
            if len(data) == length:
                return data.hex().encode()
        if len(known) == _MOST_READS and read not in self._reads:
            del self._reads[known[0]]
        self._reads[read] = None
        self._settle()
        return None
