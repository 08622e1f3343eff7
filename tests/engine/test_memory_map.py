"""Memory's mappings, in both modes, against the rules of mmap(2) and its relatives."""

from __future__ import annotations

import errno
import mmap
import os

import pytest

from blink.abi import layout
from blink.machine.memory import PAGE_MAPPED, PAGE_R, PAGE_SHARED, PAGE_X, Memory
from engine.memory_help import (
    BASE,
    GIB,
    NORESERVE,
    PAGE,
    PRIVATE,
    RW,
    SHARED,
    MakeFile,
    errno_of,
    host_prot,
    own_rss,
)


def test_map_replaces_guest_pages(memory: Memory, make_file: MakeFile) -> None:
    memory.map(BASE, 4 * PAGE, RW, PRIVATE)
    memory.write(BASE, b"old!" * PAGE)
    fd = make_file(bytes(PAGE) + b"file" * (PAGE // 4))
    memory.map(BASE + PAGE, 100, PAGE_R, mmap.MAP_PRIVATE, fd, PAGE)
    assert memory.read(BASE + PAGE - 4, 8) == b"old!file"
    assert memory.read(BASE + 2 * PAGE - 4, 8) == b"fileold!"
    assert [(r.start, r.end, r.flags) for r in memory.regions()] == [
        (BASE, BASE + PAGE, PAGE_MAPPED | RW),
        (BASE + PAGE, BASE + 2 * PAGE, PAGE_MAPPED | PAGE_R),
        (BASE + 2 * PAGE, BASE + 4 * PAGE, PAGE_MAPPED | RW),
    ]


def test_map_over_a_mix_of_guest_pages_and_holes(memory: Memory) -> None:
    for page in (0, 2, 3, 7):
        memory.map(BASE + page * PAGE, PAGE, RW, PRIVATE)
    memory.map(BASE - PAGE, 10 * PAGE, PAGE_R, PRIVATE)
    assert [(r.start, r.end) for r in memory.regions()] == [(BASE - PAGE, BASE + 9 * PAGE)]
    assert memory.read(BASE - PAGE, 10 * PAGE) == bytes(10 * PAGE)


def test_a_failed_map_over_a_mix_leaves_the_holes(memory: Memory) -> None:
    memory.map(BASE + PAGE, PAGE, RW, PRIVATE)
    memory.write(BASE + PAGE, b"kept")
    assert errno_of(memory.map, BASE, 3 * PAGE, RW, mmap.MAP_PRIVATE, -1) == errno.EBADF
    assert [host_prot(memory, BASE + i * PAGE) for i in range(3)] == ["", "rw-p", ""]
    assert memory.read(BASE + PAGE, 4) == b"kept"


def test_host_mappings_are_never_replaced() -> None:
    """Linear mode: what the host has in the guest's range is refused, whole or in part."""
    host, guest = (
        Memory(),
        Memory(),
    )  # two spaces of one process see each other's pages as the host's
    host.map(BASE + 4 * PAGE, PAGE, RW, PRIVATE)
    host.write(BASE + 4 * PAGE, b"host")
    guest.map(BASE, PAGE, RW, PRIVATE)
    for start, pages in ((4, 1), (3, 2), (4, 2), (0, 8), (-2, 12)):
        at = BASE + start * PAGE
        assert errno_of(guest.map, at, pages * PAGE, RW, PRIVATE) == errno.EEXIST
    assert [(r.start, r.end) for r in guest.regions()] == [(BASE, BASE + PAGE)]
    assert host_prot(guest, BASE + PAGE) == ""  # no placeholder was left
    assert guest.probe(BASE + 4 * PAGE, 4) == BASE + 4 * PAGE
    guest.unmap(BASE, 8 * PAGE)
    assert host.read(BASE + 4 * PAGE, 4) == b"host"
    assert errno_of(guest.protect, BASE + 4 * PAGE, PAGE, 0) == errno.ENOMEM
    guest.map(BASE, PAGE, RW, PRIVATE)
    assert errno_of(guest.remap, BASE, PAGE, BASE + 3 * PAGE, 2 * PAGE) == errno.EEXIST
    assert guest.read(BASE, 1) == b"\0"
    host.reset()
    guest.reset()


@pytest.mark.parametrize(
    ("addr", "length", "prot", "flags", "error"),
    [
        (BASE + 1, PAGE, RW, PRIVATE, errno.EINVAL),
        (BASE, 0, RW, PRIVATE, errno.EINVAL),
        (BASE, PAGE, 8, PRIVATE, errno.EINVAL),
        (BASE, PAGE, RW, mmap.MAP_ANONYMOUS, errno.EINVAL),
        (layout.GUEST_TOP, PAGE, RW, PRIVATE, errno.ENOMEM),
        (layout.GUEST_TOP - PAGE, PAGE + 1, RW, PRIVATE, errno.ENOMEM),
        (BASE, (1 << 64) - PAGE, RW, PRIVATE, errno.ENOMEM),
        (BASE, PAGE, RW, mmap.MAP_PRIVATE, errno.EBADF),
        (BASE, 2 << 20, RW, PRIVATE | 0x40000, errno.ENOMEM),  # MAP_HUGETLB
    ],
)
def test_map_refuses(
    memory: Memory, addr: int, length: int, prot: int, flags: int, error: int
) -> None:
    assert errno_of(memory.map, addr, length, prot, flags) == error
    assert memory.regions() == []


def test_unmap(memory: Memory) -> None:
    memory.map(BASE, 8 * PAGE, RW, PRIVATE)
    memory.write(BASE, b"x" * (8 * PAGE))
    memory.unmap(BASE + 2 * PAGE, PAGE + 1)
    assert [(r.start, r.end) for r in memory.regions()] == [
        (BASE, BASE + 2 * PAGE),
        (BASE + 4 * PAGE, BASE + 8 * PAGE),
    ]
    assert host_prot(memory, BASE + 2 * PAGE) == ""
    memory.unmap(BASE - PAGE, 32 * PAGE)
    memory.unmap(BASE, PAGE)  # nothing there: success, as munmap(2) says
    assert memory.regions() == []
    assert errno_of(memory.unmap, BASE + 1, PAGE) == errno.EINVAL
    assert errno_of(memory.unmap, BASE, 0) == errno.EINVAL
    assert errno_of(memory.unmap, layout.GUEST_TOP, PAGE) == errno.EINVAL


def test_protect_stops_at_the_first_hole(memory: Memory) -> None:
    memory.map(BASE, 2 * PAGE, RW, PRIVATE)
    memory.map(BASE + 3 * PAGE, PAGE, RW, PRIVATE)
    assert errno_of(memory.protect, BASE, 4 * PAGE, PAGE_R) == errno.ENOMEM
    assert [memory.flags(BASE + i * PAGE) & 7 for i in range(4)] == [PAGE_R, PAGE_R, 0, RW]
    memory.protect(BASE, 0, PAGE_R)
    assert errno_of(memory.protect, BASE + 8, PAGE, PAGE_R) == errno.EINVAL
    assert errno_of(memory.protect, BASE, PAGE, 16) == errno.EINVAL


def test_a_failed_protect_changes_nothing(memory: Memory, make_file: MakeFile) -> None:
    fd = make_file(b"f" * PAGE)
    reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    memory.map(BASE, PAGE, PAGE_R, PRIVATE)
    memory.map(BASE + PAGE, PAGE, PAGE_R, mmap.MAP_SHARED, reader)
    os.close(reader)
    assert errno_of(memory.protect, BASE, 2 * PAGE, RW) == errno.EACCES
    assert [memory.flags(BASE + i * PAGE) & 7 for i in range(2)] == [PAGE_R, PAGE_R]
    assert host_prot(memory, BASE) == "r--p"


def test_shared_mappings_reach_the_file(memory: Memory, make_file: MakeFile) -> None:
    fd = make_file(b"f" * PAGE)
    memory.map(BASE, PAGE, RW, mmap.MAP_SHARED, fd)
    memory.write(BASE + 5, b"shared")
    assert os.pread(fd, 6, 5) == b"shared"
    assert memory.flags(BASE) == PAGE_MAPPED | PAGE_SHARED | RW
    memory.map(BASE + PAGE, PAGE, RW, mmap.MAP_PRIVATE, fd)
    memory.write(BASE + PAGE, b"private")
    assert os.pread(fd, 7, 0) == b"fffffsh"


def test_remap_moves_grows_and_shrinks(memory: Memory) -> None:
    target = BASE + 64 * PAGE
    memory.map(BASE, 4 * PAGE, RW, PRIVATE)
    memory.write(BASE, b"abcd" * PAGE)
    memory.remap(BASE, 4 * PAGE, target, 6 * PAGE)
    assert [(r.start, r.end) for r in memory.regions()] == [(target, target + 6 * PAGE)]
    assert memory.read(target, 6 * PAGE) == b"abcd" * PAGE + bytes(2 * PAGE)
    memory.remap(target, 6 * PAGE, BASE, 2 * PAGE)
    assert memory.read(BASE, 2 * PAGE) == b"abcd" * (PAGE // 2)
    memory.remap(BASE, 2 * PAGE, BASE, 3 * PAGE)
    assert memory.read(BASE + 2 * PAGE, PAGE) == bytes(PAGE)
    memory.remap(BASE, 3 * PAGE, BASE, PAGE)
    assert [(r.start, r.end) for r in memory.regions()] == [(BASE, BASE + PAGE)]
    memory.map(BASE + PAGE, PAGE, PAGE_R, PRIVATE)
    assert errno_of(memory.remap, BASE, PAGE, BASE, 2 * PAGE) == errno.ENOMEM
    memory.remap(BASE, PAGE, BASE + PAGE, PAGE)  # replaces the guest's page there
    assert memory.read(BASE + PAGE, 4) == b"abcd"
    assert errno_of(memory.remap, BASE, PAGE, target, PAGE) == errno.EFAULT
    assert errno_of(memory.remap, BASE + PAGE, PAGE, BASE + PAGE, 0) == errno.EINVAL
    assert errno_of(memory.remap, BASE + PAGE, PAGE, BASE, 2 * PAGE) == errno.EINVAL


def test_remap_of_length_zero_makes_a_second_view(memory: Memory) -> None:
    memory.map(BASE, 2 * PAGE, RW, SHARED)
    memory.remap(BASE, 0, BASE + 8 * PAGE, PAGE)
    memory.write(BASE, b"twice")
    assert memory.read(BASE + 8 * PAGE, 5) == b"twice"
    assert memory.flags(BASE + 8 * PAGE) == memory.flags(BASE)
    assert memory.flags(BASE + 9 * PAGE) == 0
    memory.map(BASE, PAGE, RW, PRIVATE)
    assert errno_of(memory.remap, BASE, 0, BASE + 16 * PAGE, PAGE) == errno.EINVAL


def test_reservations_of_terabytes_are_cheap(memory: Memory) -> None:
    """A 15 TiB PROT_NONE reservation, opened page by page, costs no table to speak of.

    It ends below 16 TiB, where translators of other tests in this process have their arenas.
    """
    size = 15 << 40
    start = 0x80_0000_0000 + 5 * PAGE
    before = own_rss()
    memory.map(start, size, 0, PRIVATE | NORESERVE)
    assert memory.flags(start + size - 1) == PAGE_MAPPED
    for i in range(8):
        memory.protect(start + i * (2 << 40), PAGE, RW)
        memory.write(start + i * (2 << 40), b"x")
    assert len(memory.regions()) == 16
    memory.unmap(start + PAGE, size - 2 * PAGE)
    assert len(memory.regions()) == 2
    assert own_rss() - before < 8 << 20


def test_flags_of_gigabytes_next_to_small_changes(memory: Memory) -> None:
    start = 0x200_0000_0000
    memory.map(start, 64 * GIB, RW, PRIVATE | NORESERVE)
    memory.protect(start + GIB, GIB, PAGE_R)  # a whole leaf
    memory.protect(start + 4 * GIB - PAGE, 2 * PAGE, PAGE_X)  # across two
    memory.unmap(start + 10 * GIB + PAGE, 2 * GIB)
    assert [(r.start - start, r.end - start, r.flags & 7) for r in memory.regions()] == [
        (0, GIB, RW),
        (GIB, 2 * GIB, PAGE_R),
        (2 * GIB, 4 * GIB - PAGE, RW),
        (4 * GIB - PAGE, 4 * GIB + PAGE, PAGE_X),
        (4 * GIB + PAGE, 10 * GIB + PAGE, RW),
        (12 * GIB + PAGE, 64 * GIB, RW),
    ]
    inside = memory.regions(start + GIB + 1, start + 3 * GIB)
    assert [(r.start - start, r.end - start) for r in inside] == [
        (GIB, 2 * GIB),
        (2 * GIB, 3 * GIB),
    ]


def test_reset_drops_everything(memory: Memory) -> None:
    memory.map(BASE, 64 * PAGE, RW, PRIVATE)
    memory.map(0x200_0000_0000, 4 * GIB, 0, PRIVATE | NORESERVE)
    memory.track()
    epoch = memory.code_epoch
    memory.reset()
    assert memory.regions() == []
    assert host_prot(memory, BASE) == host_prot(memory, 0x200_0000_0000) == ""
    assert memory.code_epoch > epoch
    memory.map(BASE, PAGE, RW, PRIVATE)
    memory.protect(BASE, PAGE, RW)
    assert memory.flags(BASE) == PAGE_MAPPED | RW  # no longer tracking


def test_unmapped_when_collected() -> None:
    memory = Memory()
    memory.map(BASE, PAGE, RW, PRIVATE)
    del memory
    assert host_prot(Memory(), BASE) == ""


def test_rss_counts_the_guest_only(memory: Memory) -> None:
    assert memory.rss == 0
    memory.map(BASE, 64 << 20, RW, PRIVATE)
    memory.write(BASE, b"x" * (8 << 20))
    assert 8 << 20 <= memory.rss <= 12 << 20
