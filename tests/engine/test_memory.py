"""blink.machine.Memory: access, faults, protection and search, in both modes."""

from __future__ import annotations

import mmap
import os
import random

import pytest

from blink import _engine
from blink.abi import layout
from blink.machine.memory import PAGE_MAPPED, PAGE_R, PAGE_W, PAGE_X, Memory
from engine.memory_help import BASE, PAGE, PRIVATE, RW, MakeFile, fault_of, host_prot


def test_constants_are_the_layout_of_abi() -> None:
    assert _engine.GUEST_TOP == layout.GUEST_TOP
    assert _engine.PAGED_SKEW == layout.PAGED_SKEW


def test_skew_and_mode() -> None:
    assert (Memory().skew, Memory().paged) == (0, False)
    assert (Memory(paged=True).skew, Memory(True).paged) == (layout.PAGED_SKEW, True)


def test_bytes_and_integers_round_trip(memory: Memory) -> None:
    memory.map(BASE, 3 * PAGE, RW, PRIVATE)
    at = BASE + PAGE - 3  # crosses a page
    memory.write(at, bytearray(b"\x88\x77\x66\x55\x44\x33\x22\x11"))
    assert memory.read(at, 8) == bytes.fromhex("8877665544332211")
    assert memory.read_u64(at) == 0x1122334455667788
    assert memory.read_u32(at) == 0x55667788
    assert memory.read_u16(at) == 0x7788
    assert memory.read_u8(at) == 0x88
    memory.write_u64(at, -2)
    memory.write_u32(at, 0x1_0000_0001)
    memory.write_u16(at, 0xBEEF)
    memory.write_u8(at, 0x12)
    assert memory.read(at, 8).hex() == "12be0000ffffffff"
    assert memory.read(BASE, 0) == b""


def test_large_copies_arrive_whole(memory: Memory) -> None:
    data = random.Random(7).randbytes(3 * (1 << 20) + 5)
    memory.map(BASE, 4 << 20, RW, PRIVATE)
    memory.write(BASE + 3, data)
    assert memory.read(BASE + 3, len(data)) == data


@pytest.mark.parametrize("length", [1, 7, 64, 300, 5000, 1 << 20])
def test_faults_name_the_first_bad_address(memory: Memory, length: int) -> None:
    memory.map(BASE, PAGE, RW, PRIVATE)
    memory.map(BASE + (2 << 20), PAGE, RW, PRIVATE)
    end = BASE + PAGE
    at = end - min(length - 1, PAGE)
    assert fault_of(memory.read, at, length) == (end, False)
    assert fault_of(memory.write, at, bytes(length)) == (end, True)
    assert fault_of(memory.zero, at, length) == (end, True)
    assert memory.probe(at, length) == end
    assert fault_of(memory.read, end + 5, length) == (end + 5, False)


def test_addresses_outside_the_guest_are_faults(memory: Memory) -> None:
    host = id(memory)  # mapped, but the host's
    for address in (0, host, layout.GUEST_TOP, (1 << 63) - 1, 1 << 63, (1 << 64) - 8):
        assert fault_of(memory.read, address, 8) == (address, False)
        assert fault_of(memory.write, address, b"x") == (address, True)
        assert memory.probe(address, 1) == address
        assert memory.flags(address) == 0
        memory.prepare_write(address, (1 << 64) - 1)
        memory.invalidate(address, (1 << 64) - 1)


def test_a_range_that_runs_out_of_the_guest_space(memory: Memory) -> None:
    last = layout.GUEST_TOP - PAGE
    memory.map(last, PAGE, RW, PRIVATE)
    assert memory.read(last, PAGE) == bytes(PAGE)
    assert fault_of(memory.read, last, PAGE + 1) == (layout.GUEST_TOP, False)
    assert fault_of(memory.read, last + 8, (1 << 64) - 1) == (layout.GUEST_TOP, False)


