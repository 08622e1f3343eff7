"""Every form in 16 and 32-bit mode against the host CPU; without its help where it has none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import CASES
from .features import host_has
from .forms import legacy_plans
from .generate import Generator
from .hostcpu import HostCpu
from .ldt import LDT, Segment
from .legacy import Legacy
from .session import Finding, Session

PER_FORM = {"unit": 8, "ci": 60, "all": 300}
EVERY = {"unit": 1, "ci": 5, "all": 10}  # of so many, the reference runs one
PLANS = [p for p in legacy_plans() if host_has(p.form.insn.feature)]
SHARDS = 16


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", [32, 16])
@pytest.mark.parametrize("shard", range(SHARDS))
def test_as_the_host(
    mode: int,
    shard: int,
    session: Session,
    seed: int,
    tier: str,
    host: HostCpu,
    record_property: Callable[[str, object], None],
) -> None:
    if not host.has_ldt:
        pytest.skip("modify_ldt(2) is not permitted here: no segments of ours on the host")
    maker = Legacy(Generator(seed, f"{mode}-bit {shard}"))
    before = session.compared
    first: dict[tuple[str, str], Finding] = {}
    for plan in PLANS[shard::SHARDS]:
        for finding in session.check(maker.cases(plan, PER_FORM[tier], mode), EVERY[tier]):
            first.setdefault((plan.label, finding.name), finding)
    record_property(CASES, session.compared - before)
    bad = [session.shrunk(f).report() for f in first.values()]
    assert not bad, "\n".join([f"BLINK_SEED={seed}", *bad])


def test_most_forms_exist_there() -> None:
    assert len(PLANS) > 600


@pytest.mark.parametrize("segment", LDT)
def test_descriptors(segment: Segment) -> None:
    """The raw bytes say the same as the fields."""
    from blink.isa.segments import Descriptor

    d = Descriptor.unpack(segment.raw, 0)
    assert (d.base, d.limit, d.rights) == segment
