"""Memory under a running Cpu: decoded code that changes, write tracking, exact faults."""

from __future__ import annotations

import mmap
import threading
import time

import pytest

from blink import _engine
from blink.machine.memory import PAGE_CODE, PAGE_MAPPED, PAGE_R, PAGE_W, PAGE_X, Memory
from engine.memory_help import BASE, PAGE, PRIVATE, RW, MakeFile, host_prot

RWX = PAGE_R | PAGE_W | PAGE_X
DATA = BASE + 16 * PAGE
UD, GP, PF = 6, 13, 14
PRESENT, WRITE, USER, FETCH = 1, 2, 4, 16
UD2 = bytes.fromhex("0f0b")


def mov_eax(value: int) -> bytes:
    return b"\xb8" + value.to_bytes(4, "little")


def start(memory: Memory, code: bytes, prot: int = RWX) -> _engine.Cpu:
    """A Cpu in front of the code, which lies at BASE."""
    memory.map(BASE, PAGE, RW, PRIVATE)
    memory.write(BASE, code)
    memory.protect(BASE, PAGE, prot)
    cpu = _engine.Cpu(memory)
    cpu.set("rip", BASE)
    return cpu


def run_to_ud2(cpu: _engine.Cpu) -> int:
    """RAX at the UD2 that ends the code at BASE."""
    cpu.set("rip", BASE)
    assert cpu.run(None) == _engine.STOP_FAULT
    assert cpu.stop_vector == UD
    return int(cpu.get("rax"))


def test_code_pages_lose_host_write_permission_until_written(memory: Memory) -> None:
    cpu = start(memory, mov_eax(1) + UD2)
    assert memory.flags(BASE) == PAGE_MAPPED | RWX
    assert run_to_ud2(cpu) == 1
    assert memory.flags(BASE) == PAGE_MAPPED | RWX | PAGE_CODE
    assert host_prot(memory, BASE) == "r--p"
    epoch = memory.code_epoch
    memory.write(BASE, mov_eax(2))
    assert memory.code_epoch == epoch + 1
    assert memory.flags(BASE) == PAGE_MAPPED | RWX
    assert run_to_ud2(cpu) == 2


def test_whatever_changes_code_is_seen(memory: Memory, make_file: MakeFile) -> None:
    cpu = start(memory, mov_eax(1) + UD2, PAGE_R | PAGE_X)
    assert run_to_ud2(cpu) == 1
    memory.write(BASE, mov_eax(2), force=True)
    assert run_to_ud2(cpu) == 2
    memory.protect(BASE, PAGE, RW)
    memory.write(BASE, mov_eax(3))
    memory.protect(BASE, PAGE, PAGE_R | PAGE_X)
    assert run_to_ud2(cpu) == 3
    fd = make_file(mov_eax(4) + UD2)
    memory.map(BASE, PAGE, PAGE_R | PAGE_X, mmap.MAP_PRIVATE, fd)
    assert run_to_ud2(cpu) == 4
    memory.map(DATA, PAGE, RW, PRIVATE)
    memory.write(DATA, mov_eax(5) + UD2)
    memory.protect(DATA, PAGE, PAGE_R | PAGE_X)
    memory.remap(DATA, PAGE, BASE, PAGE)
    assert run_to_ud2(cpu) == 5
    memory.reset()
    memory.map(BASE, PAGE, RWX, PRIVATE)
    memory.write(BASE, mov_eax(6) + UD2)
    assert run_to_ud2(cpu) == 6


@pytest.mark.parametrize("prot", [0, PAGE_R, RW, None], ids=["none", "r", "rw", "unmapped"])
def test_code_that_may_no_longer_be_executed(memory: Memory, prot: int | None) -> None:
    cpu = start(memory, mov_eax(1) + UD2)
    run_to_ud2(cpu)
    if prot is None:
        memory.unmap(BASE, PAGE)
    else:
        memory.protect(BASE, PAGE, prot)
    cpu.set("rip", BASE)
    assert cpu.run(None) == _engine.STOP_FAULT
    assert (cpu.stop_vector, cpu.stop_addr, cpu.get("rip")) == (PF, BASE, BASE)
    assert cpu.stop_error & ~PRESENT == USER | FETCH


