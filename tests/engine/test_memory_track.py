"""Memory: write tracking, what the host kernel writes, fork, threads."""

from __future__ import annotations

import ctypes
import os
import random
import threading

from blink.machine.memory import PAGE_DIRTY, PAGE_R, PAGE_TRACK, Memory, MemoryFault
from engine.memory_help import (
    BASE,
    GIB,
    NORESERVE,
    PAGE,
    PRIVATE,
    RW,
    SHARED,
    MakeFile,
    fault_of,
    host_prot,
)


def test_dirty_pages_are_exactly_those_written(memory: Memory) -> None:
    memory.map(BASE, 16 * PAGE, RW, PRIVATE)
    memory.map(BASE + 16 * PAGE, PAGE, PAGE_R, PRIVATE)
    memory.map(BASE + 17 * PAGE, PAGE, RW, SHARED)
    memory.write(BASE, b"before")
    memory.track()
    assert memory.dirty() == []
    assert host_prot(memory, BASE + 3 * PAGE) == "r--p"
    assert memory.flags(BASE) & PAGE_TRACK
    memory.write(BASE + 2 * PAGE - 1, b"ab")  # two pages
    memory.zero(BASE + 5 * PAGE, 8)
    memory.prepare_write(BASE + 9 * PAGE + 5, 1)
    memory.write(BASE + 17 * PAGE, b"shared is not tracked")
    memory.read(BASE + 7 * PAGE, 8)
    pages = [1, 2, 5, 9]
    assert memory.dirty() == [BASE + i * PAGE for i in pages]
    memory.protect(BASE + 16 * PAGE, PAGE, RW)  # becomes writable: tracked from now on
    assert memory.dirty() == [BASE + i * PAGE for i in pages]
    memory.write(BASE + 16 * PAGE, b"x")
    assert memory.dirty() == [BASE + i * PAGE for i in [*pages, 16]]
    memory.track()  # begins anew
    assert memory.dirty() == []
    memory.write(BASE + PAGE, b"again")
    assert memory.dirty() == [BASE + PAGE]
    memory.untrack()
    assert memory.dirty() == []
    assert not any(memory.flags(BASE + i * PAGE) & (PAGE_TRACK | PAGE_DIRTY) for i in range(18))
    assert host_prot(memory, BASE + 3 * PAGE) == "rw-p"


def test_tracking_survives_protect_and_remap(memory: Memory) -> None:
    memory.map(BASE, 4 * PAGE, RW, PRIVATE)
    memory.track()
    memory.protect(BASE, PAGE, PAGE_R)
    memory.protect(BASE, PAGE, RW)
    memory.write(BASE + PAGE, b"x")
    memory.protect(BASE + PAGE, PAGE, PAGE_R)
    assert memory.dirty() == [BASE + PAGE]
    memory.remap(BASE + 2 * PAGE, PAGE, BASE + 32 * PAGE, PAGE)
    assert memory.dirty() == [BASE + PAGE, BASE + 32 * PAGE]  # moved counts as written
    memory.write(BASE, b"y")
    assert memory.dirty() == [BASE, BASE + PAGE, BASE + 32 * PAGE]


def test_tracking_a_huge_mapping(memory: Memory) -> None:
    start = 0x200_0000_0000
    memory.map(start, 64 * GIB, RW, PRIVATE | NORESERVE)
    memory.track()
    memory.write(start + 33 * GIB - 1, b"ab")
    assert memory.dirty() == [start + 33 * GIB - PAGE, start + 33 * GIB]


def test_the_host_kernel_writes_after_prepare_write(memory: Memory, make_file: MakeFile) -> None:
    fd = make_file(b"from the file")
    memory.map(BASE, 2 * PAGE, RW, PRIVATE)
    memory.track()
    at = BASE + PAGE - 6
    assert host_pread(fd, at + memory.skew, 13) == -1
    memory.prepare_write(at, 13)
    assert host_pread(fd, at + memory.skew, 13) == 13
    assert memory.read(at, 13) == b"from the file"
    memory.protect(BASE, 2 * PAGE, PAGE_R)
    memory.prepare_write(at, 13)
    assert host_pread(fd, at + memory.skew, 13) == -1  # the host checks the guest's protection


def host_pread(fd: int, address: int, size: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    pread = libc.pread
    pread.restype = ctypes.c_ssize_t
    return int(pread(fd, ctypes.c_void_p(address), ctypes.c_size_t(size), ctypes.c_long(0)))


def test_fork_keeps_memory_and_tracking(memory: Memory) -> None:
    memory.map(BASE, 8 * PAGE, RW, PRIVATE)
    memory.map(BASE + 8 * PAGE, PAGE, RW, SHARED)
    memory.write(BASE, b"parent")
    memory.fork_begin()
    child = os.fork()
    memory.fork_end()
    if child == 0:
        status = 1
        try:
            memory.track()
            assert memory.read(BASE, 6) == b"parent"
            memory.write(BASE + 3 * PAGE, b"child")
            memory.map(BASE + 16 * PAGE, PAGE, RW, PRIVATE)
            assert memory.dirty() == [BASE + 3 * PAGE]
            fault_of(memory.read, BASE + 20 * PAGE, 1)
            memory.write(BASE + 8 * PAGE, b"done")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert memory.read(BASE + 8 * PAGE, 4) == b"done"
    assert memory.read(BASE + 3 * PAGE, 5) == bytes(5)
    assert memory.flags(BASE + 16 * PAGE) == 0


def test_threads_read_write_and_protect_at_once(memory: Memory) -> None:
    """Readers and writers meet pages that change under them: MemoryFault or success, never more."""
    memory.map(BASE, 512 * PAGE, RW, PRIVATE)
    stop = threading.Event()
    problems: list[BaseException] = []

    def hammer(seed: int) -> None:
        rng = random.Random(seed)
        try:
            while not stop.is_set():
                at = BASE + rng.randrange(128) * PAGE
                try:
                    memory.write(at, b"w" * (256 << 10))  # long enough to run without the GIL
                    memory.read(at, 256 << 10)
                except MemoryFault as fault:
                    assert at <= fault.address < at + (256 << 10)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=hammer, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    rng = random.Random(99)
    for _ in range(300):
        page = BASE + rng.randrange(512) * PAGE
        memory.protect(page, PAGE, rng.choice((0, PAGE_R)))
        memory.track()
        memory.unmap(page, PAGE)
        memory.untrack()
        memory.map(page, PAGE, RW, PRIVATE)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not problems
