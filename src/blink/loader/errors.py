"""The one error that comes out of the loader, and how it shows names that users gave us."""

from __future__ import annotations

import posix
from errno import EIO, ENOENT

FOUND_BUT_UNUSABLE = 126
NOT_FOUND = 127
_SHOWN = 200  # characters of a path in a message


class LoadError(Exception):
    """A program that cannot be run.

    `errno` is what execve(2) returns, `message` one line (what, where, what to do) for a user of
    the command line, `exit_status` 126 (found, but cannot be run) or 127 (not found), as in a
    shell.  `fatal` marks what Linux only finds behind its point of no return: execve(2) does not
    return there, the process dies by SIGSEGV.
    """

    __slots__ = ("errno", "exit_status", "fatal", "message")

    def __init__(
        self, errno: int, message: str, *, fatal: bool = False, exit_status: int | None = None
    ) -> None:
        super().__init__(errno, message)
        self.errno = errno
        self.message = message
        self.fatal = fatal
        if exit_status is None:
            exit_status = NOT_FOUND if errno == ENOENT else FOUND_BUT_UNUSABLE
        self.exit_status = exit_status

    def __str__(self) -> str:
        return self.message


def show(name: bytes) -> str:
    """Returns `name` as printable text on one line, shortened."""
    text = name.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = text.encode("unicode_escape").decode("ascii")
    if len(text) > _SHOWN:
        text = text[: _SHOWN - 3] + "..."
    return text or '""'


def reason(error: OSError) -> tuple[int, str]:
    """Returns the errno of a host error (EIO where it has none) and its text."""
    number = error.errno or EIO
    return number, posix.strerror(number)
