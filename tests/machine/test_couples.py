"""Two simple instructions in one handler: each stays an instruction, one by one or all at once.

(codegen/couples.py.)  Run with a budget of 1, an instruction has a record of its own and no couple.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from blink import _engine
from blink.machine import Machine

CODE, DATA, STATUS = 0x1_0000, 0x2_0000, 0x8D5
END = "0f0b"  # ud2
# How compilers write them; the operands overlap in every way that two instructions can
PIECES = {
    "mov rdx, rcx": "4889ca",
    "mov edx, ecx": "89ca",
    "mov rcx, [rbx]": "488b0b",
    "mov edx, [rbx+rsi*4]": "8b14b3",
    "add rdx, rcx": "4801ca",
    "add ecx, 5": "83c105",
    "sub rcx, rdx": "4829d1",
    "xor edx, ecx": "31ca",
    "and edx, 255": "81e2ff000000",
    "lea rdx, [rcx+rdx*2-1]": "488d5451ff",
    "shl rdx, 13": "48c1e20d",
    "shl edx, 0": "c1e200",
    "shr ecx, 7": "c1e907",
    "movzx ecx, dl": "0fb6ca",
    "cmp rcx, rdx; cmovb rcx, rdx": "4839d1480f42ca",
}


@pytest.fixture(params=[False, True], ids=["linear", "paged"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    m = Machine(paged=request.param)
    m.cpu.raw.set_jit(False)
    m.memory.map(CODE, 0x1000, 7, 0x22)
    m.memory.map(DATA, 0x1000, 3, 0x22)
    m.memory.write(DATA, bytes(range(7, 255, 3)))
    yield m
    m.memory.reset()


def start(m: Machine, code: str) -> None:
    m.memory.write(CODE, bytes.fromhex(code + END))
    cpu = m.cpu
    cpu.rip, cpu.rbx, cpu.rsi = CODE, DATA, 3
    cpu.rcx, cpu.rdx, cpu.eflags = 0x8877_6655_F0F0_0F0F, 0x1234_5678_9ABC_DEF0, 0x202 | STATUS


def seen(m: Machine, before: int) -> tuple[int, ...]:
    cpu = m.cpu
    return cpu.rip, cpu.rcx, cpu.rdx, cpu.eflags & STATUS, cpu.instructions - before


def one_by_one(m: Machine, code: str) -> tuple[int, ...]:
    start(m, code)
    before = m.cpu.instructions
    while m.run(1).reason == "budget":
        pass
    return seen(m, before)


def test_couples_do_what_their_instructions_do(machine: Machine) -> None:
    for pair in itertools.product(PIECES, repeat=2):
        code = "".join(PIECES[name] for name in pair)
        expected = one_by_one(machine, code)
        start(machine, code)
        before = machine.cpu.instructions
        assert machine.run().vector == 6
        assert seen(machine, before) == expected, pair


@pytest.mark.parametrize("budget", range(1, 9))
def test_a_budget_ends_between_the_two(machine: Machine, budget: int) -> None:
    start(machine, "4883c101" * 8)  # add rcx, 1
    machine.cpu.rcx = 0
    before = machine.cpu.instructions
    assert machine.run(budget).reason == "budget"
    assert (machine.cpu.rcx, machine.cpu.instructions - before) == (budget, budget)
    assert machine.cpu.rip == CODE + 4 * budget


@pytest.mark.parametrize("first", ["xor edx, ecx", "mov rdx, rcx", "shl rdx, 13", "and edx, 255"])
def test_the_second_faults_alone(machine: Machine, first: str) -> None:
    """What the first did is there, its flags included."""
    expected = one_by_one(machine, PIECES[first])
    start(machine, PIECES[first] + PIECES["mov rcx, [rbx]"])
    machine.cpu.rbx = 0x1234_5000
    before = machine.cpu.instructions
    stop = machine.run()
    assert (stop.reason, stop.vector, stop.address) == ("fault", 14, 0x1234_5000)
    length = len(bytes.fromhex(PIECES[first]))
    assert seen(machine, before) == (CODE + length, *expected[1:4], 1)


def test_the_first_faults_alone(machine: Machine) -> None:
    start(machine, PIECES["mov rcx, [rbx]"] + PIECES["xor edx, ecx"])
    machine.cpu.rbx = 0x1234_5000
    before = machine.cpu.instructions
    assert machine.run().reason == "fault"
    assert seen(machine, before) == (CODE, 0x8877_6655_F0F0_0F0F, 0x1234_5678_9ABC_DEF0, STATUS, 0)


def test_a_breakpoint_on_the_second(machine: Machine) -> None:
    start(machine, PIECES["mov rdx, rcx"] + PIECES["add rdx, rcx"])
    raw = machine.cpu.raw
    raw.set_breakpoints([CODE + 3])
    assert raw.run(None) == _engine.STOP_BREAKPOINT
    assert (machine.cpu.rip, machine.cpu.rdx) == (CODE + 3, machine.cpu.rcx)
    raw.set_breakpoints([])


def test_a_compare_belongs_to_its_branch(machine: Machine) -> None:
    """mov rdx, rcx; add rdx, rcx; and edx, 255; jnz +2: the AND goes with the jump, not the ADD."""
    machine.memory.write(CODE, bytes(32))
    code = PIECES["mov rdx, rcx"] + PIECES["add rdx, rcx"] + PIECES["and edx, 255"] + "7502"
    expected = one_by_one(machine, code + END)
    start(machine, code + END)
    before = machine.cpu.instructions
    assert machine.run().vector == 6
    assert seen(machine, before) == expected
