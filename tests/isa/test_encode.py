"""Generated encodings: the decoder agrees about length and form, addresses are reached."""

from __future__ import annotations

import pytest

from blink import _engine
from blink.isa.reference import find_form
from blink.isa.spec import ANY, Form

from .cpustate import CODE_BASE, LOW_BASE, flat_offset
from .draft import q
from .encode import Address, encode, solve
from .forms import Plan, plans
from .generate import Generator
from .mutate import mutation
from .sequence import INT3, Sequences


def _sharpness(form: Form) -> int:
    """How many bits an encoding fixes: of two forms that match, the sharper one is meant."""
    e = form.enc
    return e.mask.bit_count() + (e.w != ANY) + (e.pp != ANY)


PLANS = [p for p in plans() if not p.skip]


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.label.replace("/", "_"))
def test_decoder_agrees(plan: Plan, seed: int) -> None:
    rng = Generator(seed, plan.label).rng
    for _ in range(20):
        code = encode(plan.form, rng.choice(plan.sizes), rng, CODE_BASE)
        insn = _engine.decode(code.data + bytes(15))
        found = find_form(insn)
        assert insn["len"] == len(code.data), code.data.hex()
        assert insn["has_mem"] == (code.address is not None), code.data.hex()
        same = found.insn.body is plan.form.insn.body
        assert same or _sharpness(found) > _sharpness(plan.form), code.data.hex()


@pytest.mark.parametrize(
    "address",
    [
        Address(base=3),
        Address(base=3, disp=-5),
        Address(base=3, offset=12, scale=3, disp=100),
        Address(base=3, offset=3, scale=1),
        Address(offset=9, scale=2, disp=-64),
        Address(base=13, disp=8, width=32),
        Address(base=13, offset=2, scale=3, width=32),
    ],
)
def test_registers_are_solved_for(address: Address) -> None:
    gpr = [q(0x1234_5678_9ABC_DEF0 * n) for n in range(16)]
    reached = solve(address, gpr, LOW_BASE + 0x400, 0)
    values = [int.from_bytes(v, "little") for v in gpr]
    base = values[address.base] if address.base >= 0 else 0
    index = values[address.offset] << address.scale if address.offset >= 0 else 0
    assert (base + index + address.disp) % (1 << address.width) == reached
    assert LOW_BASE + 0x3E0 <= reached <= LOW_BASE + 0x400


def test_same_seed_same_cases() -> None:
    plan = PLANS[0]
    assert Generator(1).cases(plan, 50, CODE_BASE) == Generator(1).cases(plan, 50, CODE_BASE)


def test_mutations_are_instructions() -> None:
    generator = Generator(1, "mutations")
    found = 0
    for plan in PLANS:
        code = encode(plan.form, plan.sizes[0], generator.rng, CODE_BASE)
        if mutated := mutation(code, generator.rng):
            found += 1
            assert _engine.decode(mutated[0].data + bytes(15))["len"] == len(mutated[0].data)
    assert found > len(PLANS) // 3


def test_sequences_stay_in_their_memory() -> None:
    generator = Generator(1, "sequences")
    maker = Sequences(PLANS, generator)
    assert len(maker.plain) > 300 and len(maker.jumps) == 32
    for _ in range(200):
        case = maker.case(CODE_BASE)
        assert case.run and case.code.endswith(INT3)
        assert all(flat_offset(a) is not None for a, _ in case.memory)
