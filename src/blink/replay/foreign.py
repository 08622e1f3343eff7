"""Memory that other processes write: children, in mappings that they share with the program.

Nobody tells when they do.  So once a child shares writable memory with a program that is recorded,
each of the program's system calls (they wait for the child, or ask what it has done) is a point at
which that memory is compared with what it was, and what changed is noted.  What the program has
written itself is among it; a replay stores only what it does not have.

Who waits for a child without system calls, in a loop that looks at the memory, sees its writes
later in a replay than it did: that is `diverged`.  Rejected: protecting the pages, which would tell
of the program's own accesses, not of the child's.
"""

from __future__ import annotations

from blink.abi.layout import PAGE
from blink.abi.mman import PROT_WRITE
from blink.kernel import host
from blink.replay import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.kernel.address_space import AddressSpace
    from blink.replay.notes import NotedMemory

MOST = 32 << 20
_PIECE = 64  # bytes that are compared at once, in a page that has changed


def is_shared(space: AddressSpace) -> bool:
    """Whether a child that begins now could write the program's memory."""
    return any(vma.shared and vma.prot & PROT_WRITE for vma in space)


class Foreign:
    """The shared memory of a process that is recorded, as its log knows it."""

    def __init__(self, memory: NotedMemory, space: AddressSpace) -> None:
        self._memory = memory
        self._space = space
        self._known: dict[int, bytearray] = {}  # start of a mapping: its bytes
        self._told = False

    def changes(self) -> list[bytes]:
        """Operations for what is not as it was."""
        shared = [(v.start, v.end) for v in self._space if v.shared and v.prot & PROT_WRITE]
        if sum(end - start for start, end in shared) > MOST:
            self._tell()
            return []
        found = []
        for start, end in shared:
            known = self._known.get(start, bytearray())
            known.extend(bytes(max(0, end - start - len(known))))
            self._known[start] = known
            for at, data in self._present(start, end):
                first = at - start
                found += [
                    ops.encode(ops.SYNC, start + place, data=piece)
                    for place, piece in differing(known, data, first)
                ]
                known[first : first + len(data)] = data
        return found

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._memory.tell(
                f"child processes share more than {MOST >> 20} MB of memory with the program: what "
                "they write there is not recorded"
            )

    def _present(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Runs of pages that are there: reading others would make them."""
        pages = bytearray((end - start) // PAGE)
        if host.now(host.NR_MINCORE, start + self._memory.skew, end - start, pages) < 0:
            return
        at = 0
        while (first := pages.find(1, at)) >= 0:
            behind = pages.find(0, first)
            at = behind if behind >= 0 else len(pages)
            yield from self._memory.contents(start + first * PAGE, (at - first) * PAGE)


def differing(old: bytes | bytearray, new: bytes, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Places in `old`, and what is there in `new`, which begins at `first`, where they differ."""
    if old[first : first + len(new)] == new:
        return
    begun = None
    for at in range(0, len(new) + _PIECE, _PIECE):
        same = old[first + at : first + at + _PIECE] == new[at : at + _PIECE]
        if begun is None and not same:
            begun = at
        elif begun is not None and same:
            yield first + begun, new[begun:at]
            begun = None
