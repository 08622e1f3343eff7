"""Every implemented form against the host CPU: engine (linear and paged) and Python semantics."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest

from .conftest import CASES
from .cpustate import CODE_BASE
from .features import host_has
from .forms import Plan, plans
from .generate import Generator
from .session import Finding, Session

PER_FORM = {"unit": 60, "ci": 1000, "all": 5000}
EACH = {"unit": 4, "ci": 8, "all": 10}  # variants of a case, where there can be some
EVERY = {"unit": 4, "ci": 16, "all": 20}  # of so many, the reference runs one
ALL = [p for p in plans() if not p.skip]
BY_NAME = {
    name: list(group)
    for name, group in groupby(
        sorted(ALL, key=lambda p: p.form.insn.name), lambda p: p.form.insn.name
    )
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", BY_NAME)
def test_as_the_host(
    name: str,
    session: Session,
    seed: int,
    tier: str,
    record_property: Callable[[str, object], None],
) -> None:
    before = session.compared
    bad = [text for plan in BY_NAME[name] for text in _differences(session, plan, seed, tier)]
    record_property(CASES, session.compared - before)
    assert not bad, "\n".join([f"BLINK_SEED={seed}", *bad])


def _differences(session: Session, plan: Plan, seed: int, tier: str) -> list[str]:
    """Reports of one form: the first difference of each CPU, shrunk."""
    each = 1 if plan.fixups else EACH[tier]
    cases = Generator(seed, plan.label).cases(plan, PER_FORM[tier] // each, CODE_BASE)
    on_host = host_has(plan.form.insn.feature)
    if on_host:
        findings = session.check(cases, max(1, EVERY[tier] // each), each)
    else:
        findings = session.check_without_host(cases)
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.name, finding)
    return [(session.shrunk(f) if on_host else f).report() for f in first.values()]


def test_every_form_can_be_encoded() -> None:
    assert len(ALL) > 500


def test_skipped_forms_are_few() -> None:
    """What cannot be compared is a short, known list: a form does not drop out by accident."""
    skipped = {p.form.insn.name for p in plans() if p.skip and 64 in p.form.modes}
    assert skipped <= {
        "CPUID", "HLT", "INT", "INT1", "NOP", "RDPID", "RDPKRU", "RDRAND", "RDSEED",
        "RDTSC", "RDTSCP", "SYSCALL", "SYSENTER", "TPAUSE", "UMONITOR",
        "WRPKRU",
    }  # fmt: skip
