"""The doctor: it agrees where the translator is right, and finds one that is wrong on purpose."""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterator
from struct import pack

import pytest

from blink import _engine
from blink.abi.layout import PAGE
from blink.debugger import doctor
from blink.machine import Machine, Stop
from isa import cpustate
from isa.compare import agree
from isa.hostcpu import HostCpu
from isa.regression import parse_line

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86-64 hosts")

CODE, DATA = 0x1_0000, 0x2_0000
# name of the form, code, registers; the code is right but for the switch
SICK = {
    "ADD": ("48 01 d8", {"rax": 5, "rbx": 7}),
    "MOV": ("8b 4f 10", {"rdi": DATA + 0x20}),
    "XCHG": ("48 87 07", {"rdi": DATA + 0x40, "rax": 3}),
    "PUSH": ("53", {"rbx": 9}),
    "POPCNT": ("f3 48 0f b8 c3", {"rbx": 0xFF}),
    "PADDD": ("66 0f fe c1", {}),
    "MOVS": ("48 a5", {"rsi": DATA, "rdi": DATA + 0x100}),
}


@pytest.fixture
def machine() -> Iterator[Machine]:
    m = Machine()
    m.memory.map(CODE, PAGE, 7, 0x22)
    m.memory.map(DATA, 2 * PAGE, 3, 0x22)
    m.memory.write(DATA, bytes(range(256)))
    m.cpu.rip, m.cpu.rsp, m.cpu.rdi = CODE, DATA + PAGE, DATA
    assert m.cpu.raw.set_doctor()
    yield m
    m.memory.reset()


def run(m: Machine, code: str) -> Stop:
    """To the system call behind the code."""
    m.memory.write(CODE, bytes.fromhex(code) + b"\x0f\x05")
    return m.run()


@pytest.mark.parametrize("name", SICK)
def test_a_wrong_translation_is_found(machine: Machine, name: str) -> None:
    """Amid others, and reported as a case that the host computes as the interpreter does."""
    code, registers = SICK[name]
    for register, value in registers.items():
        setattr(machine.cpu, register, value)
    machine.cpu.raw.break_copy(name)
    before = machine.memory.read(DATA, PAGE)
    assert run(machine, "90 90" + code + "90 90").reason == "difference"
    found = machine.cpu.raw.difference()
    assert found is not None
    assert machine.cpu.rip == found["before"]["rip"] == CODE + 2
    assert machine.memory.read(DATA, PAGE) == before  # as if nothing had run
    assert [d[0] for d in doctor.differences(found)] == ["r15"]
    *_, last = doctor.lines(found, bytes.fromhex(code))
    regression = parse_line(last.partition(": ")[2])
    assert regression.case.code == bytes.fromhex(code)
    with HostCpu() as host:
        (truth,) = host.run([regression.case])
    assert agree(regression.case, truth, regression.expected)


def test_it_agrees_with_all_kinds_of_blocks(machine: Machine) -> None:
    """A loop with calls, stores, strings, flags; then nothing has changed but the time it took."""
    loop = (
        "b9e8030000"  # mov ecx, 1000
        "e806000000 ffc9 75f7 eb0b"  # call; dec ecx; jnz; jmp over
        "50 48ab 4883ef08 5a 01c8 c3"  # push; stosq; sub rdi, 8; pop; add; ret
    )
    assert run(machine, loop).reason == "syscall"
    assert machine.cpu.rcx == machine.cpu.rip
    assert machine.cpu.raw.counters()["compared"] > 3000
    doctored = machine.cpu.instructions, machine.cpu.rax, machine.memory.read(DATA, 8)
    machine.memory.reset()
    plain = Machine(translate=False)
    plain.memory.map(CODE, PAGE, 7, 0x22)
    plain.memory.map(DATA, 2 * PAGE, 3, 0x22)
    plain.cpu.rip, plain.cpu.rsp, plain.cpu.rdi = CODE, DATA + PAGE, DATA
    run(plain, loop)
    assert doctored == (plain.cpu.instructions, plain.cpu.rax, plain.memory.read(DATA, 8))
    plain.memory.reset()


