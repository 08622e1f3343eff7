"""The pseudo-terminal that the program runs in, and the thread that reads it.

The reader parses a bounded amount at a time and pauses in between: a program that floods its
terminal waits for us, as it would for any slow terminal, and the interface stays quick.  What was
read is kept with the program's time, so that the screen can be shown as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import threading
import time
from collections.abc import Callable

from blink.tui.term.parser import Terminal
from blink.tui.term.script import Piece, Script, feed

CHUNK = 1 << 16
SHARE = 2.0  # pauses last this many times as long as the parsing before them
KEPT = 4 << 20  # bytes of output that are remembered
NOT_YET = 1 << 64  # later than all times


class Pty:
    """A terminal of some size.  `slave` is for the program."""

    def __init__(self, columns: int, lines: int) -> None:
        self._master, self.slave = os.openpty()
        os.set_inheritable(self.slave, False)
        os.set_blocking(self._master, False)
        self.changed: Callable[[], None] = lambda: None
        self._modes = termios.tcgetattr(self.slave)
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._output: list[Piece] = []
        self._scripts: list[Script] = []  # of a recording, or of branches: of each its own
        self._kept = self._fresh = 0
        self.size = (columns, lines)
        self._live = Terminal(columns, lines, self.write)
        self._past: Terminal | None = None
        self._past_time = -1
        self._now = 0
        self._over = False
        self._set_size()
        self._thread = threading.Thread(target=self._read, name="terminal", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def close(self) -> None:
        """Ends the reader; a program that still writes gets a hangup."""
        if self._over:
            return
        self._over = True
        os.write(self._wake_write, b"x")
        if self._thread.ident is not None:  # it has been started
            self._thread.join(2)
        for fd in (self._master, self.slave, self._wake_read, self._wake_write):
            os.close(fd)

    # --- towards the program --------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Types; what does not fit in the terminal's queue is lost, as with a keyboard."""
        if self._over:
            return
        with contextlib.suppress(OSError):
            os.write(self._master, data)

    def resize(self, columns: int, lines: int) -> None:
        """A new size; the program gets SIGWINCH."""
        if (columns, lines) == self.size or self._over:
            return
        self.size = (columns, lines)
        with self._lock:
            self._live.resize(columns, lines)
            self._past = None
            self._past_time = -1
        self._set_size()

    def _set_size(self) -> None:
        columns, lines = self.size
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def restart(self) -> None:
        """A new program: an empty screen, and a terminal as it was at first."""
        termios.tcsetattr(self.slave, termios.TCSANOW, self._modes)
        termios.tcflush(self._master, termios.TCIOFLUSH)
        with self._lock:
            self._live = Terminal(*self.size, self.write)
            self._past = None
            self._past_time = -1
            self._output.clear()
            self._scripts.clear()
            self._kept = self._fresh = self._now = 0
        self.changed()

    # --- from the program -----------------------------------------------------------------------

    def _read(self) -> None:
        while not self._over:
            ready, _, _ = select.select([self._master, self._wake_read], [], [])
            if self._over:
                return
            if self._master not in ready:
                continue
            begun = time.monotonic()
            if not self._take():
                time.sleep(0.02)
                continue
            self.changed()
            time.sleep(min(0.2, SHARE * (time.monotonic() - begun)))

    def _take(self) -> bool:
        """Parses what there is, up to a bound; False when there was nothing."""
        try:
            data = os.read(self._master, CHUNK)
        except OSError:
            return False
        if not data:
            return False
        with self._lock:
            self._live.feed(data)
            self._keep(data)
        return True

    def _keep(self, data: bytes) -> None:
        self._output.append(Piece(NOT_YET, data))
        self._fresh += 1
        self._kept += len(data)
        while self._kept > KEPT:
            self._kept -= len(self._output.pop(0).data)
            self._fresh = min(self._fresh, len(self._output))

    def _stamp(self) -> None:
        """Gives output whose time was not known the last that is."""
        for i in range(len(self._output) - self._fresh, len(self._output)):
            self._output[i] = self._output[i]._replace(when=self._now)
        self._fresh = 0

    # --- time -----------------------------------------------------------------------------------

    def at(self, now: int, live: bool) -> bool:
        """The program stands at this time; what it wrote since the last was written by now.

        Whether another screen is to be shown.
        """
        with self._lock:
            before, time = self._past, self._past_time
            if live:
                self._now = now
            self._stamp()
            if live:
                self._past = None
                self._past_time = -1
            elif now != self._past_time:
                self._rebuild(now)
            return self._past is not before or self._past_time != time

    def _rebuild(self, now: int) -> None:
        """The screen as it was: what had been written by then, once more."""
        if self._past is None or now < self._past_time:
            self._past = Terminal(*self.size)
            self._past_time = -1
        for piece in self._scripts[-1].pieces if self._scripts else self._output:
            if self._past_time < piece.when <= now:
                feed(self._past, piece)
        self._past_time = now

    # --- output that no terminal has seen -------------------------------------------------------

    def known(self) -> int:
        """How many pieces of the newest script there are."""
        return self._scripts[-1].known if self._scripts else 0

    def add(self, pieces: list[tuple[int, int, bytes]]) -> None:
        """More of the newest script, or of a first one: time, stream, bytes."""
        if not pieces:
            return
        with self._lock:
            if not self._scripts:
                self._scripts.append(Script())
            self._scripts[-1].pieces += [Piece(time, data, raw=True) for time, _, data in pieces]
            self._past_time = min(self._past_time, pieces[0][0] - 1)

    def branch(self, time: int) -> None:
        """From this time on something else is written."""
        with self._lock:
            before = self._scripts[-1] if self._scripts else Script(self._output)
            self._scripts.append(Script(before.until(time)))
            self._past_time = min(self._past_time, time)

    def leave(self) -> None:
        """As it was before the last branch()."""
        with self._lock:
            self._scripts.pop()
            self._past, self._past_time = None, -1

    def look(self) -> tuple[Terminal, threading.Lock]:
        """The terminal to show, and the lock to hold while looking."""
        return self._past or self._live, self._lock
