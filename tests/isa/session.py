"""Runs cases on the host and on the CPUs under test, and collects where they disagree."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from blink.abi.layout import PAGED_SKEW

from . import enginebatch
from .asm import disassemble
from .compare import agree, differences
from .cpustate import (
    CODE_BASE,
    NO_FAULT,
    TOO_LONG,
    VECTORS,
    Case,
    Outcome,
    Subject,
    flat_offset,
)
from .forms import EMULATED
from .hostcpu import HostCpu
from .regression import format_line
from .shrink import shrink

BATCH = 512
SUBJECTS = ("linear", "paged", "translated", "far", "counting", "reference")
# Where host code reaches the data of all cases, and mutated displacements hardly reach host code;
# and where it does not.
_NEAR, _FAR = CODE_BASE + 0x37700000, CODE_BASE + (16 << 30)


class Finding(NamedTuple):
    """A disagreement: `name` computed `got` where `wanted` is right."""

    case: Case
    name: str
    wanted: Outcome
    got: Outcome

    def report(self) -> str:
        """The form, what differs, and a line for regressions.txt."""
        (text,) = disassemble([self.case.code], self.case.mode)
        words = "; ".join(differences(self.case, self.wanted, self.got))
        line = format_line(self.case, text, self.wanted)
        return f"{self.case.label}: {self.name}: {words}\n    {line}"


@cache
def make_subject(name: str) -> Subject:
    """A CPU under test by its name in SUBJECTS, one of each."""
    if name == "reference":
        from .refcpu import ReferenceCpu

        return ReferenceCpu()
    from .enginecpu import CountingCpu, EngineCpu, TranslatedCpu

    if name in ("translated", "far"):
        return TranslatedCpu(name, _NEAR if name == "translated" else _FAR)
    if name == "counting":
        return CountingCpu(_NEAR)
    return EngineCpu(paged=name == "paged")


class Session:
    """Compares.  The oracle is the host, or the Python semantics where the host lacks a feature."""

    def __init__(self, host: HostCpu, subjects: Sequence[Subject]) -> None:
        self.host, self.subjects = host, subjects
        self.compared = self.by_reference = 0
        self._engines: enginebatch.EngineBatch | None = None
        self._alone = list(subjects)  # those that run here, case by case

    def with_batches(self) -> Session:
        """Leaves the engine's CPUs to a process that is much faster, if there can be one."""
        names = [s.name for s in self.subjects if s.name in enginebatch.NAMES]
        if names and enginebatch.available():
            self._engines = enginebatch.EngineBatch(self.host, names)
            self._alone = [s for s in self.subjects if s.name not in names]
        return self

    def close(self) -> None:
        if self._engines:
            self._engines.close()

    def check(self, cases: Sequence[Case], every: int = 1, each: int = 1) -> list[Finding]:
        """All disagreements about the cases, not shrunk.  The host works while the others do.

        Of `every` so many cases, the Python semantics run one: they take most of the time.  The
        engine's CPUs run each case in `each` variants.
        """
        findings: list[Finding] = []
        size = BATCH if not self._engines else max(1, BATCH // each)
        for i in range(0, len(cases), size):
            findings += self._check_batch(cases[i : i + size], every, each)
        return [finding for finding in findings if self._holds(finding)]

    def _check_batch(self, batch: Sequence[Case], every: int, each: int) -> list[Finding]:
        engines, count = self._engines, len(batch)
        self.host.write(0, batch)
        if engines and each > 1:
            count = engines.expand(0, count, each, self.compared & 0xFFFFFFFF)
        self.host.start(0, count)
        if engines:
            engines.submit(0, count)
        try:
            results = [self._run(s, batch, every) for s in self._alone if fits(s, batch)]
        finally:
            self.host.wait(0)
            if engines:
                engines.wait(count)
        self.compared += count
        findings: list[Finding] = []
        if engines:
            unequal = engines.unequal(0, batch, count)
            findings = [Finding(*found) for found in unequal if _is_finding(*found)]
        for name, step, outcomes in results:
            wanted = self._wanted(batch, step, each)
            findings += _compare(batch[::step], name, wanted, outcomes)
        return findings

    def _wanted(self, batch: Sequence[Case], step: int, each: int) -> list[Outcome]:
        """The host's outcomes of every so many of a batch, before which variants may lie."""
        if not self._engines:
            return self.host.outcomes(0, batch)[::step]
        places = accumulate((each if case.vary else 1 for case in batch), initial=0)
        pairs = list(zip(batch, places, strict=False))[::step]
        return [self._engines.host_outcome(0, *pair) for pair in pairs]

    def _run(
        self, subject: Subject, batch: Sequence[Case], every: int
    ) -> tuple[str, int, list[Outcome]]:
        step = every if subject.name == "reference" else 1
        outcomes = subject.run(batch[::step])
        if subject.name == "reference":
            self.by_reference += len(outcomes)
        return subject.name, step, outcomes

    def _holds(self, finding: Finding) -> bool:
        """Whether the host says the same again.

        When it switched to another process in between, AMD's XSAVE forgot the x87's pointers.
        """
        return not agree(finding.case, self.host.run([finding.case])[0], finding.got)

    def check_without_host(self, cases: Sequence[Case]) -> list[Finding]:
        """As check(), but the Python semantics are the oracle of the others."""
        oracle = next(s for s in self.subjects if s.name == "reference")
        wanted = oracle.run(cases)
        self.compared += len(cases)
        results = ((s.name, s.run(cases)) for s in self.subjects if s is not oracle)
        return [f for name, outcomes in results for f in _compare(cases, name, wanted, outcomes)]

    def shrunk(self, finding: Finding) -> Finding:
        """The same disagreement with a case as small as can be found."""
        subject = next(s for s in self.subjects if s.name == finding.name)

        def outcomes(case: Case) -> tuple[Outcome, Outcome]:
            return self.host.run([case])[0], subject.run([case])[0]

        def differs(case: Case) -> bool:
            wanted, got = outcomes(case)
            return wanted.vector != TOO_LONG and not agree(case, wanted, got)

        if not differs(finding.case):
            return finding
        case = shrink(finding.case, differs)
        return Finding(case, finding.name, *outcomes(case))


def _compare(
    cases: Sequence[Case], name: str, wanted: Sequence[Outcome], got: Sequence[Outcome]
) -> list[Finding]:
    found = ((case, name, w, g) for case, w, g in zip(cases, wanted, got, strict=True))
    return [Finding(*parts) for parts in found if _is_finding(*parts)]


def _is_finding(case: Case, name: str, wanted: Outcome, got: Outcome) -> bool:
    return not agree(case, wanted, got) and not _is_a_matter_of_systems(case, wanted)


def _is_a_matter_of_systems(case: Case, wanted: Outcome) -> bool:
    """A fault in what Linux emulates, which writes part of the operand; a fault in the paged CPU's
    memory, which the other CPUs see at its host address."""
    if wanted.vector == NO_FAULT:
        return False
    in_paged_memory = flat_offset(wanted.addr - PAGED_SKEW) is not None
    emulated = case.label.partition(" ")[0] in EMULATED
    return emulated or (wanted.vector == VECTORS["pf"] and in_paged_memory)


def fits(subject: Subject, cases: Sequence[Case]) -> bool:
    """Whether it runs such cases: the translator knows 64-bit mode alone."""
    if subject.name in ("translated", "far", "counting"):
        return all(case.mode == 64 for case in cases)
    return True


class Clock:
    """Seconds since the start, and whether a budget is used up."""

    def __init__(self, budget: float) -> None:
        self.start, self.budget = time.monotonic(), budget

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    @property
    def over(self) -> bool:
        return self.seconds >= self.budget
