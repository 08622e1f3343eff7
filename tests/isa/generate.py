"""Random cases for an encoded instruction: registers, flags, memory, x87 and SSE state."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from .cpustate import (
    FX_DEFAULT,
    VARY_FLAGS,
    VARY_GPRS,
    VARY_MEMORY,
    VARY_VECTORS,
    VARY_X87,
    Case,
)
from .draft import Draft, place_operand
from .encode import Code, encode
from .features import host_has
from .fixups import FIXUPS, addresses_by_input, defined
from .forms import Plan
from .fxstate import limited, nearly_tiny, random_fx
from .values import Pools

STATES_PER_CODE = 6


@lru_cache(maxsize=4)
def pools_of(seed: int) -> Pools:
    """The pools of a seed; making them takes longer than a hundred cases."""
    return Pools(Random(seed))


def _variable(d: Draft) -> int:
    """What variants of the case may have otherwise: not what an address or a fix-up rests on."""
    plan, code = d.plan, d.code
    if plan.fixups or plan.limit or plan.estimate or plan.ignore:
        return 0
    found = VARY_FLAGS | VARY_VECTORS * plan.sse | VARY_X87 * plan.x87
    if code.address is None:
        return found | VARY_GPRS
    return found | VARY_MEMORY * (len(d.memory) == 1)


class Generator:
    """Makes cases; everything follows from the seed and the name of the stream."""

    def __init__(self, seed: int, stream: str = "") -> None:
        self.rng = Random(f"{seed} {stream}")
        self.pools = pools_of(seed)
        self._background: list[bytes] = [
            FX_DEFAULT,
            *(random_fx(self.rng, self.pools, "int", x87=True) for _ in range(7)),
        ]

    def case(self, code: Code, plan: Plan) -> Case:
        """One case for `code`."""
        rng = self.rng
        d = Draft(code, plan, rng, self.pools)
        for name in plan.fixups:
            FIXUPS[name](d)
        if code.address is not None:
            place_operand(d)
        if not defined(d):
            return self.case(code, plan)
        return Case(
            code.data, b"".join(d.gpr), code.rip, d.flags, d.fx or self.fx(plan),
            d.ymmh if any(d.ymmh) else self.ymmh(plan),
            d.fs_base, d.gs_base, tuple(d.memory), plan.undefined, plan.label,
            d.ignored(), plan.slack, plan.estimate, vary=_variable(d),
        )  # fmt: skip

    def ymmh(self, plan: Plan) -> bytes:
        """Upper halves of the vector registers, as far as the host can have them."""
        if not plan.sse or not host_has("AVX") or self.rng.randrange(8) == 0:
            return bytes(256)
        pool = plan.pool if self.rng.randrange(5) else "int"
        return b"".join(self.rng.choices(self.pools.vector[pool], k=16))

    def fx(self, plan: Plan) -> bytes:
        """An FXSAVE image that suits the form."""
        if not plan.sse and not plan.x87:
            return self.rng.choice(self._background)
        pool = plan.pool if self.rng.randrange(5) else "int"
        fx = random_fx(self.rng, self.pools, pool, plan.x87)
        if plan.estimate and nearly_tiny(fx):
            return self.fx(plan)
        return limited(fx, plan.limit) if plan.limit else fx

    def cases(self, plan: Plan, n: int, rip: int) -> list[Case]:
        """`n` cases of the plan's form; several states share each encoding."""
        cases: list[Case] = []
        while len(cases) < n:
            code = encode(plan.form, self.rng.choice(plan.sizes), self.rng, rip)
            if addresses_by_input(plan, code):
                continue
            cases += [self.case(code, plan) for _ in range(min(STATES_PER_CODE, n - len(cases)))]
        return cases
