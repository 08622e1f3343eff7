"""The table of a guest's mappings and the allocator behind mmap(2).

The host does the mapping (`Memory`); this table decides where.  Addresses are handed out top-down
from MMAP_TOP, the highest gap that fits first, so that the same program gets the same addresses on
every run.  Host mappings never appear here, so range calls treat them as unmapped.

Rejected: asking /proc/self/maps (slow, and not deterministic), and a tree (a sorted list with
bisection is faster up to some thousands of mappings, which is what programs have).
"""

from __future__ import annotations

from bisect import bisect_right
from errno import EACCES, EAGAIN, EBADF, EINVAL, ENOMEM, EPERM

from blink.abi.errors import SysError
from blink.abi.layout import GUEST_MIN, GUEST_TOP, MMAP_TOP, PAGE
from blink.abi.limits import RLIM_INFINITY
from blink.abi.mman import (
    MADV_DISCARDS,
    MADV_DOFORK,
    MADV_DONTFORK,
    MADV_POPULATES,
    MS_ASYNC,
    PROT_EXEC,
    PROT_WRITE,
)
from blink.kernel import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink import _engine

PAGE_MASK = PAGE - 1
STACK_GUARD = 256 * PAGE  # pages kept free below a mapping that grows down
MAX_STACK = 1 << 30
RED_ZONE = 128
MDWE_REFUSE_EXEC_GAIN, MDWE_NO_INHERIT = 1, 2


def page_up(value: int) -> int:
    """Rounds up to whole pages."""
    return (value + PAGE_MASK) & ~PAGE_MASK


class Vma:
    """A run of pages [start, end) with the same protection and the same origin.

    shared     changes reach other processes
    origin     0 for private anonymous memory; else a number, the same for pieces of one mapping
    label      b"[heap]", b"[stack]" or empty, for /proc/self/maps
    grows      MAP_GROWSDOWN
    dont_fork  MADV_DONTFORK
    sealed     mseal(2)
    unfiled    memory of the kernel's, also where `shared`: PR_SET_VMA may name it
    name       what PR_SET_VMA called it, or None
    """

    __slots__ = (
        *("dont_fork", "end", "grows", "label", "name", "origin", "prot", "sealed", "shared"),
        *("start", "unfiled"),
    )

    def __init__(self, start: int, end: int, prot: int, *, origin: int = 0) -> None:
        self.start = start
        self.end = end
        self.prot = prot
        self.origin = origin
        self.shared = False
        self.label = b""
        self.grows = False
        self.dont_fork = False
        self.sealed = False
        self.unfiled = not origin
        self.name: bytes | None = None

    def piece(self, start: int, end: int) -> Vma:
        """A copy of a part of it."""
        part = Vma(start, end, self.prot, origin=self.origin)
        part.shared = self.shared
        part.label = self.label
        part.grows = self.grows
        part.dont_fork = self.dont_fork
        part.sealed = self.sealed
        part.unfiled = self.unfiled
        part.name = self.name
        return part

    def joins(self, other: Vma) -> bool:
        """Whether `other`, which begins where this ends, may be one mapping with it."""
        return (
            self.prot == other.prot
            and self.origin == other.origin
            and self.label == other.label
            and self.shared == other.shared
            and self.grows == other.grows
            and self.dont_fork == other.dont_fork
            and self.sealed == other.sealed
            and self.name == other.name
        )

    def __repr__(self) -> str:
        return f"<{self.start:#x}-{self.end:#x} {self.prot} {self.label.decode()}>"


