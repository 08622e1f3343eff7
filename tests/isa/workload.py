"""Endless cases for the fuzzer: single forms, mutated encodings, sequences, control flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle

from .cpustate import CODE_BASE, CODE_SIZE, Case
from .encode import encode
from .forms import Plan
from .generate import Generator

MODES = ("forms", "mutations", "sequences", "flows", "legacy")
# Batches of each in a turn: what is cheap to make and to run comes often.
_SHARES = {"forms": 6, "mutations": 2}
_BATCH = 500
_EACH, _FORMS = 60, 8
_SLOT = 16


def place(generator: Generator) -> int:
    """An address for code, with room for the longest sequence behind it."""
    return CODE_BASE + _SLOT * generator.rng.randrange(CODE_SIZE // _SLOT - 8)


def forms(plans: Sequence[Plan], generator: Generator) -> Iterator[list[Case]]:
    """Many cases of one form after another, some forms in a batch."""
    endless = cycle(plans)
    while True:
        some = (next(endless) for _ in range(_FORMS))
        yield [c for plan in some for c in generator.cases(plan, _EACH, place(generator))]


def mutations(plans: Sequence[Plan], generator: Generator) -> Iterator[list[Case]]:
    """Mutated encodings of all forms mixed."""
    from .mutate import mutation

    while True:
        batch: list[Case] = []
        while len(batch) < _BATCH:
            plan = generator.rng.choice(plans)
            size = generator.rng.choice(plan.sizes)
            code = encode(plan.form, size, generator.rng, place(generator))
            if found := mutation(code, generator.rng):
                batch += [generator.case(*found) for _ in range(2)]
        yield batch


def sequences(plans: Sequence[Plan], generator: Generator) -> Iterator[list[Case]]:
    """Programs of several instructions; forms alone if none of them may stand in a program."""
    from .sequence import Sequences

    maker = Sequences(plans, generator)
    if not maker.plain:
        yield from forms(plans, generator)
    while True:
        yield [maker.case(place(generator)) for _ in range(_BATCH)]


def flows(plans: Sequence[Plan], generator: Generator) -> Iterator[list[Case]]:
    """Programs that call, return, jump and loop; forms alone if none of them may stand in one."""
    from .flow import Flows

    maker = Flows(plans, generator)
    if not maker.bodies:
        yield from forms(plans, generator)
    while True:
        yield [maker.case(place(generator)) for _ in range(_BATCH)]


def legacy(plans: Sequence[Plan], generator: Generator) -> Iterator[list[Case]]:
    """Cases in 16 and 32-bit mode, of all forms that exist there."""
    from .forms import legacy_plans
    from .legacy import Legacy

    wanted = {p.label for p in plans}
    endless = cycle([p for p in legacy_plans() if p.label in wanted or 64 not in p.form.modes])
    maker = Legacy(generator)
    while True:
        some = [next(endless) for _ in range(_FORMS)]
        yield [c for plan in some for mode in (32, 16) for c in maker.cases(plan, _EACH, mode)]


def work(modes: Sequence[str], plans: Sequence[Plan], seed: int) -> Iterator[list[Case]]:
    """Batches of the named modes in turn, without end."""
    makers = {"forms": forms, "mutations": mutations, "sequences": sequences, "flows": flows}
    makers |= {"legacy": legacy}
    streams = [makers[mode](plans, Generator(seed, mode)) for mode in modes]
    turn = [
        stream
        for mode, stream in zip(modes, streams, strict=True)
        for _ in range(_SHARES.get(mode, 1))
    ]
    for stream in cycle(turn):
        yield next(stream)
