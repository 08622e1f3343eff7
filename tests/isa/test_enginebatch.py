"""The engine's CPUs by the batch: the same as case by case, and the comparison sees every field."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from . import enginebatch
from .asm import assemble
from .compare import agree
from .cpustate import COMPARED_FLAGS, FX_MXCSR, FX_SW, HIGH_BASE, NO_FAULT, Case, Outcome
from .enginebatch import NAMES, EngineBatch
from .hostcpu import HostCpu
from .session import BATCH, Finding, fits, make_subject
from .workload import MODES, work

pytestmark = pytest.mark.skipif(not enginebatch.available(), reason="another build of the engine")


@pytest.fixture(scope="module")
def batch(host: HostCpu) -> Iterator[EngineBatch]:
    made = EngineBatch(host, NAMES)
    yield made
    made.close()


def outcomes(batch: EngineBatch, cases: list[Case], name: str) -> list[Outcome]:
    batch.host.submit(0, cases)
    batch.submit(0, len(cases))
    batch.host.wait(0)
    batch.wait(len(cases))
    list(batch.unequal(0, cases, len(cases)))
    return [batch.outcome(case, NAMES.index(name), i) for i, case in enumerate(cases)]


@pytest.mark.parametrize("mode", MODES)
def test_as_case_by_case(batch: EngineBatch, mode: str, seed: int) -> None:
    from .fuzz import selected

    (cases,) = islice(work([mode], selected(""), seed), 1)
    cases = cases[: BATCH // 2]
    for name in NAMES:
        subject = make_subject(name)
        if fits(subject, cases):
            assert outcomes(batch, cases, name) == subject.run(cases), name


def lie(case: Case, what: str) -> Case:
    """The case with one bit of its state changed, so that one field of the outcome is another."""
    if what == "flags":
        return case._replace(flags=case.flags ^ 1)
    if what == "ymmh":
        return case._replace(ymmh=b"\1" + case.ymmh[1:])
    if what == "memory":
        return case._replace(code=assemble("mov byte ptr [rbx], 2"))
    if what == "gpr":
        return case.with_regs(r15=1 << 63)
    if what == "fs_base":
        return case._replace(fs_base=0x1000)
    at = {"mxcsr": FX_MXCSR, "sw": FX_SW, "xmm15": 400, "st7": 32 + 7 * 16}[what]
    fx = bytearray(case.fx)
    fx[at] ^= 1
    return case._replace(fx=bytes(fx))


@pytest.mark.parametrize(
    "what", ["flags", "ymmh", "memory", "gpr", "fs_base", "mxcsr", "sw", "xmm15", "st7"]
)
def test_a_difference_is_seen(batch: EngineBatch, what: str) -> None:
    """The host gets other cases than the engine: in `what` they differ after it, in all CPUs."""
    true = Case(assemble("mov byte ptr [rbx], 1")).with_regs(rbx=HIGH_BASE + 0x1FFF)
    cases = [true, lie(true, what), true]
    batch.host.submit(0, cases)
    batch.host.wait(0)
    kept = bytes(batch.host.results(0))
    batch.host.submit(0, [true, true, true])
    batch.submit(0, 3)
    batch.host.wait(0)
    batch.wait(3)
    assert not list(batch.unequal(0, [true, true, true], 3))
    batch.host.results(0)[:] = kept
    found = [Finding(*parts) for parts in batch.unequal(0, [true, true, true], 3)]
    assert [f.name for f in found] == list(NAMES)


def test_what_is_undefined_does_not_count(batch: EngineBatch) -> None:
    case = Case(assemble("nop"), undefined=COMPARED_FLAGS)
    batch.host.submit(0, [case._replace(flags=1)])
    batch.host.wait(0)
    kept = bytes(batch.host.results(0))
    batch.host.submit(0, [case])
    batch.submit(0, 1)
    batch.host.wait(0)
    batch.wait(1)
    batch.host.results(0)[:] = kept
    assert not list(batch.unequal(0, [case], 1))


@pytest.mark.parametrize("mode", ["forms", "mutations"])
def test_variants(batch: EngineBatch, host: HostCpu, mode: str, seed: int) -> None:
    """They are cases of their own: on the host and case by case, each is what the batch says."""
    from .fuzz import selected

    (cases,) = islice(work([mode], selected(""), seed), 1)
    cases, each = cases[:60], 8
    batch.host.write(0, cases)
    count = batch.expand(0, len(cases), each, seed & 0xFFFFFFFF)
    batch.host.start(0, count)
    batch.submit(0, count)
    batch.host.wait(0)
    batch.wait(count)
    list(batch.unequal(0, cases, count))
    varied = [batch.case(0, cases, i) for i in range(count)]
    assert len(cases) < count == sum(each if case.vary else 1 for case in cases)
    assert len(set(varied)) > 3 * len(cases)
    found = [batch.outcome(case, 0, i) for i, case in enumerate(varied)]
    assert found == make_subject("linear").run(varied)
    seen = [batch.host_outcome(0, case, i) for i, case in enumerate(varied)]
    pairs = zip(varied, host.run(varied), seen, strict=True)
    assert all(agree(*parts) for parts in pairs)


def test_a_jump_out_of_64_bit_mode(batch: EngineBatch, host: HostCpu) -> None:
    """The translator goes on there, and cannot fetch: the jump itself was no fault."""
    if not host.has_ldt:
        pytest.skip("modify_ldt(2) is not permitted here: no segments of ours on the host")
    pointer = (HIGH_BASE, bytes.fromhex("7c040000 3700"))
    case = Case(assemble("jmp fword ptr [rbx]"), memory=(pointer,)).with_regs(rbx=HIGH_BASE)
    assert host.run([case])[0].vector == NO_FAULT
    for name in NAMES:
        (outcome,) = outcomes(batch, [case], name)
        assert (outcome.vector, outcome.rip, outcome.seg[1]) == (NO_FAULT, 0x47C, 0x37), name
