"""The engine against the Python semantics, on any host: also what no other CPU can judge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from blink.isa.cpuid import leaves

from .cpustate import CODE_BASE, Case
from .forms import Plan, plans
from .generate import Generator
from .session import Finding, Session, make_subject

PER_FAMILY = {"unit": 300, "ci": 5000, "all": 50000}
PER_FORM = {"unit": 40, "ci": 400, "all": 4000}
# These differ by nature: the time, the processor, and what stops run() in a way that a Case cannot
# say.
DIFFER = tuple("RDTSC RDTSCP RDPID RDRAND RDSEED SYSCALL SYSENTER HLT INT IN OUT".split())
ALL = [p for p in plans() if 64 in p.form.modes]
FAMILIES = sorted({p.form.insn.family for p in ALL if not p.skip})
NO_HOST: Any = None
UNJUDGED = [p for p in ALL if p.skip and not p.form.insn.name.startswith(DIFFER)]


def compare(cases: Iterable[Case], seed: int) -> None:
    subjects = [make_subject(name) for name in ("reference", "linear", "paged")]
    found = Session(NO_HOST, subjects).check_without_host(list(cases))
    first: dict[tuple[str, str], Finding] = {}
    for finding in found:
        first.setdefault((finding.case.label, finding.name), finding)
    assert not found, "\n".join([f"BLINK_SEED={seed}", *(f.report() for f in first.values())])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family(family: str, seed: int, tier: str) -> None:
    generator = Generator(seed, family)
    members = [p for p in ALL if p.form.insn.family == family and not p.skip]
    share = max(5, PER_FAMILY[tier] // len(members))
    compare((c for p in members for c in generator.cases(p, share, CODE_BASE)), seed)


@pytest.mark.parametrize("plan", UNJUDGED, ids=lambda p: p.label.replace("/", "_"))
def test_what_the_host_does_otherwise(plan: Plan, seed: int, tier: str) -> None:
    """CPUID, selectors, XCR0: the machine that the spec describes, not the host's."""
    compare(Generator(seed, plan.label).cases(plan, PER_FORM[tier], CODE_BASE), seed)


def test_cpuid(seed: int) -> None:
    """Every leaf, its neighbours, and subleaves."""
    numbers = {leaf.leaf + d for leaf in leaves() for d in (-1, 0, 1)} | {0xFFFF_FFFF}
    case = Case(bytes.fromhex("0fa2"))
    compare((case.with_regs(rax=n, rcx=sub) for n in sorted(numbers) for sub in range(6)), seed)


def test_selectors(seed: int) -> None:
    """MOV to every segment register, of every selector that means something."""
    selectors = (0, 1, 3, 4, 8, 0x10, 0x23, 0x2B, 0x33, 0x3B, 0x53, 0xFFFF)
    compare(
        (
            Case(bytes([0x8E, 0xC0 | n << 3]), fs_base=5, gs_base=6).with_regs(rax=selector)
            for n in range(8)
            for selector in selectors
        ),
        seed,
    )
