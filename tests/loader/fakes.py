"""A guest memory made of a dict of pages, as strict as the engine's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blink.abi.layout import GUEST_MIN, GUEST_TOP, PAGE
from blink.loader import Image, Program, build_stack

if TYPE_CHECKING:
    from blink.loader.image import Mapper

MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 2, 0x10, 0x20
PROT_WRITE = 2


class FakeMemory:
    """Implements the loader's Mapper; every misuse is an AssertionError.

    File pages are read when they are first looked at, so that a sparse image costs nothing.
    `refuse` is the number of the map() call that fails; `top` replaces GUEST_TOP.
    """

    def __init__(self, refuse: int = 0, top: int = GUEST_TOP) -> None:
        self.regions: list[tuple[int, int, int, Path | None, int]] = []
        self.dirty: dict[int, bytearray] = {}
        self.refuse = refuse
        self.top = top
        self.calls = 0
        self.mapped = 0

    def map(
        self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0
    ) -> None:
        self.calls += 1
        if self.calls == self.refuse:
            raise OSError(12, "Cannot allocate memory")
        assert addr % PAGE == 0
        assert length > 0
        assert length % PAGE == 0
        assert offset % PAGE == 0
        assert GUEST_MIN <= addr < addr + length <= self.top
        assert prot & ~7 == 0
        assert flags & (MAP_PRIVATE | MAP_FIXED) == MAP_PRIVATE | MAP_FIXED
        assert bool(flags & MAP_ANONYMOUS) == (fd == -1)
        name = None
        if fd >= 0:
            assert offset >= 0
            assert offset + length - PAGE < os.fstat(fd).st_size, "a page behind the end of file"
            name = Path(f"/proc/self/fd/{fd}").readlink()
        for page in [page for page in self.dirty if addr <= page < addr + length]:
            del self.dirty[page]
        self.regions.append((addr, addr + length, prot, name, offset))
        self.mapped += length

    def write(self, addr: int, data: bytes) -> None:
        while data:
            page, start = addr & -PAGE, addr % PAGE
            size = min(PAGE - start, len(data))
            assert self.prot(page) & PROT_WRITE, f"write to {addr:#x}"
            self._page(page)[start : start + size] = data[:size]
            addr, data = addr + size, data[size:]

    def zero(self, addr: int, n: int) -> None:
        assert n > 0
        self.write(addr, bytes(n))

    def read(self, addr: int, n: int) -> bytes:
        """What the guest would read."""
        parts = []
        while n:
            page, start = addr & -PAGE, addr % PAGE
            size = min(PAGE - start, n)
            parts.append(bytes(self._page(page)[start : start + size]))
            addr, n = addr + size, n - size
        return b"".join(parts)

    def prot(self, addr: int) -> int:
        """The protection of a mapped page."""
        return self._region(addr)[2]

    def _region(self, addr: int) -> tuple[int, int, int, Path | None, int]:
        for region in reversed(self.regions):
            if region[0] <= addr < region[1]:
                return region
        raise AssertionError(f"{addr:#x} is not mapped")

    def _page(self, page: int) -> bytearray:
        if page not in self.dirty:
            start, _, _, name, offset = self._region(page)
            data = b""
            if name is not None:
                with name.open("rb") as file:
                    file.seek(offset + page - start)
                    data = file.read(PAGE)
            self.dirty[page] = bytearray(data.ljust(PAGE, b"\0"))
        return self.dirty[page]


class BlankMemory(FakeMemory):
    """Checks every call, but knows nothing of the files' contents."""

    def _page(self, page: int) -> bytearray:
        return self.dirty.setdefault(page, bytearray(PAGE))


def place(size: int) -> int:
    """A page for an interpreter of `size` bytes, high as the kernel's allocator would choose."""
    assert 0 < size <= 1 << 40
    return (0x1FFF_0000_0000 - size) & -PAGE


def plain_stack(memory: Mapper, image: Image, program: Program) -> None:
    """The initial stack of a program of root's, with nothing random in it."""
    build_stack(
        memory, image, program.argv, program.env,
        values={}, random16=bytes(16), execfn=program.path,
    )  # fmt: skip
