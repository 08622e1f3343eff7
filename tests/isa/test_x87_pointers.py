"""FIP, FDP, FOP and their selectors: any x87 instruction, then FNSTENV, FNSAVE or FXSAVE."""

from __future__ import annotations

from random import Random

import pytest

from .cpustate import CODE_BASE, FX_MXCSR, HIGH_BASE, IMAGE, Case
from .draft import Draft, q
from .encode import Registers, encode
from .features import is_amd
from .forms import Plan, plans
from .generate import Generator
from .session import Session

# RBX, RSI and RDI point to operands, R15 to the image.
REGISTERS = Registers(data=(1, 2), base=(3, 6, 7))
IMAGES = tuple(
    map(bytes.fromhex, ("41 d9 37", "66 41 d9 37", "41 dd 37", "49 0f ae 07", "41 0f ae 07"))
)
FS_BASE = 0x1230


def usable(plan: Plan) -> bool:
    """x87 instructions and MMX, which leaves the pointers alone; without images and MASKMOVQ.

    A MASKMOVQ that faults has entered MMX mode on AMD's processors.
    """
    e = plan.form.enc
    apart = (e.map, e.opcode) in ((1, 0xAE), (1, 0xF7))
    return not plan.skip and plan.x87 and not plan.estimate and not apart


def case(generator: Generator, plan: Plan) -> Case:
    rng = generator.rng
    code = encode(plan.form, rng.choice(plan.sizes), rng, CODE_BASE, REGISTERS)
    draft = Draft(code, plan, rng, generator.pools)
    segment = rng.randrange(4) == 0
    for n in REGISTERS.base:
        place = HIGH_BASE + 0x800 + 16 * rng.getrandbits(5)
        draft.gpr[n] = q(place - FS_BASE * segment)
        draft.patch(place - 0x80, rng.randbytes(0x180))
    draft.gpr[15] = q(HIGH_BASE + 0x1400)
    fx = bytearray(generator.fx(plan))
    fx[FX_MXCSR] |= 0x80  # SSE's exceptions are not the subject: all masked
    fx[FX_MXCSR + 1] |= 0x1F
    data = b"\x64" * segment + code.data + rng.choice(IMAGES) + b"\xcc"
    return Case(
        data, b"".join(draft.gpr), CODE_BASE, draft.flags, bytes(fx),
        fs_base=FS_BASE * segment, memory=tuple(draft.memory), undefined=plan.undefined,
        label=plan.label, ignore=((HIGH_BASE + 0x1400 + 28, 4),), slack=IMAGE, run=True,
    )  # fmt: skip


@pytest.mark.skipif(not is_amd(), reason="other vendors' processors store other pointers")
def test_as_the_host(session: Session, seed: int) -> None:
    generator = Generator(seed, "pointers")
    chosen = [plan for plan in plans() if usable(plan)]
    assert len(chosen) > 150
    findings = session.check([case(generator, plan) for plan in chosen for _ in range(6)])
    assert not findings, [f"BLINK_SEED={seed}", *(f.report() for f in findings[:10])]


def test_the_random_state_is_not_all_alike() -> None:
    """The generator makes pointers that are there before, so that keeping them is seen."""
    generator = Generator(Random().getrandbits(32), "pointers")
    plan = next(plan for plan in plans() if plan.form.insn.name == "FADD")
    assert len({generator.fx(plan)[6:24] for _ in range(20)}) > 10
