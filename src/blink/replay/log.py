"""The log: everything that memory and registers do not determine, in order, in one growing file.

A recording in progress keeps it in a memory file, or in the capsule itself; its checkpoints share
it.  The first page is a header; then records follow, each a multiple of 8 bytes:

    size  u32   of the whole record
    kind  u16   META, BLOB, RUN, STOP, CALL, END, PART
    stop  u16   why the Cpu stopped (STOP)
    tid   u32   the thread
    number u32  of the system call
    icount u64  how many instructions the thread had retired
    clock u64   what RDTSC counts from behind this event
    payload

META is JSON.  BLOB is bytes of a file; they begin at a page, so that a replay can map them.  One of
a whole file has its path, and where the one before it is, the header has the last one
(`replay.kept`).  RUN:
the thread ran until there, and another one goes on.  STOP: a stop that Python handled; the payload
is operations (`replay.ops`).  CALL: a system call that the engine made itself: result, and the
ranges of memory that it wrote (address, length, bytes).  PART: such ranges alone, of a call that a
signal interrupted; a STOP follows.  END: the process's end, "exit" (stop 0) or "killed" (stop 1).
"""

from __future__ import annotations

import mmap
import posix
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"BLNKCAP\n"
VERSION, OLDEST = 4, 2
PAGE = 0x1000
SPAN = 1 << 36
"""Addresses that a log may need.  Its file has holes until then."""

META, BLOB, RUN, STOP, CALL, END, PART = range(1, 8)
_RECORD = Struct("<IHHIIQQ")
RECORD_SIZE = _RECORD.size
# magic, version, finished, used, end time, last whole file, digest
HEADER = Struct("<8sIIQQQ16s")
_USED_AT, _TIME_AT, _FILES_AT = 16, 24, 32
_WORD = Struct("<Q")
_CHUNK = 1 << 24
_STRETCH = 1 << 24  # of a log, between two looks at the disk
_MARGIN = 1 << 18  # what the file system needs to account for a file


class LogFull(Exception):
    """The log has reached the size that was allowed; the message says which."""


LIMIT_REACHED = "its limit is reached"
DISK_FULL = "there is no more room for its file"


def _file_size_limit() -> int:
    """RLIMIT_FSIZE."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return SPAN if soft == resource.RLIM_INFINITY else soft & ~(PAGE - 1)


_kept: list[mmap.mmap] = []


def _map(fd: int, prot: int) -> mmap.mmap:
    """Maps a file.  Python's mmap keeps a duplicate of the descriptor; a guest must not meet it."""
    number = posix.dup(fd)
    posix.close(number)
    view = mmap.mmap(fd, 0, mmap.MAP_SHARED, prot)
    posix.close(number)
    _kept.append(view)  # it would close that number once more
    return view


def _page_up(size: int) -> int:
    return size + PAGE - 1 & ~(PAGE - 1)


def whole_file(fd: int, at: int) -> tuple[bytes, int, int, int]:
    """Path, place and length of the file whose BLOB is at a place in a capsule, and where the one
    before is.  Raises ValueError."""
    head = posix.pread(fd, RECORD_SIZE + _WORD.size, at)
    if len(head) < RECORD_SIZE + _WORD.size:
        raise ValueError("no record")
    _, kind, _, _, size, length, data = _RECORD.unpack_from(head)
    (before,) = _WORD.unpack_from(head, RECORD_SIZE)
    if kind != BLOB or before >= at:
        raise ValueError("no file")
    return posix.pread(fd, size, at + len(head)), data, length, before


class Event:
    """One record, read."""

    __slots__ = ("clock", "icount", "kind", "number", "payload", "stop", "tid")

    def __init__(self, head: tuple[int, ...], payload: memoryview) -> None:
        _, self.kind, self.stop, self.tid, self.number, self.icount, self.clock = head
        self.payload = payload


