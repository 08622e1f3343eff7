"""Every form that a CPU model lacks is undefined there, interpreted and translated."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from blink.isa import matching
from blink.isa.cpuid import MAX, MODELS, leaves
from blink.isa.reference import form_index
from blink.isa.spec import Form

from .compare import differences
from .cpustate import CODE_BASE, NO_FAULT, VECTORS, Case
from .encode import encode
from .enginecpu import EngineCpu, TranslatedCpu
from .features import host_has
from .forms import Plan, plans
from .generate import Generator
from .refcpu import decode

UD = VECTORS["ud"]
LEVELS = [model for model in MODELS if model != MAX]
KINDS: dict[str, Callable[[], EngineCpu]] = {
    "linear": lambda: EngineCpu(paged=False),
    "paged": lambda: EngineCpu(paged=True),
    "translated": lambda: TranslatedCpu("translated", CODE_BASE + 0x37700000),
}


def lacks(model: str, form: Form) -> bool:
    return form.insn.feature not in ("", *MODELS[model])


def has_another_meaning(model: str, code: bytes) -> bool:
    """Whether the bytes are an instruction of older CPUs, too: LZCNT and TZCNT."""
    insn = decode(code + bytes(15))
    candidates = form_index()[insn["enc"], insn["map"], insn["opcode"]]
    return any(matching.matches(f, insn) and not lacks(model, f) for f in candidates)


def cases(model: str, seed: int) -> list[Case]:
    """One of each form that the model lacks."""
    rng, generator = Random(seed), Generator(seed, model)
    found = []
    for plan in plans():
        if not lacks(model, plan.form) or 64 not in plan.form.modes:
            continue
        code = encode(plan.form, rng.choice(plan.form.sizes), rng, CODE_BASE)
        if not has_another_meaning(model, code.data):
            found.append(generator.case(code, plan))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", LEVELS)
def test_what_a_model_lacks_is_undefined(model: str, kind: str, seed: int) -> None:
    subject = KINDS[kind]()
    subject.cpu.set_model(model)
    undefined = cases(model, seed)
    outcomes = subject.run(undefined)
    wrong = [
        f"{case.label}: {case.code.hex(' ')}: {outcome.vector}"
        for case, outcome in zip(undefined, outcomes, strict=True)
        if outcome.vector != UD or outcome.gpr != case.gpr
    ]
    assert not wrong, [f"BLINK_SEED={seed}", *wrong]
    assert len(undefined) > (100 if model == "x86-64-v1" else 5)


def _plan(name: str) -> Plan:
    return next(plan for plan in plans() if plan.form.insn.name == name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("new", "old"), [("TZCNT", "BSF"), ("LZCNT", "BSR")])
def test_counts_are_scans_on_older_cpus(new: str, old: str, kind: str, seed: int) -> None:
    """The prefix F3 says nothing there (SDM volume 2, TZCNT and LZCNT)."""
    plan, older, newer = _plan(new), KINDS[kind](), KINDS[kind]()
    older.cpu.set_model("x86-64-v2")
    scans = Generator(seed, old).cases(_plan(old), 50, CODE_BASE + 1)
    counts = [case._replace(code=b"\xf3" + case.code, rip=case.rip - 1) for case in scans]
    wanted = newer.run(scans)
    for case, as_scan, as_count in zip(scans, wanted, older.run(counts), strict=True):
        same = as_count._replace(rip=as_count.rip + (as_scan.vector != NO_FAULT))
        assert not differences(case, as_scan, same)
    if host_has(plan.form.insn.feature):
        assert any(a.gpr != b.gpr for a, b in zip(wanted, newer.run(counts), strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_cpuid_is_the_models(model: str) -> None:
    subject = KINDS["linear"]()
    subject.cpu.set_model(model)
    for leaf in leaves(model):
        sub = 0 if leaf.sub == 0xFFFF_FFFF else leaf.sub
        assert subject.cpu.cpuid(leaf.leaf, sub) == (leaf.eax, leaf.ebx, leaf.ecx, leaf.edx)
    assert subject.cpu.model == model


def test_an_unknown_model_changes_nothing() -> None:
    cpu = KINDS["linear"]().cpu
    with pytest.raises(ValueError, match="no CPU model is called i486"):
        cpu.set_model("i486")
    assert cpu.model == MAX
