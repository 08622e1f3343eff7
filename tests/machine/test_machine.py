"""The typed face of the engine."""

from collections.abc import Iterator

import pytest

from blink.machine import Machine

CODE = 0x1_0000
LOOP = bytes.fromhex("b864000000 ffc8 75fc 0f05")  # mov eax, 100; dec eax; jnz -2; syscall


@pytest.fixture(params=[False, True], ids=["linear", "paged"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    m = Machine(paged=request.param)
    m.memory.map(CODE, 0x1000, 7, 0x22)
    m.memory.write(CODE, LOOP)
    m.cpu.rip = CODE
    yield m
    m.memory.reset()  # guest addresses are this process's: leave them free for the next test


def test_registers_have_parts(machine: Machine) -> None:
    cpu = machine.cpu
    cpu.rax = 0x1122334455667788
    assert (cpu.eax, cpu.ax, cpu.ah, cpu.al) == (0x55667788, 0x7788, 0x77, 0x88)
    cpu.ah = 0x99
    assert cpu.rax == 0x1122334455669988
    cpu.xmm3 = 1 << 127
    assert cpu.xmm3 == 1 << 127
    cpu.ymm3 = 5 << 128 | 6
    assert (cpu.ymm3, cpu.xmm3) == (5 << 128 | 6, 6)
    cpu.xmm3 = 7
    assert cpu.ymm3 == 5 << 128 | 7
    with pytest.raises(AttributeError):
        cpu.eaxx = 1


def test_random_numbers_follow_from_the_entropy(machine: Machine) -> None:
    """What the sequence has come to is part of the saved state."""
    cpu = machine.cpu
    machine.memory.write(CODE, bytes.fromhex("48 0fc7f0 48 0fc7f3"))  # rdrand rax; rdrand rbx
    cpu.entropy = 7
    machine.run(1)
    state, first = cpu.save(), cpu.rax
    machine.run(1)
    second = cpu.rbx
    cpu.load(state)
    machine.run(1)
    assert (cpu.rax, cpu.rbx) == (first, second) and first != second


def test_runs_to_a_system_call_and_counts_instructions(machine: Machine) -> None:
    stop = machine.run()
    assert stop.reason == "syscall"
    assert machine.cpu.instructions == 1 + 2 * 100 + 1
    assert machine.cpu.rip == CODE + len(LOOP)


@pytest.mark.parametrize("budget", [1, 2, 47, 48, 49, 50, 97, 150])
def test_budgets_are_exact(machine: Machine, budget: int) -> None:
    assert machine.run(budget).reason == "budget"
    assert machine.cpu.instructions == budget
    assert machine.cpu.eax == 100 - budget // 2
    assert machine.run().reason == "syscall"
    assert machine.cpu.instructions == 202


def test_code_hook_sees_every_pass_and_its_exception_stops_there(machine: Machine) -> None:
    seen: list[int] = []

    def hook(m: Machine) -> None:
        seen.append(m.cpu.eax)
        if m.cpu.eax == 90:
            raise LookupError

    machine.on_code(CODE + 5, hook)
    with pytest.raises(LookupError):
        machine.run()
    assert seen == list(range(100, 89, -1))
    assert machine.cpu.rip == CODE + 5
    machine.on_code(CODE + 5, None)
    assert machine.run().reason == "syscall"
    assert machine.cpu.instructions == 202


def test_faults_are_precise(machine: Machine) -> None:
    machine.memory.write(CODE, bytes.fromhex("ffc0 8b0b 90"))  # inc eax; mov ecx, [rbx]
    machine.cpu.rbx = 0x1234_5000
    stop = machine.run()
    assert (stop.reason, stop.vector, stop.error, stop.address) == ("fault", 14, 4, 0x1234_5000)
    assert (machine.cpu.rip, machine.cpu.eax, machine.cpu.instructions) == (CODE + 2, 1, 1)


def test_changed_code_runs_at_once(machine: Machine) -> None:
    """mov byte [rip+1], 7; mov al, 1 -- the store changes the immediate behind it."""
    machine.memory.write(CODE, bytes.fromhex("c6050100000007 b001 0f05"))
    machine.run()
    assert machine.cpu.al == 7


def test_state_survives_save_and_load(machine: Machine) -> None:
    machine.run(51)
    state = machine.cpu.save()
    machine.run()
    machine.cpu.load(state)
    assert machine.cpu.eax == 75
    assert machine.run().reason == "syscall"


def test_system_call_hook_may_continue(machine: Machine) -> None:
    def hook(m: Machine, stop: object) -> bool:
        m.cpu.rip = CODE
        return m.cpu.instructions < 1000

    machine.on_stop("syscall", hook)
    assert machine.run().reason == "syscall"
    assert machine.cpu.instructions == 202 * 5


@pytest.mark.parametrize(
    ("model", "reason"), [("", "int"), ("x86-64-v2", "int"), ("x86-64-v1", "fault")]
)
def test_a_model_decides_what_an_instruction_is(model: str, reason: str) -> None:
    """PABSB, which CPUs before SSSE3 do not know, and INT3."""
    m = Machine(paged=True, model=model)
    m.memory.map(CODE, 0x1000, 7, 0x22)
    m.memory.write(CODE, bytes.fromhex("66 0f 38 1c c0 cc"))
    m.cpu.rip = CODE
    stop = m.run()
    assert (stop.reason, stop.vector) == (reason, 6 if reason == "fault" else 3)
    m.memory.reset()


def test_a_model_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="i486"):
        Machine(model="i486")
