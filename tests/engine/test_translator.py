"""The translator: eviction, interrupts, budgets, breakpoints, code that others change."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable
from struct import pack

import pytest

from blink import _engine
from blink.machine.memory import PAGE_R, PAGE_W, PAGE_X, Memory
from engine.memory_help import BASE, PAGE, PRIVATE, MakeFile

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86-64 hosts")

RWX = PAGE_R | PAGE_W | PAGE_X
UD, PF, AC = 6, 14, 1 << 18
UD2 = bytes.fromhex("0f0b")
SMALL = 128 << 10  # bytes of host code, the least
SHARED = 1
SOON = 5.0  # seconds; less than a test's patience, more than a loaded machine needs
ENDLESS = {
    "direct": "ebfe",
    "conditional": "31c0 74fe",
    "register": "488d0500000000 ffe0",  # lea rax, [rip]; jmp rax
    "return": "488d0500000000 50c3",  # lea rax, [rip]; push rax; ret
    "call": "e802000000 ebf9 c3",
    "count": "31c9 e2fe ebfa",
}

Translated = Callable[..., _engine.Cpu]


@pytest.fixture
def memory(linear_memory: Memory) -> Memory:
    return linear_memory


@pytest.fixture
def translated(memory: Memory) -> Translated:
    """Maps code at BASE; a translating Cpu in front of it."""

    def make(code: bytes, arena_size: int = 0) -> _engine.Cpu:
        length = (len(code) + PAGE) & -PAGE
        memory.map(BASE, length + PAGE, RWX, PRIVATE)
        memory.write(BASE, code)
        cpu = _engine.Cpu(memory)
        assert cpu.set_jit(True, arena_size), "no translator on this host"
        cpu.set("rip", BASE)
        cpu.set("rsp", BASE + length + PAGE - 64)
        return cpu

    return make


def to_ud2(cpu: _engine.Cpu, rip: int = BASE) -> int:
    """RAX where the program ends."""
    cpu.set("rip", rip)
    assert cpu.run(None) == _engine.STOP_FAULT
    assert cpu.stop_vector == UD
    return cpu.get("rax")


def mov_eax(value: int) -> bytes:
    return b"\xb8" + value.to_bytes(4, "little")


def test_it_translates(translated: Translated) -> None:
    cpu = translated(mov_eax(5) + UD2)
    assert to_ud2(cpu) == 5
    assert cpu.counters()["translated"] == 1


@pytest.mark.parametrize("size", [SMALL, 4 * SMALL])
def test_a_full_arena_starts_anew(translated: Translated, size: int) -> None:
    count = size // 10  # 23 bytes each
    links = b"".join(b"\x48\x05" + pack("<i", i) + b"\xeb\0" for i in range(count))
    cpu = translated(b"\x31\xc0" + links + UD2, size)
    before = cpu.counters()["flushes"]
    assert [to_ud2(cpu) for _ in range(3)] == [count * (count - 1) // 2] * 3
    assert cpu.counters()["flushes"] > before


def test_a_full_arena_amid_calls(translated: Translated) -> None:
    """Return addresses and targets of indirect calls outlive the host code that knew them."""
    count, slot, functions = 3000, 16, 0x1000
    body = b"".join(
        (b"\x48\x05" + pack("<i", i) + b"\xc3").ljust(slot, b"\x90") for i in range(count)
    )
    main = (
        b"\x31\xc0\x48\x8d\x1d" + pack("<i", functions - 9)  # xor eax, eax; lea rbx, functions
        + b"\xb9" + pack("<i", count)  # mov ecx, count
        + b"\xff\xd3\x48\x83\xc3\x10\xe2\xf8" + UD2  # call rbx; add rbx, 16; loop
    )  # fmt: skip
    cpu = translated(main.ljust(functions, b"\x90") + body, SMALL)
    assert [to_ud2(cpu) for _ in range(3)] == [count * (count - 1) // 2] * 3
    assert cpu.counters()["flushes"] > 3


@pytest.mark.parametrize("name", ENDLESS)
def test_another_thread_interrupts(translated: Translated, name: str) -> None:
    cpu = translated(bytes.fromhex(ENDLESS[name]))
    for _ in range(5):
        timer = threading.Timer(0.02, cpu.interrupt)
        timer.start()
        begun = time.monotonic()
        assert cpu.run(None) == _engine.STOP_INTERRUPT
        assert time.monotonic() - begun < SOON
        timer.join()


def test_another_thread_changes_the_loop(translated: Translated, memory: Memory) -> None:
    loop = mov_eax(1) + bytes.fromhex("ffc8 74f7") + UD2  # mov eax, 1; dec eax; jz back
    for _ in range(5):
        memory.reset()
        cpu = translated(loop)
        timer = threading.Timer(0.02, memory.write, (BASE, mov_eax(3)))
        timer.start()
        assert to_ud2(cpu) == 2
        timer.join()


def test_budgets_and_breakpoints_are_exact(translated: Translated) -> None:
    cpu = translated(bytes.fromhex("31c0 ffc0 3d e8030000 75f7") + UD2)  # count to 1000
    assert to_ud2(cpu) == 1000
    cpu.set("rip", BASE)
    assert cpu.run(1 + 3 * 100) == _engine.STOP_BUDGET
    assert cpu.get("rax") == 100
    cpu.set_breakpoints([BASE + 4])
    assert cpu.run(None) == _engine.STOP_BREAKPOINT
    assert (cpu.rip, cpu.get("rax")) == (BASE + 4, 101)
    cpu.set_breakpoints([])
    assert cpu.run(None) == _engine.STOP_FAULT
    assert cpu.get("rax") == 1000


def test_breakpoints_stop_translated_code(translated: Translated) -> None:
    """Elsewhere code stays translated; set or cleared, no stale block runs."""
    cpu = translated(bytes.fromhex("31c0 ffc0 83c300 3d e8030000 75f4") + UD2)
    cpu.counting = True
    assert to_ud2(cpu) == 1000
    for round_ in range(3):
        cpu.set("rip", BASE)
        for place in (BASE + 4, BASE + 2, BASE + 7):
            cpu.set_breakpoints([place])
            before = cpu.counters()["translated"]
            for _ in range(3):
                assert cpu.run(None) == _engine.STOP_BREAKPOINT
                assert cpu.rip == place
            assert cpu.counters()["translated"] > before
            assert all(
                not rip < place < rip + starts[-1][0]
                for rip, _, _, _, starts in cpu.blocks()
                if starts
            )
        cpu.set_breakpoints([])
        assert cpu.run(None) == _engine.STOP_FAULT
        assert cpu.get("rax") == 1000
        assert cpu.icount == (round_ + 2) * (1 + 4 * 1000)


def test_a_breakpoint_where_nothing_can_run_comes_before_the_fault(translated: Translated) -> None:
    """GDB has the functions that it calls return to one on the stack."""
    cpu = translated(bytes.fromhex("31c0 ffc0") + UD2)
    nowhere = BASE + 0x100000
    cpu.set_breakpoints([nowhere])
    for _ in range(2):
        cpu.set("rip", nowhere)
        before = cpu.icount
        assert cpu.run(None) == _engine.STOP_BREAKPOINT
        assert (cpu.rip, cpu.icount) == (nowhere, before)
        assert cpu.run(None) == _engine.STOP_FAULT
        assert (cpu.rip, cpu.stop_addr, cpu.icount) == (nowhere, nowhere, before)
        cpu.set("rip", BASE)
        assert to_ud2(cpu) == 1


def test_a_breakpoint_is_passed_only_when_it_stopped_there(translated: Translated) -> None:
    cpu = translated(bytes.fromhex("31c0 ffc0 ffc0") + UD2)
    cpu.set_breakpoints([BASE + 2])
    assert cpu.run(None) == _engine.STOP_BREAKPOINT
    cpu.set("rip", BASE)
    assert cpu.run(None) == _engine.STOP_BREAKPOINT
    assert cpu.get("rax") == 0
    assert to_ud2(cpu, cpu.rip) == 2


def test_an_interrupt_behind_a_full_block_loses_nothing(translated: Translated) -> None:
    """A block's last instruction has run when the jump behind it polls."""
    cpu = translated(b"\x48\xff\xc0" * 100 + b"\xe9" + pack("<i", -305))
    total = 0
    for _ in range(20):
        timer = threading.Timer(0.002, cpu.interrupt)
        timer.start()
        assert cpu.run(None) == _engine.STOP_INTERRUPT
        timer.join()
        total = cpu.get("rax")
        place = (cpu.rip - BASE) // 3
        assert total % 100 == place % 100, (total, cpu.rip - BASE)