def test_faults_are_the_same(machine: Machine) -> None:
    stop = run(machine, "ffc0 8907 8b0425 00f00300")  # inc eax; mov [rdi], eax; mov eax, [0x3f000]
    assert (stop.reason, stop.vector, stop.address) == ("fault", 14, 0x3F000)
    assert (machine.cpu.rip, machine.cpu.eax, machine.cpu.instructions) == (CODE + 4, 1, 2)
    assert machine.memory.read_u32(DATA) == 1


def test_undefined_flags_do_not_count(machine: Machine) -> None:
    """What IMUL leaves of ZF and SF, and what becomes of them."""
    code = "b803000000 6bc007 9c 58 0f94c1 0f98c2"  # imul; pushf; pop; setz; sets
    assert run(machine, code * 3).reason == "syscall"


def test_time_happens_once(machine: Machine) -> None:
    """RDTSC differs each time; shared memory may."""
    machine.memory.map(DATA + 8 * PAGE, PAGE, 3, 0x21)
    machine.cpu.rbx = DATA + 8 * PAGE
    assert run(machine, "0f31 4889c6 48ff03 488b0b").reason == "syscall"
    assert machine.memory.read_u64(DATA + 8 * PAGE) == 1


def test_code_may_change_itself(machine: Machine) -> None:
    """mov byte [rip+1], 7; mov al, 1: the store changes what follows."""
    assert run(machine, "c6050100000007 b001").reason == "syscall"
    assert machine.cpu.al == 7


def test_interrupts_come_between_blocks(machine: Machine) -> None:
    machine.memory.write(CODE, b"\xff\xc0\x89\x07\x3b\x07\x74\xf8\x0f\x0b")
    for _ in range(5):
        timer = threading.Timer(0.01, machine.cpu.raw.interrupt)
        timer.start()
        assert machine.run().reason == "interrupt"
        timer.join()
    assert machine.cpu.eax - machine.memory.read_u32(DATA) in (0, 1)


def test_threads_take_turns(machine: Machine) -> None:
    """Two Cpus add to one counter, without LOCK: an addition is never half done or undone."""
    machine.memory.write(CODE, b"\x48\xff\x07\xff\xc9\x75\xf9\x0f\x05")  # inc qword [rdi]; dec; jnz
    other = _engine.Cpu(machine.memory)
    other.native = False
    assert other.set_jit(True) and other.set_doctor()
    for cpu in (other, machine.cpu.raw):
        cpu.set("rip", CODE)
        cpu.set("rdi", DATA)
        cpu.set("rcx", 20_000)
    machine.memory.write_u64(DATA, 0)
    thread = threading.Thread(target=other.run)
    thread.start()
    assert machine.run().reason == "syscall"
    thread.join()
    assert machine.memory.read_u64(DATA) == 40_000


def test_watchpoints_wait(machine: Machine) -> None:
    with pytest.raises(RuntimeError, match="doctor"):
        machine.on_access(DATA, 4, lambda m, s: True)


def test_it_needs_a_translator() -> None:
    assert not Machine(paged=True).cpu.raw.set_doctor()


def test_the_report_knows_where_tests_have_their_memory() -> None:
    assert (doctor.CODE_BASE, doctor.DATA) == (cpustate.CODE_BASE, cpustate.HIGH_BASE + 0x800)
    assert doctor.FLAGS == cpustate.FLAG_BITS
    assert list(cpustate.GPRS) == doctor.REGISTERS


def test_a_case_with_an_operand_by_rip_reads_well(machine: Machine) -> None:
    machine.cpu.raw.break_copy("LEA")
    assert run(machine, "488d05" + pack("<i", 0x100).hex()).reason == "difference"
    found = machine.cpu.raw.difference()
    assert found is not None
    *_, last = doctor.lines(found, machine.memory.read(CODE, 7))
    assert parse_line(last.partition(": ")[2]).case.code == machine.memory.read(CODE, 7)
