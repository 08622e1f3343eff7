"""Smaller cases that still show a difference: what does not matter becomes zero or default."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from .cpustate import FX_DEFAULT, FX_ST, FX_XMM, GPRS, Case
from .ldt import RIP, SELECTORS

Differs = Callable[[Case], bool]


def shrink(case: Case, differs: Differs) -> Case:
    """The case with all that can go taken away, as long as `differs` stays true."""
    again = True
    while again:
        again = False
        for smaller in _smaller(case):
            if smaller != case and differs(smaller):
                case, again = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Candidates, the boldest first."""
    if case.run:
        yield from _shorter_program(case)
    yield case._replace(fx=FX_DEFAULT)
    yield case._replace(ymmh=bytes(256))
    yield case._replace(rip=RIP[case.mode])
    yield from _usual_segments(case)
    yield case._replace(flags=0)
    yield case._replace(fs_base=0)
    yield case._replace(gs_base=0)
    yield from _smaller_memory(case)
    for i in range(len(GPRS)):
        for value in (0, 1):
            if case.gpr[8 * i] > value or any(case.gpr[8 * i + 1 : 8 * i + 8]):
                yield case._replace(gpr=_cut(case.gpr, 8 * i, value.to_bytes(8, "little")))
    yield from _smaller_fx(case)
    for bit in range(12):
        if case.flags >> bit & 1:
            yield case._replace(flags=case.flags & ~(1 << bit))


def _usual_segments(case: Case) -> Iterator[Case]:
    for n, selector in enumerate(SELECTORS[case.mode]):
        yield case._replace(seg=(*case.seg[:n], selector, *case.seg[n + 1 :]))


def _cut(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _shorter_program(case: Case) -> Iterator[Case]:
    """One instruction less: NOPs in its place, so that jumps still fit."""
    from blink import _engine

    yield case._replace(code=case.code.replace(b"\x90", b"") or case.code)
    at = 0
    while at < len(case.code) - 1:
        n = _engine.decode(case.code[at:] + bytes(15))["len"]
        yield case._replace(code=_cut(case.code, at, b"\x90" * n))
        at += n


def _smaller_memory(case: Case) -> Iterator[Case]:
    patches = case.memory
    for i, (address, data) in enumerate(patches):
        yield case._replace(memory=patches[:i] + patches[i + 1 :])
        halves = ((address, data[: len(data) // 2]), (address, data[:-1]))
        for half in halves:
            if half[1] and half[1] != data:
                yield case._replace(memory=(*patches[:i], half, *patches[i + 1 :]))


def _smaller_fx(case: Case) -> Iterator[Case]:
    ends = (0, 2, 4, 24, 28, *range(FX_ST, FX_XMM + 257, 16))
    for start, end in itertools.pairwise(ends):
        default = FX_DEFAULT[start:end]
        if case.fx[start:end] != default:
            yield case._replace(fx=_cut(case.fx, start, default))
