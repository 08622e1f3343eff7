"""What the memory tests share."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.abi import layout
from blink.machine.memory import PAGE_R, PAGE_W, Memory, MemoryFault

PAGE = layout.PAGE
BASE = 0x1800_0000_0000
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
SHARED = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
NORESERVE = 0x4000
RW = PAGE_R | PAGE_W
GIB = 1 << 30
MakeFile = Callable[[bytes], int]  # content -> an open descriptor of a file without a name


def fault_of(method: Callable[..., object], *args: object, **more: object) -> tuple[int, bool]:
    """(address, write) of the MemoryFault that the call raises."""
    with pytest.raises(MemoryFault) as caught:
        method(*args, **more)
    return caught.value.address, caught.value.write


def errno_of(method: Callable[..., object], *args: object) -> int:
    """The errno of the OSError that the call raises."""
    with pytest.raises(OSError) as caught:
        method(*args)
    assert caught.value.errno is not None
    return caught.value.errno


def host_prot(memory: Memory, addr: int) -> str:
    """The host's permissions of the page, as /proc/self/maps prints them; "" if it has none."""
    host = addr + memory.skew
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, prot = line.split()[:2]
        start, end = (int(x, 16) for x in span.split("-"))
        if start <= host < end:
            return prot
    return ""


def own_rss() -> int:
    """Resident bytes of this process, exactly: statm is off by what CPUs have not yet added up."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Rss:"))
