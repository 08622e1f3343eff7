"""Instruction counts of translated code: exact at every stop, and budgets stop where they say."""

from __future__ import annotations

import platform
import random
import threading
from collections.abc import Callable, Iterator
from struct import pack

import pytest

from blink import _engine
from blink.machine.memory import PAGE_R, PAGE_W, PAGE_X, Memory
from engine.memory_help import BASE, PAGE, PRIVATE

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86-64 hosts")

RWX = PAGE_R | PAGE_W | PAGE_X
SIZE = 32 * PAGE  # of the walks' code
DATA = BASE + SIZE
NODE = 160  # bytes, the most
REGISTERS = tuple(
    "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip eflags".split()
)

Make = Callable[..., _engine.Cpu]


class Walk:
    """An endless program: nodes all over the place, between which the bits of RAX choose.

    Each node does a little work, then jumps, branches, calls, or returns by an indirect jump.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        count = SIZE // NODE
        self.places = sorted(rng.sample(range(count), 120))
        self.code = bytearray(SIZE)
        for place in self.places:
            node = self._node(place * NODE)
            assert len(node) <= NODE
            self.code[place * NODE : place * NODE + len(node)] = node

    def _node(self, at: int) -> bytes:
        code = bytes.fromhex("69c06d4ec641 0539300000")  # imul eax, eax, ..; add eax, ..
        code += b"".join(self._work() for _ in range(self.rng.randrange(6)))
        for _ in range(self.rng.randrange(1, 4)):
            mask = 1 << self.rng.randrange(8, 31)
            code += b"\xa9" + pack("<I", mask)  # test eax, mask
            code += b"\x0f\x85" + self._to(at + len(code) + 6)  # jnz
            code += self._work()
        return code + self._end(at + len(code))

    def _work(self) -> bytes:
        return bytes.fromhex(
            self.rng.choice(
                (
                    "49ffc7",  # inc r15
                    "4d01c1",  # add r9, r8
                    "48890f 488b1f",  # mov [rdi], rcx; mov rbx, [rdi]
                    "39d8 9c59",  # cmp eax, ebx; pushf; pop rcx
                    "4c11de",  # adc rsi, r11
                    "b901000000 f348ab 4883ef08",  # mov ecx, 1; rep stosq; sub rdi, 8
                    "dbe3",  # fninit: the interpreter's
                    "b903000000 ffc9 75fc",  # a loop
                )
            )
        )

    def _to(self, behind: int) -> bytes:
        return pack("<i", self.rng.choice(self.places) * NODE - behind)

    def _end(self, at: int) -> bytes:
        kind = self.rng.randrange(4)
        if kind == 0:
            return b"\xe9" + self._to(at + 5)
        if kind == 1:  # call; the return address is dropped: add rsp, 8 where it leads
            return b"\x48\x83\xc4\x08\xe8" + self._to(at + 9)
        lea = b"\x48\x8d\x15" + self._to(at + 7)  # lea rdx, [target]
        return lea + (b"\xff\xe2" if kind == 2 else b"\x52\xc3")  # jmp rdx; push rdx, ret


@pytest.fixture
def memory(linear_memory: Memory) -> Memory:
    return linear_memory


@pytest.fixture
def rng() -> random.Random:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture
def make(memory: Memory, rng: random.Random) -> Iterator[Make]:
    """Cpus in front of one walk: one that translates and counts, and an interpreter whose memory
    is its own."""
    walk, paged = Walk(rng), Memory(True)

    def cpu(translate: bool = True) -> _engine.Cpu:
        own = memory if translate else paged
        own.map(BASE, SIZE + 2 * PAGE, RWX, PRIVATE)
        own.write(BASE, bytes(walk.code))
        cpu = _engine.Cpu(own)
        assert cpu.set_jit(translate, 128 << 10) == translate
        cpu.counting = True
        cpu.set("rip", BASE + walk.places[0] * NODE)
        cpu.set("rdi", DATA)
        cpu.set("rsp", DATA + PAGE)
        cpu.set("rax", 1)
        cpu.set("rcx", 1)
        return cpu

    yield cpu
    paged.reset()


def state(cpu: _engine.Cpu) -> dict[str, int]:
    return {name: cpu.get(name) for name in REGISTERS} | {"icount": cpu.icount}


def same_place(cpu: _engine.Cpu, other: _engine.Cpu) -> None:
    """Runs the interpreter as far as `cpu` got, and compares."""
    if cpu.icount > other.icount:
        assert other.run(cpu.icount - other.icount) == _engine.STOP_BUDGET
    assert state(other) == state(cpu)


def test_budgets_are_exact(make: Make, rng: random.Random) -> None:
    cpu, interpreter = make(), make(False)
    for size in (10, 100, 5000, 10_000, 100_000, 1_000_000) * 4:
        budget, before = rng.randrange(1, size), cpu.icount
        assert cpu.run(budget) == _engine.STOP_BUDGET
        assert cpu.icount == before + budget
        same_place(cpu, interpreter)
    assert cpu.counters()["translated"] > 3


@pytest.mark.parametrize("budget", [4350, 4353, 4360, 4400, 5003])
def test_budgets_are_exact_where_every_block_is_new(memory: Memory, budget: int) -> None:
    """Each jump leaves for a new link; the last ones before the end once ran on for ever."""
    length = 3 * budget
    memory.map(BASE, -(-2 * length // PAGE) * PAGE, RWX, PRIVATE)
    memory.write(BASE, b"\xeb\x00" * (length - 1) + b"\xeb\xfe")  # jmp over nothing; jmp to itself
    cpu = _engine.Cpu(memory)
    assert cpu.set_jit(True)
    cpu.counting = True
    cpu.set("rip", BASE)
    for turn in (1, 2):
        timer = threading.Timer(20, cpu.interrupt)
        timer.start()
        assert cpu.run(budget) == _engine.STOP_BUDGET
        timer.cancel()
        assert (cpu.icount, cpu.get("rip")) == (turn * budget, BASE + 2 * turn * budget)


def test_interrupts_leave_true_counts(make: Make) -> None:
    cpu, interpreter = make(), make(False)
    for _ in range(8):
        timer = threading.Timer(0.01, cpu.interrupt)
        timer.start()
        assert cpu.run(None) == _engine.STOP_INTERRUPT
        timer.join()
        same_place(cpu, interpreter)


def test_faults_leave_true_counts(make: Make, memory: Memory, rng: random.Random) -> None:
    """The data page comes and goes; the instruction that faulted is not counted."""
    cpu, interpreter = make(), make(False)
    for _ in range(40):
        memory.protect(DATA, PAGE, 0)
        assert cpu.run(1_000_000) == _engine.STOP_FAULT
        memory.protect(DATA, PAGE, PAGE_R | PAGE_W)
        same_place(cpu, interpreter)
        assert cpu.run(rng.randrange(1, 10_000)) == _engine.STOP_BUDGET


def test_code_that_is_written_leaves_true_counts(
    make: Make, memory: Memory, rng: random.Random
) -> None:
    """Stores to the page of the running code: each is noticed, and counted once."""
    cpu = make()
    memory.write(BASE, bytes.fromhex("31c0 ffc0 893d20000000 3d10270000 75f1 0f0b"))
    cpu.set("rip", BASE)
    before = cpu.icount
    assert cpu.run(None) == _engine.STOP_FAULT
    assert cpu.get("rax") == 10_000
    assert cpu.icount - before == 1 + 4 * 10_000


def test_switching_drops_code(make: Make) -> None:
    """Blocks that count and blocks that do not never meet."""
    cpu, interpreter = make(), make(False)
    for size in (50_000, 20_000):
        cpu.run(size)
        same_place(cpu, interpreter)
        cpu.counting = False
        assert cpu.blocks() == []
        count = cpu.icount
        assert cpu.run(2000) == _engine.STOP_BUDGET  # interpreted
        assert cpu.icount == count + 2000
        cpu.counting = True
        same_place(cpu, interpreter)


def test_nothing_changes_while_it_runs(make: Make) -> None:
    cpu = make()
    errors: list[str] = []

    def meddle() -> None:
        for change in (lambda: setattr(cpu, "counting", False), lambda: cpu.set_breakpoints([1])):
            try:
                change()
            except RuntimeError as error:
                errors.append(str(error))
        cpu.interrupt()

    timer = threading.Timer(0.02, meddle)
    timer.start()
    assert cpu.run(None) == _engine.STOP_INTERRUPT
    timer.join()
    assert errors == ["the Cpu is running"] * 2


def test_a_string_instruction_is_one(memory: Memory) -> None:
    """REP counts once, when it is done; a new Cpu's first instruction is no exception."""
    memory.map(BASE, 8 * PAGE, RWX, PRIVATE)
    memory.write(BASE, bytes.fromhex("f3a4 90 90 90 ebfe"))
    cpu = _engine.Cpu(memory)
    for name, value in {"rip": BASE, "rsi": BASE + PAGE, "rdi": BASE + PAGE + 3, "rcx": 9}.items():
        cpu.set(name, value)
    assert cpu.run(1) == _engine.STOP_BUDGET
    assert (cpu.rip, cpu.get("rcx"), cpu.icount) == (BASE + 2, 0, 1)