def test_written_code_is_new(translated: Translated, memory: Memory) -> None:
    cpu = translated(mov_eax(1) + UD2)
    assert to_ud2(cpu) == 1
    memory.write(BASE, mov_eax(2))
    assert to_ud2(cpu) == 2


def test_only_changed_code_is_forgotten(translated: Translated, memory: Memory) -> None:
    """A call to each of two pages; then one of them changes."""
    far = PAGE
    main = b"\xe8" + pack("<i", far - 5) + b"\xe8" + pack("<i", 2 * far - 10) + UD2
    code = main.ljust(far, b"\x90") + (mov_eax(1) + b"\xc3").ljust(far, b"\x90")
    cpu = translated(code + bytes.fromhex("83c002 c3"))  # add eax, 2; ret
    assert to_ud2(cpu) == 3
    for value in range(5):
        before = cpu.counters()["translated"]
        memory.write(BASE + far, mov_eax(value))
        assert to_ud2(cpu) == value + 2
        assert cpu.counters()["translated"] == before + 1


def test_a_block_in_two_pages_goes_with_each(translated: Translated, memory: Memory) -> None:
    start = PAGE - 3
    jump = b"\xe9" + pack("<i", start - 5)
    cpu = translated(jump.ljust(start, b"\x90") + mov_eax(1) + b"\x83\xc0\0" + UD2)
    for value in (1, 2, 258):
        memory.write(BASE + start, mov_eax(value))
        assert to_ud2(cpu) == value
        memory.write(BASE + PAGE + 4, b"\x05")  # the immediate of add eax, 5
        assert to_ud2(cpu) == value + 5
        memory.write(BASE + PAGE + 4, b"\0")


