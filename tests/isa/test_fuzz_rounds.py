"""A while of fuzzing beyond single well-formed instructions: mutated encodings, programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import CASES
from .features import host_has
from .forms import plans
from .session import Clock, Finding, Session
from .workload import work

PLANS = [p for p in plans() if not p.skip and host_has(p.form.insn.feature)]
SHOWN = 10
EVERY = {"mutations": 8, "sequences": 40, "flows": 40}  # of so many, the reference runs one


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["mutations", "sequences", "flows"])
def test_as_the_host(
    mode: str,
    session: Session,
    seed: int,
    quota: float,
    record_property: Callable[[str, object], None],
) -> None:
    before, clock = session.compared, Clock(quota)
    found: list[Finding] = []
    for cases in work([mode], PLANS, seed):
        found += session.check(cases, EVERY[mode])
        if clock.over or len(found) > SHOWN:
            break
    record_property(CASES, session.compared - before)
    first = {(f.case.label, f.name): f for f in reversed(found)}
    reports = [session.shrunk(f).report() for f in first.values()]
    assert not found, "\n".join([f"BLINK_SEED={seed}", *reports[:SHOWN]])
