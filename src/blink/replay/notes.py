"""Memory, mappings and signal actions that note what changes them, as operations."""

from __future__ import annotations

import posix
from hashlib import blake2b
from stat import S_ISREG

from blink import _engine
from blink.abi.encoding import decode
from blink.abi.layout import PAGE
from blink.abi.mman import MAP_SHARED, MAP_TYPE
from blink.kernel.actions import Action, Actions
from blink.kernel.address_space import AddressSpace, Vma
from blink.replay import ops
from blink.replay.files import MappedFiles
from blink.replay.log import LogFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blink.replay.log import Log

_PIECE = 1 << 24
_WHOLE = 256 << 20  # bytes of an ELF file that is kept as it is
_SEGMENTS = 1  # the device of System V segments in /proc/PID/maps: 00:01, their numbers are inodes
_ELF = b"\x7fELF"


class Notes:
    """What the thread that has the baton has done since its last event.

    done     operations
    ranges   (address, length) that the host, or a write that failed, may have changed
    """

    __slots__ = ("done", "ranges")

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self.ranges: list[tuple[int, int]] = []


class Blobs:
    """The files' bytes that are in the log, each once; ELF files whole, for debuggers."""

    def __init__(self, log: Log, tell: Callable[[str], None]) -> None:
        self.log = log
        self._tell = tell
        self._known: dict[tuple[int, ...], int] = {}

    def add(
        self, fd: int, path: bytes, offset: int, length: int, written: bool = False
    ) -> tuple[int, int]:
        """(place in the log, length) of what a mapping of that file shows; (0, 0) for a device.
        `written`: it may have changed by a mapping, which its times do not tell."""
        status = posix.fstat(fd)
        if not S_ISREG(status.st_mode):
            return 0, 0
        length = max(min(length, status.st_size - offset), 0)
        file: tuple[int, ...] = (
            status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
        )  # fmt: skip
        if written:
            file = *file, _hash(fd, offset, length)
        elif file not in self._known:
            self._known[file] = self._whole(fd, path, status.st_size)
        if whole := self._known.get(file):
            return whole + offset, length
        part = *file, offset, length
        if part not in self._known:
            self._known[part] = self.log.blob(_pieces(fd, offset, length), length)
        return self._known[part], length

    def _whole(self, fd: int, path: bytes, size: int) -> int:
        """Where all of a file is from now on; 0 for one that is kept in parts."""
        if posix.pread(fd, len(_ELF), 0) != _ELF:
            return 0
        if size > _WHOLE:
            self._tell(
                f"{decode(path)} is larger than {_WHOLE >> 20} MB: the recording keeps what is "
                "mapped of it, and no symbols"
            )
            return 0
        return self.log.blob(_pieces(fd, 0, size), size, path)


def _hash(fd: int, offset: int, length: int) -> int:
    found = blake2b(digest_size=16)
    for piece in _pieces(fd, offset, length):
        found.update(piece)
    return int.from_bytes(found.digest(), "little")


def _pieces(fd: int, offset: int, length: int) -> Iterator[bytes]:
    while length > 0 and (piece := posix.pread(fd, min(length, _PIECE), offset)):
        yield piece
        offset += len(piece)
        length -= len(piece)


def path_of(fd: int) -> bytes:
    """Of a file that is open."""
    return posix.readlink(b"/proc/self/fd/%d" % fd)