class Log:
    """A log in `fd`, mapped.  `limit`: how many bytes it may have; less, if the disk has less."""

    def __init__(self, fd: int, limit: int = SPAN, readable: bool = False) -> None:
        """`readable`: it is not to be written."""
        self.fd = fd
        self.limit = limit
        self._allowed = limit
        self._look_again = 0  # at the disk, when so much is used
        self.view = _map(fd, mmap.PROT_READ if readable else mmap.PROT_READ | mmap.PROT_WRITE)

    @classmethod
    def create(cls, fd: int, limit: int = SPAN) -> Log:
        """An empty log in an empty file.  Raises LogFull."""
        span = min(SPAN, _file_size_limit())
        posix.ftruncate(fd, span)
        log = cls(fd, min(limit, span))
        log._fit_disk(0)
        log._check(PAGE)
        HEADER.pack_into(log.view, 0, MAGIC, VERSION, 0, PAGE, 0, 0, bytes(16))
        return log

    @property
    def used(self) -> int:
        """Where the next record goes."""
        return int(_WORD.unpack_from(self.view, _USED_AT)[0])

    @property
    def end(self) -> int:
        """The last time that the log knows."""
        return int(_WORD.unpack_from(self.view, _TIME_AT)[0])

    @property
    def files(self) -> int:
        """Where the last BLOB of a whole file is; 0 without."""
        return int(_WORD.unpack_from(self.view, _FILES_AT)[0])

    def append(
        self, kind: int, tid: int = 0, icount: int = 0, *, stop: int = 0, number: int = 0,
        clock: int = 0, payload: bytes = b"", time: int = 0,
    ) -> None:  # fmt: skip
        """Raises LogFull."""
        at, size = self.used, RECORD_SIZE + (len(payload) + 7 & ~7)
        self._check(at + size)
        _RECORD.pack_into(self.view, at, size, kind, stop, tid, number, icount, clock)
        self.view[at + RECORD_SIZE : at + RECORD_SIZE + len(payload)] = payload
        self._advance(at + size, time)

    def blob(self, pieces: Iterator[bytes], length: int, path: bytes = b"") -> int:
        """Stores a file's bytes, with `path` those of a whole one; where they begin.  Raises
        LogFull."""
        at, note = self.used, _WORD.pack(self.files) + path
        start = data = _page_up(at + RECORD_SIZE + len(note))
        behind = _page_up(data + length)
        self._check(behind)
        head = (behind - at) // PAGE, BLOB, 0, 0, len(path), length, data
        _RECORD.pack_into(self.view, at, *head)
        self.view[at + RECORD_SIZE : at + RECORD_SIZE + len(note)] = note
        for piece in pieces:
            self.view[data : data + len(piece)] = piece
            data += len(piece)
        self._advance(behind, 0)
        if path:
            _WORD.pack_into(self.view, _FILES_AT, at)
        return start

    def adopt(self, other: Log, end: int) -> None:
        """Begins, empty, with the records of another log, up to a place.  Raises LogFull."""
        self._check(end)
        for at in range(PAGE, end, _CHUNK):
            behind = min(at + _CHUNK, end)
            self.view[at:behind] = other.view[at:behind]
        files = other.files
        while files >= end:
            (files,) = _WORD.unpack_from(other.view, files + RECORD_SIZE)
        _WORD.pack_into(self.view, _FILES_AT, files)
        self._advance(end, 0)

    def _check(self, behind: int) -> None:
        if behind > self._look_again:
            self._fit_disk(self.used)
        if behind > self.limit:
            raise LogFull(LIMIT_REACHED if self.limit == self._allowed else DISK_FULL)

    def _fit_disk(self, used: int) -> None:
        """The limit is not beyond what the file system has left: a store there would be SIGBUS."""
        status = posix.fstatvfs(self.fd)
        if status.f_blocks:  # a memory file has none
            room = status.f_bavail * status.f_frsize - _MARGIN
            self.limit = min(self._allowed, used + max(room, 0))
        self._look_again = used + _STRETCH

    def _advance(self, used: int, time: int) -> None:
        if time:
            _WORD.pack_into(self.view, _TIME_AT, time)
        _WORD.pack_into(self.view, _USED_AT, used)

    def read(self, at: int) -> tuple[Event, int] | None:
        """The record at a place, and where the next one is; None at the end.  Raises ValueError."""
        if at >= self.used:
            return None
        head = _RECORD.unpack_from(self.view, at)
        size = head[0]
        if head[1] == BLOB:
            size = head[6] - at + _page_up(head[5])
        if not RECORD_SIZE <= size <= self.used - at:
            raise ValueError(f"the log has a record of {size} bytes")
        payload = memoryview(self.view)[at + RECORD_SIZE : at + size]
        return Event(head, payload), at + size
