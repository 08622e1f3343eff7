"""RDRAND, RDSEED, RDPID, TPAUSE: all that a host can judge of what is its own, and the rest."""

from __future__ import annotations

from random import Random

import pytest

from blink import _engine

from .asm import assemble
from .compare import differences
from .cpustate import NO_FAULT, VECTORS, Case, Outcome, Subject
from .features import host_has
from .forms import Plan, plans
from .generate import Generator
from .hostcpu import HostCpu
from .session import SUBJECTS, make_subject

PLANS = [p for p in plans() if p.form.insn.name in ("RDRAND", "RDSEED")]
RIP = 0x1357_0000_0000
CASES = 100


@pytest.fixture(scope="module", params=SUBJECTS)
def cpu(request: pytest.FixtureRequest) -> Subject:
    return make_subject(request.param)


def without_number(case: Case, outcome: Outcome, width: int) -> Outcome:
    """The outcome with zeros where the number is: the low bits of the register that changed."""
    gpr = bytearray(outcome.gpr)
    for at in range(0, 128, 8):
        if gpr[at : at + 8] != case.gpr[at : at + 8]:
            gpr[at : at + width // 8] = bytes(width // 8)
    return outcome._replace(gpr=bytes(gpr))


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.label)
def test_all_but_the_number_is_as_on_the_host(
    plan: Plan, cpu: Subject, host: HostCpu, seed: int
) -> None:
    assert plan.skip == "random"
    if not host_has(plan.form.insn.feature):
        pytest.skip("the host has no such instruction")
    generator = Generator(seed, plan.label)
    for size in plan.sizes:
        sized = plan._replace(sizes=(size,))
        cases = generator.cases(sized, CASES, RIP)
        # Registers of all ones: a number that equals what was there is too rare to matter.
        cases = [case._replace(gpr=b"\xff" * 128) for case in cases]
        compared = 0
        for case, want, got in zip(cases, host.run(cases), cpu.run(cases), strict=True):
            assert want.vector == NO_FAULT
            # One number of 16 bits in 65,536 leaves all ones as they were.
            if got.gpr.count(b"\xff") < 128 and want.gpr.count(b"\xff") < 128:
                compared += 1
                pair = (without_number(case, o, size) for o in (want, got))
                assert not differences(case, *pair), (case.code.hex(), size)
        assert compared > CASES // 2


def test_numbers_differ(cpu: Subject) -> None:
    code = assemble("rdrand rax\nrdseed rbx\nrdrand ecx\nint3")
    (outcome,) = cpu.run([Case(code, run=True)])
    numbers = {outcome.reg(name) for name in ("rax", "rbx", "rcx")}
    assert len(numbers) == 3 and outcome.reg("rcx") < 1 << 32


def numbers(entropy: int) -> tuple[int, int]:
    """Two RDRANDs of an engine whose source is a sequence."""
    subject = make_subject("linear")
    cpu: _engine.Cpu = subject.cpu  # type: ignore[attr-defined]
    saved = cpu.state()
    cpu.set("entropy", entropy)
    cpu.set("rip", RIP)
    subject.memory.write(RIP, assemble("rdrand rax\nrdseed rbx"), force=True)  # type: ignore[attr-defined]
    assert cpu.run(2) == _engine.STOP_BUDGET
    result = cpu.get("rax"), cpu.get("rbx")
    cpu.load(saved)
    subject.memory.write(RIP, b"\xcc" * 16, force=True)  # type: ignore[attr-defined]
    return result


def test_the_source_can_be_replaced(seed: int) -> None:
    start = Random(seed).getrandbits(64) | 1
    assert numbers(start) == numbers(start) != numbers(start ^ 2)
    assert numbers(0) != numbers(0)
    assert numbers(1) == (0x910A2DEC89025CC1, 0xBEEB8DA1658EEC67)  # SplitMix64 from 1


def test_rdpid_is_the_aux_of_rdtscp(cpu: Subject) -> None:
    """Both name the processor that runs us, which may change once."""
    code = assemble("rdpid rbx\nrdtscp\nint3")
    outcomes = cpu.run([Case(code, gpr=b"\xff" * 128, run=True)] * 5)
    assert any(o.reg("rbx") == o.reg("rcx") < 1 << 32 for o in outcomes)


@pytest.mark.parametrize(("deadline", "limited"), [(0, 0), ((1 << 64) - 1, 1)])
def test_tpause(cpu: Subject, deadline: int, limited: int) -> None:
    """CF says that the system's limit ended the wait."""
    case = Case(assemble("tpause ecx"), flags=0x8D5).with_regs(
        rcx=1, rax=deadline & 0xFFFFFFFF, rdx=deadline >> 32
    )
    (outcome,) = cpu.run([case])
    assert outcome.vector == NO_FAULT
    assert outcome.flags & 0x8D5 == limited


@pytest.mark.parametrize("text", ["tpause ecx", "umwait ecx"])
def test_reserved_bits_of_the_wait(cpu: Subject, text: str) -> None:
    (outcome,) = cpu.run([Case(assemble(text)).with_regs(rcx=2)])
    assert outcome.vector == VECTORS["gp"]


def test_umonitor_and_umwait(cpu: Subject) -> None:
    case = Case(assemble("umonitor rax\numwait ecx\nint3"), flags=0x8D5, run=True)
    good, bad = cpu.run([case.with_regs(rax=0x24600010), case.with_regs(rax=0x7000)])
    assert good.vector == VECTORS["bp"] and good.flags & 0x8D5 == 0
    assert bad.vector == VECTORS["pf"] and bad.addr == 0x7000 and bad.rip == case.rip
