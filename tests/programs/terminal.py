"""A program on a pseudo-terminal, for tests that type and read."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from programs.harness import ENVIRONMENT, default_signals

PATIENCE = 100.0  # seconds for one expected text


class Terminal:
    """A program on a new pseudo-terminal of 40 rows and 100 columns."""

    def __init__(self, command: Sequence[str], folder: Path, **variables: str) -> None:
        self.said = b""
        self._seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            default_signals()
            os.chdir(folder)
            os.execvpe(
                command[0],
                command,
                {**ENVIRONMENT, "TERM": "dumb", "HOME": "/", "PS1": "$ ", **variables},
            )
        self.resize(40, 100)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def _read(self, wait: float) -> bool:
        """Whether there may be more."""
        if not select.select([self.fd], [], [], wait)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody holds the other end
            return False
        self.said += data
        return bool(data)

    def wait_for_reading(self) -> None:
        """Until the program waits in a read of its terminal."""
        end, place = time.monotonic() + PATIENCE, Path(f"/proc/{self.pid}/syscall")
        while not place.read_text().startswith("0 0x0 "):
            assert time.monotonic() < end, f"does not read: {self.said!r}"
            time.sleep(0.01)

    def expect(self, text: str) -> None:
        """Waits until the program has said it, after what was expected before."""
        end = time.monotonic() + PATIENCE
        while (at := self.said.find(text.encode(), self._seen)) < 0:
            if time.monotonic() > end or not self._read(0.5):
                raise AssertionError(f"never said {text!r}: {self.said!r}")
        self._seen = at + len(text)

    def finish(self) -> int:
        """Reads to the end; the exit status, or minus the signal."""
        end = time.monotonic() + PATIENCE
        while self._read(0.5):
            assert time.monotonic() < end, f"does not end: {self.said!r}"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        os.close(self.fd)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