def test_many_changes_at_once(translated: Translated, memory: Memory) -> None:
    """More than the log of changes holds."""
    count = 600
    calls = b"".join(b"\xe8" + pack("<i", (i + 1) * PAGE - 5 * (i + 1)) for i in range(count))
    pages = b"".join((b"\x83\xc0\x01\xc3").ljust(PAGE, b"\x90") for _ in range(count))
    cpu = translated((calls + UD2).ljust(PAGE, b"\x90") + pages)
    cpu.set("rax", 0)
    assert to_ud2(cpu) == count
    for i in range(count):
        memory.write(BASE + (i + 1) * PAGE + 2, b"\x03")
    cpu.set("rax", 0)
    assert to_ud2(cpu) == 3 * count


def hot(loops: int) -> bytes:
    """A loop that counts on the page of its code."""
    body = b"\xb9" + pack("<i", loops) + b"\x90" * 3  # mov ecx, loops
    return body + bytes.fromhex("ff05 f2000000 ffc9 75f6") + UD2  # inc [BASE + 0x100]; dec ecx


def test_a_page_that_is_written_all_the_time(translated: Translated, memory: Memory) -> None:
    """Few of the stores may cost a new translation; and code that changes is still noticed."""
    loops = 200_000
    cpu = translated(hot(loops))
    for round_ in range(1, 4):
        to_ud2(cpu)
        assert memory.read_u32(BASE + 0x100) == loops * round_
    assert cpu.counters()["translated"] < 300
    memory.write(BASE + 14, UD2)  # in place of dec ecx
    to_ud2(cpu)
    assert memory.read_u32(BASE + 0x100) == 3 * loops + 1


def test_a_hot_page_goes_away(translated: Translated, memory: Memory) -> None:
    """Whether its loop's comparison, its store or its fetch faults: the registers are its own."""
    for action in (memory.unmap, lambda at, n: memory.protect(at, n, PAGE_R)):
        memory.reset()
        cpu = translated(bytes.fromhex("b8 34120000 ff05 f5000000 ff 05 ef000000 ebf2"))
        cpu.set("rcx", 0x5678)
        timer = threading.Timer(0.05, action, (BASE, PAGE))
        timer.start()
        assert cpu.run(None) == _engine.STOP_FAULT
        timer.join()
        assert cpu.stop_vector == PF
        assert (cpu.get("rax"), cpu.get("rcx")) == (0x1234, 0x5678)
        assert BASE <= cpu.rip < BASE + 32


