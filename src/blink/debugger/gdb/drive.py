"""The session that GDB sees: the program's, or a branch of it.

GDB changes registers and memory wherever it stands, for `set var` as for a function that it calls.
In the past such a change begins a branch, and the recording stays as it is.  The branch ends where
GDB gives a signal's information back, which it does behind a function that it has called; or when
somebody goes back from its start: then the recording's past is before it.

For a text among a function's arguments GDB calls malloc(3) first, and stores it there.  So the
branch of a call is kept for a moment: a write to where its result points goes on with it.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence

from blink.debugger.errors import DebugError
from blink.debugger.gdb.packets import INTERRUPT, Packets
from blink.debugger.gdb.points import Points
from blink.debugger.session import Session
from blink.debugger.stop import Stop

_MOST_CALLS = 16  # of a function for the sake of another one; who only looks gives nothing back
Begin = Callable[[], None]


class Drive:
    """`session` is the one that is shown; `points` is what it stops at."""

    def __init__(self, session: Session, packets: Packets) -> None:
        self.session = session
        self.points = Points(session)
        self._packets = packets
        self._left: list[Session] = []  # those that the branches began in
        self._depths: list[int] = []  # how many there were as GDB took a signal's information
        self._last_call: tuple[int, Session] | None = None  # its result, and its branch
        self._told: dict[Session, int] = {}  # bytes of a branch's output that GDB has
        self._wake, self._woken = os.pipe()
        session.on_stop = self._stopped

    def close(self) -> None:
        """GDB is gone: branches end."""
        self.forget()
        self.leave()
        if self.session.running:
            self.session.interrupt()
        self.session.on_stop = None
        os.close(self._wake)
        os.close(self._woken)

    # --- motion ---

    def _stopped(self, stop: Stop) -> None:
        os.write(self._woken, b"x")

    def carry_out(self, begin: Begin) -> Stop:
        """Begins a motion and waits for its end, or for ctrl-C.  Raises DebugError."""
        self.forget()
        begin()
        while self.session.running:
            waiting = self._packets.waiting
            wanted = [self._wake, self._packets.fileno()]
            ready, _, _ = select.select(wanted, [], [], 0 if waiting else None)
            if self._wake in ready:
                break
            if self._packets.receive() == INTERRUPT:
                self.session.interrupt()
        os.read(self._wake, 1)
        stop = self.session.wait()
        if stop.reason == "error":
            raise DebugError(stop.text)
        return stop

    # --- branches ---

    @property
    def is_branch(self) -> bool:
        """Whether what is shown is no recording."""
        return bool(self._left)

    def change(self) -> Session:
        """The session, as GDB is about to change something in it: a branch, in the past.  Raises
        DebugError."""
        session = self.session
        if session.live or not session.reversible:
            return session
        if not self.is_branch or session.time != session.first:
            self._left.append(session)
            self._show(session.branch())
        return self.session

    def _show(self, session: Session) -> None:
        """The same thread is selected, with the same breakpoints."""
        tid = self.session.tid
        self.session.on_stop = None
        self.session = session
        session.on_stop = self._stopped
        self.points.move_to(session)
        if any(thread.tid == tid for thread in session.threads()):
            session.select(tid)

    def leave(self) -> None:
        """Ends all branches."""
        self._leave(0)

    def restart(self, arguments: Sequence[bytes] | None) -> None:
        """The program from its start, once more.  Raises DebugError."""
        self.leave()
        self.session.restart(arguments)

    def _leave(self, depth: int) -> None:
        while len(self._left) > depth:
            self._end(self._pop())

    def _pop(self) -> Session:
        """Shows what the branch began in; the branch."""
        ended, back = self.session, self._left.pop()
        for point in back.breakpoints():
            back.remove(point.number)
        self._show(back)
        return ended

    def _end(self, branch: Session) -> None:
        self._told.pop(branch, None)
        branch.close()

    # --- functions that GDB calls ---

    def take_signal(self) -> None:
        """GDB reads a signal's information: it may be going to call a function."""
        self.forget()
        self._depths = [*self._depths[-_MOST_CALLS:], len(self._left)]

    def give_signal(self) -> None:
        """GDB gives it back: the function has returned."""
        depth = self._depths.pop() if self._depths else 0
        if len(self._left) > depth:
            self._leave(depth + 1)
            result = self.session.registers()["rax"]
            self._last_call = result, self._pop()

    def write(self, address: int, data: bytes) -> None:
        """Stores bytes.  Raises DebugError."""
        if self._last_call is not None and self._last_call[0] == address:
            self._go_on(self._last_call[1])
        self.forget()
        self.change().write(address, data)

    def _go_on(self, branch: Session) -> None:
        """Behind a call that was for the sake of the next one; with the registers of before."""
        values = self.session.registers()
        self._left.append(self.session)
        self._show(branch.branch())
        for name, value in self.session.registers().items():
            if values[name] != value:
                self.session.set_register(name, values[name])

    def forget(self) -> None:
        """No write is about the last call."""
        if self._last_call is not None:
            self._end(self._last_call[1])
            self._last_call = None

    # --- how a branch is seen ---

    def go_back(self) -> bool:
        """Before a motion backwards: at the start of a branch it ends; whether one has."""
        ended = self.is_branch and self.session.time <= self.session.first
        while self.is_branch and self.session.time <= self.session.first:
            self._leave(len(self._left) - 1)
        return ended

    def new_output(self) -> bytes:
        """What a branch has written since the last time.  Raises DebugError."""
        session = self.session
        if not self.is_branch or session.exit_status is not None:
            return b""
        told, written = self._told.get(session, 0), session.output(1)
        self._told[session] = max(told, len(written))
        return written[told:]