class AddressSpace:
    """The mappings of one process, and its heap.

    brk_start, brk   the heap, as brk(2) sees it; not page-aligned
    size_limit       RLIMIT_AS: bytes of all mappings
    data_limit       RLIMIT_DATA: bytes of private writable ones
    lock_new         mlockall(MCL_FUTURE): 0 not, 1 new mappings are locked, 2 their pages on fault
    mdwe             PR_SET_MDWE: MDWE_REFUSE_EXEC_GAIN, MDWE_NO_INHERIT
    """

    __slots__ = (
        "_origins", "_starts", "_vmas", "brk", "brk_start", "data_limit", "lock_new", "mdwe",
        "memory", "size_limit",
    )  # fmt: skip

    def __init__(self, memory: _engine.Memory) -> None:
        self.memory = memory
        self.size_limit = self.data_limit = RLIM_INFINITY
        self.mdwe = 0
        self.clear()

    def clear(self) -> None:
        """Forgets everything; the memory itself is reset elsewhere."""
        self._starts: list[int] = []
        self._vmas: list[Vma] = []
        self._origins = 0
        self.brk_start = self.brk = 0
        self.lock_new = 0
        self.inherit()

    def inherit(self) -> None:
        """A new process, or a new program, has what is left of this one's PR_SET_MDWE."""
        if self.mdwe & MDWE_NO_INHERIT:
            self.mdwe = 0

    def __iter__(self) -> Iterator[Vma]:
        return iter(self._vmas)

    def new_origin(self) -> int:
        """A number for a new mapping that must not merge with others."""
        self._origins += 1
        return self._origins

    # --- looking ---

    def find(self, address: int) -> Vma | None:
        """The mapping that holds an address."""
        i = bisect_right(self._starts, address) - 1
        if i >= 0 and address < self._vmas[i].end:
            return self._vmas[i]
        return None

    def overlapping(self, start: int, end: int) -> list[Vma]:
        """The mappings that share a page with [start, end), in order."""
        i = max(bisect_right(self._starts, start) - 1, 0)
        found: list[Vma] = []
        if end <= start:
            return found
        while i < len(self._vmas) and self._vmas[i].start < end:
            if self._vmas[i].end > start:
                found.append(self._vmas[i])
            i += 1
        return found

    def covered(self, start: int, end: int) -> bool:
        """Whether every page of [start, end) is mapped."""
        return self.reach(start, end) >= end

    def reach(self, start: int, end: int) -> int:
        """Where the first hole in [start, end) begins; `end` if there is none."""
        at = start
        for vma in self.overlapping(start, end):
            if vma.start > at:
                break
            at = vma.end
        return min(at, end)

    def stretches(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of [start, end) without holes."""
        found: list[tuple[int, int]] = []
        for vma in self.overlapping(start, end):
            first, last = max(vma.start, start), min(vma.end, end)
            if found and found[-1][1] == first:
                first = found.pop()[0]
            found.append((first, last))
        return found

    def is_free(self, start: int, end: int) -> bool:
        return not self.overlapping(start, end)

    def find_gap(self, length: int, low: int = GUEST_MIN, high: int = MMAP_TOP) -> int:
        """The highest address below `high` where `length` bytes fit.  Raises ENOMEM."""
        top = high
        for i in range(bisect_right(self._starts, high - 1) - 1, -1, -1):
            vma = self._vmas[i]
            if vma.end <= top - length:
                break
            top = min(top, vma.start - (STACK_GUARD if vma.grows else 0))
            if top - length < low:
                raise SysError(ENOMEM)
        if top - length < low:
            raise SysError(ENOMEM)
        return top - length

    def choose(self, hint: int, length: int) -> int:
        """Where a mapping without MAP_FIXED goes: at the hint, when that is free."""
        hint &= ~PAGE_MASK
        if 0 < hint < GUEST_MIN:
            hint = GUEST_MIN
        if GUEST_MIN <= hint <= GUEST_TOP - length and self.is_free(hint, hint + length):
            return hint
        return self.find_gap(length)

    # --- changing: the table only ---

    def insert(self, vma: Vma) -> None:
        """Enters a mapping in place of what was there."""
        self.remove(vma.start, vma.end)
        i = bisect_right(self._starts, vma.start)
        if i < len(self._vmas) and self._vmas[i].start == vma.end and vma.joins(self._vmas[i]):
            vma.end = self._vmas[i].end
            self._delete(i)
        if i > 0 and self._vmas[i - 1].end == vma.start and self._vmas[i - 1].joins(vma):
            self._vmas[i - 1].end = vma.end
            return
        self._starts.insert(i, vma.start)
        self._vmas.insert(i, vma)

    def _delete(self, i: int) -> None:
        del self._starts[i]
        del self._vmas[i]

    def remove(self, start: int, end: int) -> list[Vma]:
        """Takes [start, end) out of the table; the pieces that were there."""
        taken = []
        for vma in self.overlapping(start, end):
            i = bisect_right(self._starts, vma.start) - 1
            self._delete(i)
            for a, b in ((end, vma.end), (vma.start, start)):
                if a < b:
                    self._starts.insert(i, a)
                    self._vmas.insert(i, vma.piece(a, b))
            taken.append(vma.piece(max(start, vma.start), min(end, vma.end)))
        return taken

    # --- changing: table and memory ---

    def map(self, vma: Vma, flags: int, fd: int = -1, offset: int = 0) -> None:
        """Maps host memory for `vma` and enters it.  Raises SysError."""
        self.check_limits(vma)
        try:
            self.memory.map(vma.start, vma.end - vma.start, vma.prot, flags, fd, offset)
        except OSError as error:
            self._forget_gone(vma.start, vma.end)
            raise SysError(error.errno or ENOMEM) from None
        if self.lock_new:
            self._lock(vma)
        self.insert(vma)

    def map_segment(self, vma: Vma, flags: int, number: int) -> None:
        """Maps room for the System V segment of that number."""
        self.map(vma, flags)

    def _forget_gone(self, start: int, end: int) -> None:
        """Linux unmaps what was there before it asks the file, which may have no mmap: a hole."""
        for old in self.overlapping(start, end):
            first, last = max(old.start, start), min(old.end, end)
            place = first + self.memory.skew
            if host.now(host.NR_MSYNC, place, last - first, MS_ASYNC) == -ENOMEM:
                self.unmap(first, last)

    def _lock(self, vma: Vma) -> None:
        """For mlockall(MCL_FUTURE).  Raises EAGAIN beyond RLIMIT_MEMLOCK, with nothing mapped."""
        how = int(self.lock_new > 1 or not vma.prot)
        start, size = vma.start + self.memory.skew, vma.end - vma.start
        result = host.now(host.NR_MLOCK2, start, size, 1)
        if result in (-ENOMEM, -EPERM):
            self.memory.unmap(vma.start, size)
            raise SysError(EAGAIN)
        if not how:
            host.now(host.NR_MLOCK, start, size)  # brings in what can be had

    def check_limits(self, vma: Vma) -> None:
        """Raises ENOMEM when a mapping, in place of what is there, would exceed a limit."""
        for limit, counts in ((self.size_limit, _is_any), (self.data_limit, _is_data)):
            if limit < GUEST_TOP and counts(vma):
                total = sum(v.end - v.start for v in self._vmas if counts(v))
                for old in self.overlapping(vma.start, vma.end):
                    total -= (min(old.end, vma.end) - max(old.start, vma.start)) * counts(old)
                if total + vma.end - vma.start > limit:
                    raise SysError(ENOMEM)

    def unmap(self, start: int, end: int) -> None:
        """Unmaps what is mapped in [start, end); holes are fine, as in munmap(2)."""
        for vma in self.remove(start, end):
            self.memory.unmap(vma.start, vma.end - vma.start)

    def protect(self, start: int, end: int, prot: int) -> None:
        """mprotect(2): pages before a hole change, then ENOMEM."""
        at = start
        for vma in self.overlapping(start, end):
            first, last = max(vma.start, start), min(vma.end, end)
            if first > at:
                break
            self.check_exec_gain(vma.prot, prot)
            if vma.sealed:
                raise SysError(EPERM)
            try:
                self.memory.protect(first, last - first, prot)
            except OSError as error:
                raise SysError(error.errno or ENOMEM) from None
            part = vma.piece(first, last)
            part.prot = prot
            self.insert(part)
            at = last
        if at < end:
            raise SysError(ENOMEM)

    def check_exec_gain(self, old: int, new: int) -> None:
        """PR_SET_MDWE: nothing is both written and executed, or executed later.  Raises EACCES."""
        gains = new & PROT_EXEC and (new & PROT_WRITE or not old & PROT_EXEC)
        if self.mdwe and gains:
            raise SysError(EACCES)

    def set_name(self, start: int, end: int, name: bytes | None) -> None:
        """PR_SET_VMA: pages that have no file get a name; EBADF at the first that has one."""
        for vma in self.overlapping(start, end):
            if not vma.unfiled:
                raise SysError(EBADF)
            part = vma.piece(max(vma.start, start), min(vma.end, end))
            part.name = name
            self.insert(part)
        if not self.covered(start, end):
            raise SysError(ENOMEM)

    def advise(self, start: int, size: int, advice: int) -> None:
        """madvise(2): the host hears nothing of holes, in which memory of ours may lie.  Raises
        ENOMEM at the end if there are some; MADV_POPULATE_* end at the first."""
        if self.covered(start, start + page_up(size)):
            self._advise(start, size, advice)
            return
        host.call(host.NR_MADVISE, start + self.memory.skew, 0, advice)
        end = start + page_up(size)
        if advice in MADV_POPULATES:
            end = self.reach(start, end)
        for first, last in self.stretches(start, end):
            self._advise(first, last - first, advice)
        raise SysError(ENOMEM)

    def _advise(self, start: int, size: int, advice: int) -> None:
        end = start + page_up(size)
        if advice in MADV_DISCARDS:
            self.memory.prepare_write(start, end - start)  # the bytes change
        host.call(host.NR_MADVISE, start + self.memory.skew, size, advice)
        if advice in MADV_DISCARDS:
            self.discard(start, end)
        elif advice in (MADV_DONTFORK, MADV_DOFORK):
            self.mark_fork(start, end, advice == MADV_DONTFORK)

    def mark_fork(self, start: int, end: int, dont_fork: bool) -> None:
        """Notes MADV_DONTFORK or MADV_DOFORK for the pages in [start, end)."""
        for vma in self.overlapping(start, end):
            part = vma.piece(max(vma.start, start), min(vma.end, end))
            part.dont_fork = dont_fork
            self.insert(part)

    def seal(self, start: int, end: int) -> None:
        """mseal(2), for pages that are all mapped."""
        for vma in self.overlapping(start, end):
            part = vma.piece(max(vma.start, start), min(vma.end, end))
            part.sealed = True
            self.insert(part)

    def has_sealed(self, start: int, end: int) -> bool:
        """Whether a page of [start, end) is sealed."""
        return any(vma.sealed for vma in self.overlapping(start, end))

    def discard(self, start: int, end: int) -> None:
        """Told that madvise(2) has given back what the pages in [start, end) held."""

    # --- heap and stack ---

    def set_heap(self, start: int) -> None:
        """The heap begins where the program's image ends, empty."""
        self.brk_start = self.brk = start

    def set_brk(self, address: int) -> int:
        """brk(2): the new end of the heap, or the old one when it cannot be had."""
        if address < self.brk_start or address > GUEST_TOP:
            return self.brk
        old, new = page_up(self.brk), page_up(address)
        if new > old and not self._grow_heap(old, new):
            return self.brk
        if new < old and self.has_sealed(new, old):
            return self.brk
        if new < old:
            self.unmap(new, old)
        self.brk = address
        return address

    def _grow_heap(self, old: int, new: int) -> bool:
        if not self.is_free(old, new):
            return False
        vma = Vma(old, new, 3)
        vma.label = b"[heap]"
        try:
            self.map(vma, 0x22)
        except SysError:
            return False
        return True

    def fit_stack(self, limit: int, rsp: int) -> None:
        """Makes the initial stack as large as its limit allows, but keeps what is in use.

        It is mapped in full, for the host kernel does not extend it when a call writes there.
        """
        pieces = [vma for vma in self._vmas if vma.label == b"[stack]"]
        if not pieces:
            return
        low = pieces[0].start
        want = max(pieces[-1].end - page_up(min(limit, MAX_STACK)), GUEST_MIN)
        if want > low:
            self.unmap(low, min(want, (rsp - RED_ZONE) & ~PAGE_MASK))
        elif want < low and self.is_free(max(want - STACK_GUARD, 0), low):
            self.map(pieces[0].piece(want, low), 0x22)

    def grow_down(self, address: int, limit: int) -> bool:
        """Extends a MAP_GROWSDOWN mapping to an address below it, at most `limit` bytes long."""
        i = bisect_right(self._starts, address)
        if i == len(self._vmas) or not self._vmas[i].grows:
            return False
        vma = self._vmas[i]
        start = address & ~PAGE_MASK
        guard = max(start - STACK_GUARD, 0)
        if vma.end - start > limit or start < GUEST_MIN or self.overlapping(guard, start):
            return False
        below = vma.piece(start, vma.start)
        try:
            self.map(below, 0x22)
        except SysError:
            return False
        return True


def _is_any(vma: Vma) -> bool:
    return True


def _is_data(vma: Vma) -> bool:
    """Whether Linux counts it against RLIMIT_DATA: private and writable, no stack."""
    return bool(vma.prot & PROT_WRITE) and not vma.shared and not vma.grows


def check_range(address: int, length: int) -> int:
    """The end of a page range for munmap(2) and mprotect(2).  Raises EINVAL."""
    if address & PAGE_MASK or length > GUEST_TOP or address > GUEST_TOP - page_up(length):
        raise SysError(EINVAL)
    return address + page_up(length)