def test_negative_and_huge_numbers_are_refused(memory: Memory) -> None:
    with pytest.raises(OverflowError):
        memory.read(-1, 1)
    with pytest.raises(OverflowError):
        memory.read(1 << 64, 1)
    with pytest.raises(TypeError):
        memory.read(BASE)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        memory.read(BASE, 1, size=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        memory.write(BASE, "text")  # type: ignore[arg-type]


@pytest.mark.parametrize("prot", range(8))
def test_protection_is_x86s(memory: Memory, prot: int) -> None:
    """PROT_WRITE and PROT_EXEC imply readable; PROT_NONE is neither."""
    memory.map(BASE, PAGE, prot, PRIVATE)
    readable, writable = bool(prot), bool(prot & PAGE_W)
    assert memory.probe(BASE, 1) == (None if readable else BASE)
    assert memory.probe(BASE, 1, write=True) == (None if writable else BASE)
    if readable:
        assert memory.read(BASE, 4) == bytes(4)
    else:
        assert fault_of(memory.read, BASE + 1, 4) == (BASE + 1, False)
    if writable:
        memory.write(BASE, b"data")
    else:
        assert fault_of(memory.write, BASE + 1, b"data") == (BASE + 1, True)
    assert memory.flags(BASE) == PAGE_MAPPED | prot
    host = host_prot(memory, BASE)
    assert host == ("r" if readable else "-") + ("w" if writable else "-") + "-p"


@pytest.mark.parametrize("prot", [0, PAGE_R, PAGE_X, PAGE_R | PAGE_X, RW])
def test_force_ignores_the_guests_protection(memory: Memory, prot: int) -> None:
    memory.map(BASE, 2 * PAGE, RW, PRIVATE)
    memory.write(BASE, b"a" * 2 * PAGE)
    memory.protect(BASE, PAGE, prot)
    before = host_prot(memory, BASE)
    memory.write(BASE + PAGE - 2, b"bbbb", force=True)
    assert memory.read(BASE + PAGE - 3, 6, force=True) == b"abbbba"
    assert memory.flags(BASE) == PAGE_MAPPED | prot
    assert host_prot(memory, BASE) == before
    assert fault_of(memory.read, BASE + 2 * PAGE - 1, 2, force=True) == (
        BASE + 2 * PAGE,
        False,
    )


def test_force_does_not_write_a_file_through_a_read_only_view(
    memory: Memory, make_file: MakeFile
) -> None:
    fd = make_file(b"x" * PAGE)
    memory.map(BASE, PAGE, PAGE_R, mmap.MAP_SHARED, fd)
    assert fault_of(memory.write, BASE + 9, b"y", force=True) == (BASE + 9, True)
    assert os.pread(fd, PAGE, 0) == b"x" * PAGE


def test_strings(memory: Memory) -> None:
    memory.map(BASE, 2 * PAGE, RW, PRIVATE)
    end = BASE + 2 * PAGE
    memory.write(BASE + PAGE - 300, b"s" * 600 + b"\0")
    assert memory.read_cstr(BASE + PAGE - 300) == b"s" * 600
    assert memory.read_cstr(BASE + PAGE - 300, 600) == b"s" * 600
    assert memory.read_cstr(BASE + PAGE - 300, 10) == b"s" * 10
    assert memory.read_cstr(BASE) == b""
    memory.write(end - 3, b"end")
    assert fault_of(memory.read_cstr, end - 3) == (end, False)
    assert memory.read_cstr(end - 3, 3) == b"end"
    memory.write(end - 1, b"\0")
    assert memory.read_cstr(end - 3) == b"en"
    memory.write(BASE, b"t" * (2 * PAGE))
    assert memory.read_cstr(BASE, 5000) == b"t" * 5000
    assert fault_of(memory.read_cstr, 0) == (0, False)


def test_pages_past_the_end_of_a_file_are_faults(memory: Memory, make_file: MakeFile) -> None:
    """The host raises SIGBUS there; its address is exact also when a copy began elsewhere."""
    fd = make_file(b"f" * (PAGE + 10))
    for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
        memory.map(BASE, 4 * PAGE, RW, flags, fd)
        hole = BASE + 2 * PAGE
        assert memory.read(BASE, 2 * PAGE) == b"f" * (PAGE + 10) + bytes(PAGE - 10)
        assert fault_of(memory.read, BASE + 1, 4 * PAGE - 1) == (hole, False)
        assert fault_of(memory.read, hole + 7, 8) == (hole + 7, False)
        assert fault_of(memory.write, hole - 3, b"12345") == (hole, True)
        assert memory.read(hole - 4, 4)[0] == 0
        assert fault_of(memory.zero, hole + 1, 9) == (hole + 1, True)
        assert fault_of(memory.read, hole, 8, force=True) == (hole, False)
        memory.write(hole - 3, b"AAA")
        assert fault_of(memory.read_cstr, hole - 3) == (hole, False)
        memory.write(hole - 3, bytes(3))  # the page cache would show it in the next mapping
        assert memory.probe(BASE, 4 * PAGE) == hole
        assert memory.probe(hole + 5, 1, write=True) == hole + 5
        memory.protect(BASE, 4 * PAGE, PAGE_R)
        if flags == mmap.MAP_PRIVATE:
            assert fault_of(memory.write, hole, b"x", force=True) == (hole, True)
            assert host_prot(memory, BASE) == "r--p"
        memory.unmap(BASE, 4 * PAGE)


def test_find(memory: Memory) -> None:
    memory.map(BASE, 3 << 20, RW, PRIVATE)
    places = [BASE + 5, BASE + PAGE - 2, BASE + (1 << 20) - 3, BASE + (3 << 20) - 6]
    for place in places:
        memory.write(place, b"needle")
    memory.protect(BASE + PAGE, PAGE, PAGE_R)  # an occurrence spans two regions
    assert list(memory.find(b"needle")) == places
    assert list(memory.find(b"needle", BASE + 6, places[-1] + 5)) == places[1:3]
    assert list(memory.find(b"needle", BASE + 5, BASE + 11)) == places[:1]
    memory.protect(BASE + PAGE, PAGE, 0)
    assert list(memory.find(b"needle")) == [places[0], *places[2:]]
    assert list(memory.find(b"absent")) == []
    with pytest.raises(ValueError):
        memory.find(b"")


def test_find_overlaps(memory: Memory) -> None:
    memory.map(BASE, PAGE, RW, PRIVATE)
    memory.write(BASE + 10, b"aaaa")
    assert list(memory.find(b"aa")) == [BASE + 10, BASE + 11, BASE + 12]


def test_find_skips_unbacked_pages(memory: Memory, make_file: MakeFile) -> None:
    memory.map(BASE, 3 * PAGE, RW, mmap.MAP_PRIVATE, make_file(b"needle"))
    memory.map(BASE + 3 * PAGE, PAGE, RW, PRIVATE)
    memory.write(BASE + 3 * PAGE + 9, b"needle")
    assert list(memory.find(b"needle")) == [BASE, BASE + 3 * PAGE + 9]


def test_find_agrees_with_bytes(memory: Memory) -> None:
    rng = random.Random(11)
    memory.map(BASE, 16 * PAGE, RW, PRIVATE)
    data = bytes(rng.choice(b"ab") for _ in range(16 * PAGE))
    memory.write(BASE, data)
    for size in (1, 3, 9, 14):
        pattern = bytes(rng.choice(b"ab") for _ in range(size))
        want = [i for i in range(len(data)) if data.startswith(pattern, i)]
        assert [a - BASE for a in memory.find(pattern)] == want
