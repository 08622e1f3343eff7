"""x87 instructions in translated code: the host runs them; C code finds their state in the Cpu."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from struct import pack, unpack_from
from typing import NamedTuple

import pytest

from blink import _engine
from blink.machine.memory import PAGE_R, PAGE_W, PAGE_X, Memory
from engine.memory_help import BASE, PAGE, PRIVATE

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86-64 hosts")

RWX = PAGE_R | PAGE_W | PAGE_X
UD, PF, MF = 6, 14, 16
DATA = BASE + PAGE
UD2 = bytes.fromhex("0f0b")
FNSTENV = bytes.fromhex("d97340")  # fnstenv [rbx + 64]


class Seen(NamedTuple):
    """What a program left behind; FIP and FOP are as FNSTENV told afterwards."""

    rip: int
    rcx: int
    image: bytes  # FXSAVE's
    fip: int
    fop: int
    interpreted: int


Run = Callable[[str], _engine.Cpu]
Both = Callable[..., Seen]


@pytest.fixture
def memory(linear_memory: Memory) -> Memory:
    return linear_memory


@pytest.fixture
def run(memory: Memory) -> Run:
    """Maps code and data; a Cpu in front of it, with RBX on the data."""

    def make(code: str) -> _engine.Cpu:
        memory.reset()
        memory.map(BASE, 3 * PAGE, RWX, PRIVATE)
        memory.write(BASE, bytes.fromhex(code) + UD2)
        memory.write(DATA, pack("<IfHxxf", 0, 2.0, 0x37B, 0.0))
        memory.write(BASE + 2 * PAGE, FNSTENV + UD2)
        cpu = _engine.Cpu(memory)
        cpu.set("rip", BASE)
        cpu.set("rbx", DATA)
        cpu.set("rsp", BASE + 3 * PAGE - 64)
        return cpu

    return make


@pytest.fixture
def both(run: Run, memory: Memory) -> Both:
    """Runs a program to its fault by the translator and by the interpreter; both leave the same."""

    def one(code: str, vector: int, registers: dict[str, int], translate: bool) -> Seen:
        cpu = run(code)
        if translate:
            assert cpu.set_jit(True), "no translator on this host"
        for name, value in registers.items():
            cpu.set(name, value)
        assert cpu.run(None) == _engine.STOP_FAULT
        assert cpu.stop_vector == vector
        left = (cpu.rip, cpu.get("rcx"), cpu.fxsave())
        interpreted = cpu.icount
        cpu.set("rip", BASE + 2 * PAGE)
        assert cpu.run(None) == _engine.STOP_FAULT
        fip, fop = unpack_from("<II", memory.read(DATA + 64, 28), 12)
        return Seen(*left, fip | BASE, fop >> 16, interpreted)

    def make(code: str, vector: int = UD, **registers: int) -> Seen:
        ours, theirs = (one(code, vector, registers, translate) for translate in (True, False))
        assert ours._replace(interpreted=0) == theirs._replace(interpreted=0)
        assert ours.interpreted <= theirs.interpreted
        return ours

    return make


SERIES = "d9ee 890b db03 d9e8 def1 dec1 ffc9 75f2"  # ST(0) = 1 + 1/2 + ... + 1/ecx


def test_a_loop_is_not_interpreted(both: Both) -> None:
    seen = both(SERIES, rcx=1000)
    assert seen.interpreted < 10
    assert (seen.fip, seen.fop) == (BASE + 10, 0x6C1)


def test_counting_interprets_it_and_counts(run: Run) -> None:
    cpu = run(SERIES)
    assert cpu.set_jit(True)
    for counting, retired in ((False, range(10)), (True, (7001,)), (False, range(10))):
        before = cpu.icount
        cpu.counting = counting
        cpu.set("rip", BASE)
        cpu.set("rcx", 1000)
        assert cpu.run(None) == _engine.STOP_FAULT
        assert cpu.icount - before in retired


PLACES = {
    "return": "e806000000 d9eb 0f0b 9090 90 d9e8 c3",
    "loop that is written more than once": "d9e8 ddd8 e2fa",
    "branch out of it": "d9e8 ddd8 ffc9 7402 ebf6 90",
    "indirect call": "488d1506000000 ffd2 0f0b 9090 d9ea d9c9 c3",
}


@pytest.mark.parametrize("name", PLACES)
def test_the_last_instruction_is_known(both: Both, name: str) -> None:
    assert both(PLACES[name], rcx=7).fip > BASE


def test_a_page_fault_amid(both: Both) -> None:
    seen = both("d9e8 d9eb dc02 d9ee", PF, rdx=16)
    assert (seen.rip, seen.fip, seen.fop) == (BASE + 4, BASE + 2, 0x1EB)


def test_a_store_that_faults_pops_nothing(both: Both) -> None:
    assert both("d9e8 d9eb db3a", PF, rdx=16).image[4] == 0xC0


def test_an_exception_comes_at_the_next_waiting_instruction(both: Both) -> None:
    seen = both("d96b08 d9e8 d8730c b801000000 dfe0 9b d9ee", MF)  # 1 / 0, unmasked
    assert (seen.rip, *unpack_from("<QQ", seen.image, 8)) == (BASE + 15, BASE + 5, DATA + 12)


def test_an_exception_waits_through_the_interpreter(both: Both) -> None:
    """CPUID is the interpreter's: the state goes to the Cpu and back, and no #MF is lost."""
    seen = both("d96b08 d9e8 d8730c 0fa2 dfe0 d9e8", MF)
    assert (seen.rip, *unpack_from("<QQ", seen.image, 8)) == (BASE + 12, BASE + 5, DATA + 12)


def test_operands_with_a_segment_and_beside_the_instruction(both: Both) -> None:
    code = "64d901 d80d06000000 64d84901 d9fa 0f0b"
    assert both(code + pack("<f", 3.0).hex(), fs_base=DATA, rcx=4).rcx == 4


def test_interrupts_keep_the_stack(run: Run) -> None:
    cpu = run("d9eb d9c0 d84b04 ddd8 ebf7")  # pi; then for ever: ST(0) * 2
    assert cpu.set_jit(True)
    for _ in range(5):
        timer = threading.Timer(0.02, cpu.interrupt)
        timer.start()
        assert cpu.run(None) == _engine.STOP_INTERRUPT
        timer.join()
        image = cpu.fxsave()
        top = unpack_from("<H", image, 2)[0] >> 11 & 7
        assert image[32 + 16 * (7 - top) :][:10] == bytes.fromhex("35c26821a2da0fc90040")
