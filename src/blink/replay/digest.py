"""A hash of all registers and memory of a program that stands still."""

from __future__ import annotations

import posix
import re
from hashlib import blake2b

from blink import _engine
from blink.abi.layout import PAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.kernel.address_space import Vma
    from blink.kernel.process import Process

_STATUS_FLAGS = 0x8D5  # undefined after some instructions: the translator's choice is the host's
_CHUNK = 1 << 20
# The last bytes of words of /proc/self/pagemap, of pages that are present or swapped out.
_IN_MEMORY = re.compile(rb"[\x40-\xff]+")


def digest(process: Process) -> bytes:
    """16 bytes.  The status flags do not count: some instructions leave them undefined.

    Pages that are all zero count as those that nobody has touched.
    """
    memory = process.memory
    found = blake2b(digest_size=16)
    for tid in sorted(process.tasks):
        cpu = process.tasks[tid].cpu
        found.update(f"{tid} {cpu.icount} {cpu.rip} {cpu.get('eflags') & ~_STATUS_FLAGS} ".encode())
        found.update(_registers(cpu))
    for start, end, flags in memory.runs():
        found.update(f"{start} {end} {flags} ".encode())
    for vma in process.space:
        for start, end in _touched(memory, vma):
            for at in range(start, end, _CHUNK):
                data = _bytes(memory, at, min(_CHUNK, end - at))
                found.update(_engine.page_digests(at, data))
    return found.digest()


def _registers(cpu: _engine.Cpu) -> bytes:
    names = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
    more = ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "fs_base", "gs_base", "mxcsr")
    words = b"".join(cpu.get(name).to_bytes(8, "little") for name in names + more)
    return words + cpu.xsave()


def _touched(memory: _engine.Memory, vma: Vma) -> Iterator[tuple[int, int]]:
    """The ranges of a mapping that may hold something but zeros."""
    if vma.origin:  # a file, or shared
        yield vma.start, vma.end
        return
    fd = posix.open("/proc/self/pagemap", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        for at in range(vma.start, vma.end, _CHUNK * 64):
            count = (min(at + _CHUNK * 64, vma.end) - at) // PAGE
            words = posix.pread(fd, count * 8, (at + memory.skew) // PAGE * 8)
            for run in _IN_MEMORY.finditer(words[7::8]):
                yield at + run.start() * PAGE, at + run.end() * PAGE
    finally:
        posix.close(fd)


def _bytes(memory: _engine.Memory, start: int, length: int) -> bytes:
    """The bytes of mapped pages; those beyond the end of their file are left out."""
    try:
        return memory.read(start, length, force=True)
    except _engine.MemoryFault as fault:
        behind = (fault.address | 0xFFF) + 1 - start
        there = memory.read(start, fault.address - start, force=True)
    return there + (_bytes(memory, start + behind, length - behind) if behind < length else b"")