class NotedMemory(_engine.Memory):
    """Memory with notes; without (None) it is as any other."""

    __slots__ = ("blobs", "files", "full", "notes", "path_of", "shared", "tell")

    def __init__(self, paged: bool = False) -> None:
        self.notes: Notes | None = None
        self.blobs: Blobs | None = None
        self.files = MappedFiles()
        self.tell: Callable[[str], None] = lambda text: None  # to the user
        self.full: Callable[[LogFull], None] | None = (
            None  # ends a recording, else LogFull is raised
        )
        self.path_of = path_of
        self.shared: dict[tuple[int, int], int] = {}  # device and inode: the log's number

    def map(
        self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0
    ) -> None:
        super().map(addr, length, prot, flags, fd, offset)
        if self.notes is None or self.blobs is None:
            return
        blob, size, path, shared = 0, 0, b"", False
        if fd >= 0:
            path = self.path_of(fd)
            self.files.add(addr, addr + length, path, offset)
            shared = self._share(fd, flags)
            try:
                blob, size = self.blobs.add(fd, path, offset, length, shared)
            except LogFull as full:
                if self.full is None:
                    raise
                self.full(full)
                return
        words = addr, length, prot, flags, offset, blob, size
        self.notes.done.append(ops.encode(ops.MAP, *words, data=path))

    def _share(self, fd: int, flags: int) -> bool:
        """Notes that a file is mapped shared, now or before: all its mappings are one memory."""
        status = posix.fstat(fd)
        file = status.st_dev, status.st_ino
        known = file in self.shared
        if S_ISREG(status.st_mode) and (known or flags & MAP_TYPE == MAP_SHARED):
            self.share(file)
        return known

    def share(self, file: tuple[int, int]) -> None:
        """The next mapping is one of that file."""
        key = self.shared.setdefault(file, max(self.shared.values(), default=0) + 1)
        if self.notes is not None:
            self.notes.done.append(ops.encode(ops.SHARE, key))

    def unmap(self, addr: int, length: int) -> None:
        super().unmap(addr, length)
        if self.notes is not None:
            self.notes.done.append(ops.encode(ops.UNMAP, addr, length))

    def protect(self, addr: int, length: int, prot: int) -> None:
        super().protect(addr, length, prot)
        if self.notes is not None:
            self.notes.done.append(ops.encode(ops.PROTECT, addr, length, prot))

    def remap(self, old: int, old_length: int, new: int, new_length: int) -> None:
        super().remap(old, old_length, new, new_length)
        self.files.move(old, new, new_length)
        if self.notes is not None:
            self.notes.done.append(ops.encode(ops.REMAP, old, old_length, new, new_length))

    def reset(self) -> None:
        super().reset()
        self.files.clear()
        if self.notes is not None:
            self.notes.ranges.clear()
            self.notes.done.append(ops.encode(ops.RESET))

    def write(self, addr: int, data: bytes, force: bool = False) -> None:  # type: ignore[override]
        if self.notes is not None:
            self.notes.ranges.append((addr, len(data)))
        super().write(addr, data, force)

    def zero(self, addr: int, length: int) -> None:
        super().zero(addr, length)
        if self.notes is not None:
            self.notes.done.append(ops.encode(ops.ZERO, addr, length))

    def compare_exchange(self, addr: int, expected: int, desired: int) -> int:
        seen = super().compare_exchange(addr, expected, desired)
        if self.notes is not None:
            self.notes.ranges.append((addr, 4))
        return seen

    def prepare_write(self, addr: int, length: int) -> None:
        super().prepare_write(addr, length)
        if self.notes is not None:
            self.notes.ranges.append((addr, length))

    def contents(self, address: int, length: int) -> Iterator[tuple[int, bytes]]:
        """The (address, bytes) that are there; pages that are not mapped are left out."""
        while length > 0:
            try:
                yield address, self.read(address, length, force=True)
                return
            except _engine.MemoryFault as fault:
                there = fault.address - address
                if there > 0:
                    yield address, self.read(address, there, force=True)
                behind = (fault.address | PAGE - 1) + 1
            length -= behind - address
            address = behind


class NotedSpace(AddressSpace):
    """The table of mappings; `memory` has the notes."""

    __slots__ = ()

    memory: NotedMemory

    def clear(self) -> None:
        super().clear()
        self._note(ops.CLEAR)

    def insert(self, vma: Vma) -> None:
        notes = self.memory.notes
        if notes is not None:
            notes.done.append(ops.insertion(vma))
        self.memory.notes = None  # what it removes on the way belongs to it
        super().insert(vma)
        self.memory.notes = notes

    def remove(self, start: int, end: int) -> list[Vma]:
        self._note(ops.REMOVE, start, end)
        return super().remove(start, end)

    def map_segment(self, vma: Vma, flags: int, number: int) -> None:
        self.memory.share((_SEGMENTS, number))
        super().map_segment(vma, flags, number)

    def discard(self, start: int, end: int) -> None:
        notes = self.memory.notes
        if notes is not None:
            notes.ranges.pop()  # of Memory.prepare_write
            notes.done.append(ops.encode(ops.DISCARD, start, end - start))

    def set_heap(self, start: int) -> None:
        super().set_heap(start)
        self._note(ops.BRK, self.brk_start, self.brk)

    def set_brk(self, address: int) -> int:
        result = super().set_brk(address)
        self._note(ops.BRK, self.brk_start, self.brk)
        return result

    def _note(self, code: int, *words: int) -> None:
        notes = getattr(self.memory, "notes", None)
        if notes is not None:
            notes.done.append(ops.encode(code, *words))


class NotedActions(Actions):
    """Signal actions; `memory` has the notes."""

    __slots__ = ("memory",)

    def __init__(self, memory: NotedMemory) -> None:
        super().__init__()
        self.memory = memory

    def tell_host(self, signo: int, action: Action) -> None:
        super().tell_host(signo, action)
        if self.memory.notes is not None:
            words = signo, action.handler, action.flags, action.restorer, action.mask
            self.memory.notes.done.append(ops.encode(ops.ACTION, *words))