def test_a_store_into_the_next_instruction_is_seen(memory: Memory) -> None:
    store = bytes.fromhex("c6050100000007")  # mov byte [rip+1], 7: the immediate behind
    cpu = start(memory, store + mov_eax(1) + UD2)
    for _ in range(3):
        memory.write(BASE + 8, b"\x01")
        assert run_to_ud2(cpu) == 7


def test_stores_near_code_keep_their_effect(memory: Memory) -> None:
    """Data and code in one page: a counter there, incremented in a loop of 1000."""
    loop = bytes.fromhex("ff0500010000" + "ffc9" + "75f6")  # inc dword [rip+0x100]; dec ecx; jnz
    cpu = start(memory, loop + UD2)
    cpu.set("rcx", 1000)
    run_to_ud2(cpu)
    assert memory.read_u32(BASE + 6 + 0x100) == 1000


def test_another_thread_rewrites_a_running_loop(memory: Memory) -> None:
    cpu = start(memory, bytes.fromhex("ffc0ebfc") + UD2)  # again: inc eax; jmp again
    reasons: list[int] = []
    thread = threading.Thread(target=lambda: reasons.append(cpu.run(None)))
    thread.start()
    time.sleep(0.05)
    memory.write(BASE + 2, b"\x90\x90")
    thread.join(10)
    assert reasons == [_engine.STOP_FAULT]
    assert cpu.get("rip") == BASE + 4
    assert cpu.get("rax") > 0


def test_tracking_notes_what_the_guest_stores(memory: Memory) -> None:
    store = bytes.fromhex("488907")  # mov [rdi], rax
    cpu = start(memory, store + UD2)
    memory.map(DATA, 8 * PAGE, RW, PRIVATE)
    memory.track()
    for address in (DATA + 3 * PAGE - 4, DATA + 6 * PAGE):
        cpu.set("rdi", address)
        run_to_ud2(cpu)
    assert memory.dirty() == [DATA + i * PAGE for i in (2, 3, 6)]
    memory.track()
    cpu.set("rdi", DATA + 6 * PAGE)
    run_to_ud2(cpu)
    assert memory.dirty() == [DATA + 6 * PAGE]


@pytest.mark.parametrize(
    ("code", "size", "error"),
    [("488b07", 8, 0), ("488907", 8, WRITE), ("f30f6f07", 16, 0), ("f30f7f07", 16, WRITE)],
    ids=["load", "store", "load128", "store128"],
)
def test_faults_are_exact(memory: Memory, code: str, size: int, error: int) -> None:
    cpu = start(memory, bytes.fromhex(code) + UD2)
    memory.map(DATA, PAGE, RW, PRIVATE)
    end = DATA + PAGE
    for address, bad in ((DATA - 3, DATA - 3), (end - 3, end), (end + 5, end + 5), (8, 8)):
        cpu.set("rip", BASE)
        cpu.set("rdi", address)
        assert cpu.run(None) == _engine.STOP_FAULT
        assert (cpu.stop_vector, cpu.stop_addr, cpu.get("rip")) == (PF, bad, BASE)
        assert cpu.stop_error == USER | error
    assert memory.read(DATA, PAGE) == bytes(PAGE)
    memory.protect(DATA, PAGE, PAGE_R)
    cpu.set("rdi", end - size)
    cpu.run(None)
    expected = (PF, end - size, USER | WRITE | PRESENT) if error else (UD, 0, 0)
    assert (cpu.stop_vector, cpu.stop_addr, cpu.stop_error) == expected
    cpu.set("rip", BASE)
    cpu.set("rdi", 1 << 63)
    assert cpu.run(None) == _engine.STOP_FAULT
    assert (cpu.stop_vector, cpu.stop_error) == (GP, 0)


def test_a_load_past_the_end_of_a_file(memory: Memory, make_file: MakeFile) -> None:
    cpu = start(memory, bytes.fromhex("488b07") + UD2)
    memory.map(DATA, 2 * PAGE, RW, mmap.MAP_SHARED, make_file(b"x"))
    cpu.set("rdi", DATA + PAGE + 8)
    assert cpu.run(None) == _engine.STOP_FAULT
    assert (cpu.stop_addr, cpu.stop_signo) == (DATA + PAGE + 8, 7)  # SIGBUS
