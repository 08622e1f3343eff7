"""Watchpoints and hooks, with the translator and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blink.machine import Machine, Stop

CODE, DATA = 0x1_0000, 0x2_0000
MODES = {"translated": (False, True), "interpreted": (False, False), "paged": (True, False)}

Seen = list[tuple[int, int, int, bool]]  # RIP - CODE, address - DATA, size, write


@pytest.fixture(params=MODES)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    paged, translate = MODES[request.param]
    m = Machine(paged, translate=translate)
    m.memory.map(CODE, 0x1000, 7, 0x22)
    m.memory.map(DATA, 0x3000, 3, 0x22)
    m.cpu.rip, m.cpu.rdi, m.cpu.rsi, m.cpu.rsp = CODE, DATA, DATA + 0x100, DATA + 0x2000
    yield m
    m.memory.reset()


def watch(m: Machine, code: str, start: int, length: int, kind: str = "rw") -> Seen:
    """Runs code up to its system call; the accesses that were seen."""
    m.memory.write(CODE, bytes.fromhex(code) + b"\x0f\x05")
    seen: Seen = []

    def hook(m: Machine, stop: Stop) -> bool:
        seen.append((m.cpu.rip - CODE, stop.address - DATA, stop.size, stop.write))
        return True

    m.on_access(DATA + start, length, hook, kind)
    assert m.run().reason == "syscall"
    return seen


@pytest.mark.parametrize(
    ("code", "start", "length", "kind", "seen"),
    [
        ("8b07", 0, 4, "rw", [(0, 0, 4, False)]),  # mov eax, [rdi]
        ("8b07", 4, 4, "rw", []),
        ("8b4701", 4, 1, "rw", [(0, 1, 4, False)]),  # its last byte
        ("8b07", 0, 4, "w", []),
        ("90 8907", 3, 1, "rw", [(1, 0, 4, True)]),  # mov [rdi], eax
        ("8907", 0, 4, "r", []),
        ("0107", 0, 4, "rw", [(0, 0, 4, True)]),  # add [rdi], eax: both at once
        ("0107", 0, 4, "r", [(0, 0, 4, True)]),
        ("f00107", 0, 4, "r", [(0, 0, 4, True)]),  # lock add
        ("50 58", 0x1FF8, 8, "rw", [(0, 0x1FF8, 8, True), (1, 0x1FF8, 8, False)]),  # push, pop
        ("0f1007", 15, 1, "rw", [(0, 0, 16, False)]),  # movups
        ("8b87fe0f0000", 0x1000, 1, "rw", [(0, 0xFFE, 4, False)]),  # over a page's end
        ("8d07", 0, 64, "rw", []),  # lea
    ],
)
def test_accesses(
    machine: Machine, code: str, start: int, length: int, kind: str, seen: Seen
) -> None:
    assert watch(machine, code, start, length, kind) == seen
    assert machine.cpu.instructions == {"90 8907": 3, "50 58": 3}.get(code, 2)


def test_each_element_of_a_string(machine: Machine) -> None:
    machine.cpu.rcx = 8
    assert watch(machine, "f3a4", 4, 2) == [(0, 4, 1, True), (0, 5, 1, True)]
    assert machine.cpu.rsi == DATA + 0x108


def test_the_access_has_not_happened_yet(machine: Machine) -> None:
    machine.memory.write(CODE, bytes.fromhex("c70705000000 c70707000000 0f05"))
    values: list[int] = []

    def hook(m: Machine, stop: Stop) -> bool:
        values.append(m.memory.read_u32(stop.address))
        return True

    machine.on_access(DATA, 4, hook)
    assert machine.run().reason == "syscall"
    assert values == [0, 5]
    assert machine.memory.read_u32(DATA) == 7


def test_an_exception_stops_at_the_instruction(machine: Machine) -> None:
    machine.memory.write(CODE, bytes.fromhex("ffc0 8907 ffc0 0f05"))

    def hook(m: Machine, stop: Stop) -> bool:
        raise LookupError

    machine.on_access(DATA, 4, hook)
    with pytest.raises(LookupError):
        machine.run()
    assert (machine.cpu.rip, machine.cpu.eax, machine.cpu.instructions) == (CODE + 2, 1, 1)
    assert machine.memory.read_u32(DATA) == 0
    machine.on_access(DATA, 4, None)
    assert machine.run().reason == "syscall"
    assert machine.memory.read_u32(DATA) == 1


def test_a_hook_may_stop(machine: Machine) -> None:
    machine.memory.write(CODE, bytes.fromhex("8907 8907 0f05"))
    machine.on_access(DATA, 4, lambda m, stop: False, "w")
    first = machine.run()
    assert (first.reason, first.size, first.write, machine.cpu.rip) == ("watchpoint", 4, True, CODE)
    assert machine.run().reason == "watchpoint"
    assert machine.cpu.rip == CODE + 2
    assert machine.run().reason == "syscall"
    assert machine.cpu.instructions == 3


def test_full_speed_comes_back(machine: Machine) -> None:
    """A loop under a watchpoint, then without: no block of the other kind runs."""
    machine.memory.write(CODE, bytes.fromhex("b964000000 8907 ffc9 75fa 0f05"))
    count = 0

    def hook(m: Machine, stop: Stop) -> bool:
        nonlocal count
        count += 1
        return True

    for _ in range(3):
        for wanted, change in ((100, hook), (0, None)):
            count = 0
            machine.on_access(DATA, 4, change)
            machine.cpu.rip = CODE
            assert machine.run().reason == "syscall"
            assert count == wanted
    assert machine.cpu.instructions == 6 * (1 + 3 * 100 + 1)


def test_a_breakpoint_at_a_watched_access(machine: Machine) -> None:
    machine.memory.write(CODE, bytes.fromhex("ffc0 8907 0f05"))
    seen: list[str] = []
    machine.on_code(CODE + 2, lambda m: seen.append("code"))
    machine.on_access(DATA, 4, lambda m, stop: not seen.append("access"))  # type: ignore[func-returns-value]
    assert machine.run().reason == "syscall"
    assert seen == ["code", "access"]


def test_hooks_change_while_code_is_translated(machine: Machine) -> None:
    """A loop whose hook moves on: each stop is where the hook is now, and never where it was."""
    machine.memory.write(CODE, bytes.fromhex("ffc0 ffc0 ffc0 ffc0 ffc0 ebf4 90"))
    places = [CODE + 2 * i for i in range(6)]
    seen: list[int] = []

    def hook(m: Machine) -> None:
        seen.append(m.cpu.rip)
        m.on_code(m.cpu.rip, None)
        if len(seen) == 50:
            raise StopIteration
        m.on_code(places[len(seen) * 5 % 6], hook)

    machine.on_code(places[0], hook)
    with pytest.raises(StopIteration):
        machine.run()
    assert seen == [places[i * 5 % 6] for i in range(50)]
