"""A file that execve(2) may run: opened, its permission checked, its first bytes read."""

from __future__ import annotations

import posix
import stat
from errno import (
    EACCES,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOEXEC,
    ENOTDIR,
    ENXIO,
)

from .errors import FOUND_BUT_UNUSABLE, LoadError, reason, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    OpenFile = Callable[[bytes], int]

# The ELF header, the program headers and the interpreter's name of nearly every program lie within.
HEAD_SIZE = 2048

_OPEN_TEXT = {
    ENOENT: "no such file; check the name",
    EACCES: "permission denied; it and its folders must be open to you (chmod)",
    ENOTDIR: "a part of its path is not a directory; check the name",
    ELOOP: "too many symbolic links; check them with namei -l",
    ENAMETOOLONG: "its name is too long; shorten the path",
}


class Source:
    """An open file: `fd`, the `path` it was named by, its `stat`, and `head`, its first bytes.

    `label` opens every message about it; `bad` is the errno of a file that is not a valid program
    (ENOEXEC, or ELIBBAD for an ELF interpreter).
    """

    __slots__ = ("bad", "fd", "head", "label", "path", "stat")

    def __init__(self, fd: int, path: bytes, label: str, bad: int) -> None:
        self.fd = fd
        self.path = path
        self.label = label
        self.bad = bad
        self.stat = posix.fstat(fd)
        self.head = b""

    def error(self, text: str, errno: int | None = None, *, fatal: bool = False) -> LoadError:
        """Returns the error for this file; it exists, so the exit status is 126."""
        number = self.bad if errno is None else errno
        message = f"{self.label}: {text}"
        return LoadError(number, message, fatal=fatal, exit_status=FOUND_BUT_UNUSABLE)

    def read_head(self) -> None:
        """Reads `head`; raises LoadError when the host cannot read the file."""
        self.head = self._pread(HEAD_SIZE, 0)

    def read(self, offset: int, size: int) -> bytes:
        """Returns the bytes there, fewer at the end of the file."""
        if offset + size <= len(self.head):
            return self.head[offset : offset + size]
        if offset + size > self.stat.st_size:  # also keeps absurd offsets away from pread(2)
            return b""
        return self._pread(size, offset)

    def _pread(self, size: int, offset: int) -> bytes:
        try:
            return posix.pread(self.fd, size, offset)
        except OSError as error:
            errno, text = reason(error)
            raise self.error(f"cannot be read: {text}; check its file system", errno) from None

    def require_exec(self) -> None:
        """Raises EACCES unless the caller may execute the file (root needs an x bit, too)."""
        mode = self.stat.st_mode
        if not mode & 0o111:
            raise self.error("is not executable; give it the permission with chmod +x", EACCES)
        # access(2) knows of owners, ACLs and noexec mounts; /proc reaches the very file.
        proc = f"/proc/self/fd/{self.fd}"
        if not posix.access(proc, posix.X_OK, effective_ids=True) and posix.access(
            proc, posix.F_OK
        ):
            text = "you may not execute it; check its owner, its mode and noexec mounts"
            raise self.error(text, EACCES)

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1


def open_host(path: bytes) -> int:
    """Opens `path` of the host; O_NONBLOCK, so that a fifo cannot hold us up."""
    return posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY)


def open_source(path: bytes, open_file: OpenFile) -> Source:
    """Opens the program itself; raises LoadError with open(2)'s errno, or EACCES as execve(2) does
    for what is not a regular file.  The permission to execute is left to `require_exec`.
    """
    return _open(path, open_file, show(path), "", ENOEXEC)


def open_interpreter(
    path: bytes, open_file: OpenFile, user: Source, absent: str, bad: int = ENOEXEC
) -> Source:
    """Opens the interpreter of `user`, a script or ELF program, and checks its permission.

    `absent` tells what to do where it does not exist; `bad` is the errno when it is not valid.
    """
    label = f"{user.label}: interpreter {show(path)}"
    if not path:  # the kernel walks the empty name to the current directory
        raise LoadError(EACCES, f"{label}: the name is empty; correct the program")
    source = _open(path, open_file, label, absent, bad)
    try:
        source.require_exec()
    except LoadError:
        source.close()
        raise
    return source


def _open(path: bytes, open_file: OpenFile, label: str, absent: str, bad: int) -> Source:
    try:
        fd = open_file(path)
    except OSError as error:
        raise _open_error(reason(error), label, absent) from None
    source = Source(fd, path, label, bad)
    try:
        _require_regular(source)
        source.read_head()
    except LoadError:
        source.close()
        raise
    return source


def _open_error(why: tuple[int, str], label: str, absent: str) -> LoadError:
    errno, reason_text = why
    if errno == EISDIR:
        return LoadError(EACCES, f"{label}: is a directory; name a program file")
    if errno == ENXIO:
        return LoadError(EACCES, f"{label}: is a socket or device; name a program file")
    text = _OPEN_TEXT.get(errno) or f"cannot be opened: {reason_text}; check its file system"
    if absent:  # the program itself was found
        text = absent if errno == ENOENT else text
        return LoadError(errno, f"{label}: {text}", exit_status=FOUND_BUT_UNUSABLE)
    return LoadError(errno, f"{label}: {text}")


def _require_regular(source: Source) -> None:
    mode = source.stat.st_mode
    if stat.S_ISDIR(mode):
        raise source.error("is a directory; name a program file", EACCES)
    if not stat.S_ISREG(mode):
        raise source.error("is not a regular file; name a program file", EACCES)
