"""Where our own words go: the log, and the user's terminal.

The log is a file (`-L`) or a duplicate of stderr made at the start (`-e`), both hidden from the
guest.  Without either there is no log, and no duplicate: a copy of a pipe that the guest has closed
would keep its reader waiting.  What the user must see even then goes to stderr, if descriptor 2
still is the file that it was at the start.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.hidden import HiddenFds

LOG = "log"
STDERR = "stderr"


class Log:
    """The places of a process's messages.  Open descriptors are in `hidden`, by name."""

    __slots__ = ("_stderr", "hidden")

    def __init__(self, hidden: HiddenFds) -> None:
        self.hidden = hidden
        self._stderr = _identity(2)

    def open(self, path: bytes | None, to_stderr: bool) -> None:
        """Opens a log file for appending, and a log on stderr.  Raises OSError, SysError."""
        if path is not None:
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
            self.hidden.keep(LOG, posix.open(path, flags, 0o666))
        if to_stderr and self._stderr is not None:
            self.hidden.keep_copy(STDERR, 2)

    @property
    def fd(self) -> int:
        """A descriptor for the engine's last words."""
        return self.hidden.fds.get(LOG, self.hidden.fds.get(STDERR, 2))

    @property
    def is_open(self) -> bool:
        """Whether anybody asked for a log."""
        return LOG in self.hidden.fds or STDERR in self.hidden.fds

    def line(self, text: str, who: int | None = 0) -> None:
        """A line for those who asked for a log; lost when it cannot be written."""
        head = "" if who is None else f"[{who or posix.getpid()}] "
        for name in (LOG, STDERR):
            fd = self.hidden.fds.get(name)
            if fd is not None and not write_line(fd, head + text):
                self.hidden.close(name)

    def tell(self, text: str) -> None:
        """A line for everybody: on the log, and on stderr."""
        self.line(text)
        self.tell_stderr(text)

    def tell_stderr(self, text: str) -> None:
        """A line on stderr, unless the log is there, or stderr is another file by now."""
        if STDERR not in self.hidden.fds and self.has_stderr:
            write_line(2, f"blink: {text}")

    @property
    def has_stderr(self) -> bool:
        """Whether descriptor 2 is the file that it was when we started."""
        return self._stderr is not None and _identity(2) == self._stderr


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = posix.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def write_line(fd: int, text: str) -> bool:
    """Whether a line could be written."""
    try:
        posix.write(fd, f"{text}\n".encode(errors="backslashreplace"))
    except OSError:
        return False
    return True
