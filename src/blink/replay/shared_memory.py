"""Shared memory of a copy of this process: its own, with the contents of now.

A fork shares MAP_SHARED memory with its parent, so a checkpoint would not stand still, and a replay
would write into the program that still runs, or into its files.  Before a fork the parent, which
stands still, puts what is mapped into memory files; the child maps these in place.  Mappings of one
file are mappings of one memory file.
"""

from __future__ import annotations

import posix
from typing import NamedTuple

from blink import _engine
from blink.abi.layout import GUEST_TOP, PAGE
from blink.abi.mman import MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE
from blink.kernel import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_MEMORY = (b"/dev/zero", b"/memfd:", b"/SYSV", b"/dev/shm/")
_CHUNK = 1 << 20
_ZEROS = bytes(PAGE)
Identity = tuple[int, int]  # device, inode


class _Range(NamedTuple):
    start: int
    end: int
    prot: int
    offset: int
    file: Identity
    sparse: bool  # in memory only: what is not there is zero


def copy_out(memory: _engine.Memory) -> tuple[list[_Range], dict[Identity, int]]:
    """What is mapped shared, and a memory file with its contents for each file."""
    ranges = list(_shared_ranges(memory.skew))
    files: dict[Identity, int] = {}
    for found in ranges:
        if found.file not in files:
            files[found.file] = posix.memfd_create("shared")
        _copy(memory, found, files[found.file])
    return ranges, files


def map_in(memory: _engine.Memory, ranges: list[_Range], files: dict[Identity, int]) -> None:
    """In the child: the copies come in the place of what is mapped."""
    for start, end, prot, offset, file, _ in ranges:
        fd, address = files[file], start + memory.skew
        host.now(host.NR_MMAP, address, end - start, prot, MAP_SHARED | MAP_FIXED, fd, offset)


def _shared_ranges(skew: int) -> Iterator[_Range]:
    with open("/proc/self/maps", "rb") as file:
        rows = [line.split(maxsplit=5) for line in file]
    for where, bits, offset, device, inode, *path in rows:
        start, end = (int(word, 16) - skew for word in where.split(b"-"))
        if bits[3:4] == b"s" and 0 <= start < GUEST_TOP:
            major, minor = (int(word, 16) for word in device.split(b":"))
            identity = posix.makedev(major, minor), int(inode)
            sparse = path[0].startswith(_IN_MEMORY) if path else False
            yield _Range(start, end, _prot(bits), int(offset, 16), identity, sparse)


def _prot(bits: bytes) -> int:
    letters = zip((b"r", b"w", b"x"), (PROT_READ, PROT_WRITE, PROT_EXEC), strict=True)
    return sum(prot for letter, prot in letters if letter in bits)


def _copy(memory: _engine.Memory, found: _Range, fd: int) -> None:
    """All pages that hold something, up to the end of the file."""
    start, end, _, offset, _, sparse = found
    at = start
    while at < end:
        length = min(_CHUNK, end - at)
        if sparse and not _resident(at + memory.skew, length):
            at += length  # reading would make the pages
            continue
        data = _read(memory, at, length)
        _write_pages(fd, data, offset + at - start)
        at += len(data)
        if len(data) < length:
            break
    size = max(posix.fstat(fd).st_size, offset + at - start)
    posix.ftruncate(fd, size)


def _resident(address: int, length: int) -> bool:
    """Whether any page is there; it may be swapped out, if there is swap."""
    pages = bytearray(length // PAGE)
    if host.now(host.NR_MINCORE, address, length, pages) or any(pages):
        return True
    with open("/proc/swaps", "rb") as file:
        return len(file.readlines()) > 1


def _write_pages(fd: int, data: bytes, offset: int) -> None:
    for at in range(0, len(data), PAGE):
        page = data[at : at + PAGE]
        if page != _ZEROS:
            posix.pwrite(fd, page, offset + at)


def _read(memory: _engine.Memory, start: int, length: int) -> bytes:
    """Up to the first page that the file does not have."""
    try:
        return memory.read(start, length, force=True)
    except _engine.MemoryFault as fault:
        there = (fault.address & ~(PAGE - 1)) - start
    return memory.read(start, there, force=True) if there > 0 else b""


class SharedFiles:
    """The memory files of a replay: one for each file that the recording knows by a number."""

    def __init__(self) -> None:
        self.fds: dict[int, int] = {}

    def open(self, key: int, offset: int, size: int, data: memoryview | bytes) -> int:
        """The memory file of a number, with this content there, and at least so large."""
        if key not in self.fds:
            self.fds[key] = posix.memfd_create("shared")
        fd = self.fds[key]
        posix.ftruncate(fd, max(posix.fstat(fd).st_size, offset + size))
        while data:
            written = posix.pwrite(fd, data, offset)
            data, offset = data[written:], offset + written
        return fd

    def keys(self) -> dict[int, Identity]:
        """Which file is whose."""
        found = {}
        for key, fd in self.fds.items():
            status = posix.fstat(fd)
            found[key] = status.st_dev, status.st_ino
        return found
