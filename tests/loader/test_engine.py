"""The loader over the engine's memory: the same bytes as over the fake."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from blink import _engine
from blink.abi.layout import PAGE
from blink.loader import LoadError, build_stack, load, open_program
from loader.elfs import elf, phdr, save
from loader.fakes import FakeMemory, place


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize("path", ["/bin/true", "/bin/bash", "/lib64/ld-linux-x86-64.so.2"])
def test_the_engine_maps_the_same(path: str, paged: bool) -> None:
    memory, fake = _engine.Memory(paged), FakeMemory()
    images = []
    for target in (memory, fake):
        with open_program(path, ["name", "argument"], ["A=b"]) as program:
            image = load(program, target, place=place)
            build_stack(
                target,
                image,
                program.argv,
                program.env,
                values={11: 1, 16: 1},
                random16=bytes(16),
                execfn=program.path,
            )
        images.append(image)
    ours, other = images
    assert ours.rsp == other.rsp
    for segment in ours.segments[:-1]:
        size = segment.end - segment.start
        assert memory.read(segment.start, size) == fake.read(segment.start, size)
        for page in range(segment.start, segment.end, PAGE):
            assert memory.flags(page) & 7 == segment.prot
    top = ours.segments[-1].end
    assert memory.read(ours.rsp, top - ours.rsp) == fake.read(ours.rsp, top - ours.rsp)
    memory.reset()


def test_addresses_that_the_host_occupies(tmp_path: Path) -> None:
    """Linear memory never maps over our own process."""
    mmap = ctypes.CDLL(None).mmap
    mmap.argtypes = (ctypes.c_void_p, *(ctypes.c_long,) * 5)
    mmap.restype = ctypes.c_long
    address = 0x123 << 32
    flags = 0x100000 | 0x22  # MAP_FIXED_NOREPLACE, MAP_PRIVATE, MAP_ANONYMOUS
    assert mmap(address, PAGE, 3, flags, -1, 0) == address
    path = save(tmp_path / "program", elf(phdr(vaddr=address), entry=address))
    try:
        with open_program(path, [], []) as program, pytest.raises(LoadError) as caught:
            load(program, _engine.Memory(False), place=place)
    finally:
        assert ctypes.CDLL(None).munmap(ctypes.c_void_p(address), PAGE) == 0
    assert "blink itself occupies" in caught.value.message
    assert caught.value.fatal