def test_targets_with_equal_low_bits(translated: Translated, memory: Memory) -> None:
    """Functions 64 KiB apart share a slot of the table; they change and stay right."""
    count, step, loops = 5, 0x10000, 2000
    main = (
        b"\x31\xc0\xb9" + pack("<i", loops)  # xor eax, eax; mov ecx, loops
        + b"".join(b"\x48\x8d\x1d" + pack("<i", (i + 1) * step - 14 - i * 9) + b"\xff\xd3"
                   for i in range(count))  # lea rbx, function; call rbx
        + b"\xff\xc9\x0f\x85" + pack("<i", -8 - count * 9) + UD2  # dec ecx; jnz
    )  # fmt: skip
    cpu = translated(main.ljust((count + 1) * step, b"\x90"))
    for i in range(count):
        memory.write(
            BASE + (i + 1) * step, b"\x83\xc0" + bytes([i + 1]) + b"\xc3"
        )  # add eax, i + 1
    assert to_ud2(cpu) == loops * 15
    for i in (2, 0, 4, 3, 1, 2):
        memory.write(BASE + (i + 1) * step + 2, b"\x20")
        before = cpu.counters()["misses"]
        total = to_ud2(cpu)
        memory.write(BASE + (i + 1) * step + 2, bytes([i + 1]))
        assert total == loops * (15 - (i + 1) + 32)
        assert to_ud2(cpu) == loops * 15
        assert cpu.counters()["misses"] < before + 4 * count


@pytest.mark.parametrize("rounds", range(1, 14))
def test_a_short_loop_is_written_several_times(
    translated: Translated, memory: Memory, rounds: int
) -> None:
    """It ends, and faults, in any of the copies."""
    # loop: mov rax, [rdi]; add rdi, 8; add rbx, rax; dec ecx; jne loop; ud2
    code = bytes.fromhex("488b07 4883c708 4801c3 ffc9 75f2") + UD2
    cpu = translated(b"\x90\xeb\x00" + code)
    data, end = BASE + (8 << 20), BASE + (8 << 20) + PAGE
    memory.map(data, PAGE, 3, PRIVATE)
    memory.write(data, pack("<512Q", *range(512)))
    for first, count, vector in ((0, rounds, UD), (512 - rounds, 100, PF)):
        for name, value in (("rip", BASE), ("rdi", data + 8 * first), ("rbx", 0), ("rcx", count)):
            cpu.set(name, value)
        assert cpu.run(None) == _engine.STOP_FAULT
        assert cpu.stop_vector == vector
        assert cpu.get("rip") == BASE + 3 + (len(code) - 2 if vector == UD else 0)
        assert cpu.get("rbx") == sum(range(first, first + rounds))
        assert cpu.get("rcx") == count - rounds
        assert cpu.get("rdi") == (data + 8 * rounds if vector == UD else end)


def test_written_through_a_second_mapping(
    translated: Translated, memory: Memory, make_file: MakeFile
) -> None:
    cpu = translated(UD2)
    code, data = BASE + 64 * PAGE, BASE + 128 * PAGE
    fd = make_file(bytes(2 * PAGE))
    memory.map(code, PAGE, PAGE_R | PAGE_X, SHARED, fd, PAGE)
    memory.map(data, 2 * PAGE, PAGE_R | PAGE_W, SHARED, fd, 0)
    program = b"\xc7\x07%s" + UD2  # mov dword [rdi], value
    cpu.set("rdi", data + PAGE + 1)
    memory.write(data + PAGE, mov_eax(0) + UD2)
    for value in range(1, 20):
        memory.write(BASE, program % pack("<i", value))
        assert to_ud2(cpu, code) == value - 1
        to_ud2(cpu)
        assert to_ud2(cpu, code) == value


def test_alignment_checks_do_not_reach_the_host(translated: Translated) -> None:
    """POPF with AC set, an odd access, PUSHF: flags that trap in the host run interpreted."""
    code = bytes.fromhex("9c 58 480d 00000400 50 9d 488b442401 9c 58") + UD2
    cpu = translated(code)
    assert to_ud2(cpu) & AC
    cpu.set("eflags", 0x202)


def test_linear_memory_only() -> None:
    assert not _engine.Cpu(Memory(True)).set_jit(True)


def test_off_is_the_interpreter(translated: Translated) -> None:
    cpu = translated(mov_eax(5) + UD2)
    assert not cpu.set_jit(False)
    assert to_ud2(cpu) == 5
    assert cpu.counters()["translated"] == 0
