"""The decoder against iced-x86: random bytes in three modes, and the code of the host's programs.

Random bytes are compared in all fields, programs by length: Zydis compares their operands.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from random import Random

import iced_x86
import pytest

from blink.debugger.code_file import CodeFile, NotCode

from .iced_help import ACCEPTED, compare, compare_code, every_opcode, random_case

MODES = (64, 64, 32, 16)


def show(code: bytes, mode: int, what: str) -> str:
    text = iced_x86.Decoder(mode, code).decode()
    return f"mode {mode}, {what}: {code[:16].hex(' ')}: {text}"


def test_random_bytes(seed: int, quota: float) -> None:
    rng, reasons, compared = Random(seed), Counter[str](), 0
    bad: list[str] = []
    end = time.monotonic() + quota
    while time.monotonic() < end and len(bad) < 20:
        for _ in range(500):
            code, mode = random_case(rng), rng.choice(MODES)
            what, why = compare(code, mode)
            compared += 1
            if why:
                reasons[why] += 1
            elif what:
                bad.append(show(code, mode, what))
    assert not bad, "\n".join([f"BLINK_SEED={seed}", *bad[:20]])
    assert compared >= 500 and set(reasons) <= ACCEPTED


def differing(mode: int, part: int, parts: int) -> tuple[int, set[str], list[str]]:
    """Opcodes compared, reasons, and what has none, for one part of all opcodes."""
    reasons, bad, compared = set[str](), list[str](), 0
    for code in islice(every_opcode(), part, None, parts):
        what, why = compare(code, mode)
        compared += 1
        if why:
            reasons.add(why)
        elif what:
            bad.append(show(code, mode, what))
    return compared, reasons, bad


@pytest.mark.ci
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("mode", [64, 32])
def test_every_opcode(mode: int) -> None:
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(differing, (mode, mode), (0, 1), (2, 2)))
    assert not [line for _, _, bad in parts for line in bad[:20]]
    assert set().union(*(reasons for _, reasons, _ in parts)) <= ACCEPTED
    assert sum(count for count, _, _ in parts) > 1_000_000


# -- programs --------------------------------------------------------------------------------

FOLDER = Path("/usr/bin")


def programs(seed: int) -> list[Path]:
    """The files of the folder, in random order."""
    files = sorted(p for p in FOLDER.iterdir() if p.is_file() and not p.is_symlink())
    Random(seed).shuffle(files)
    return files


def check_program(path: Path, end: float) -> tuple[int, Counter[str], list[str]]:
    """Instructions of a file, how many differ by reason, and the differences without one."""
    reasons, bad, compared = Counter[str](), list[str](), 0
    try:
        sections = CodeFile(path.read_bytes()).sections()
    except NotCode:
        return 0, reasons, bad
    for section in sections:
        count, found = compare_code(section.data, end)
        compared += count
        for at, why in found:
            reasons[why] += 1
            if not why:
                code = section.data[at : at + 15]
                bad.append(f"{path}+{section.address + at:#x}: {code.hex(' ')}")
    return compared, reasons, bad


def report(results: Iterable[tuple[int, Counter[str], list[str]]]) -> int:
    """How many instructions were compared; fails with what no reason explains."""
    total, compared = Counter[str](), 0
    for count, reasons, bad in results:
        assert not bad, "\n".join(bad[:20])
        compared += count
        total += reasons
    print(f"{compared} instructions", *(f"{n}: {why}" for why, n in total.items()), sep="\n")
    assert set(total) <= ACCEPTED
    return compared


def test_some_programs(seed: int, quota: float) -> None:
    end = time.monotonic() + quota
    assert report(check_program(path, end) for path in programs(seed)) > 100_000


@pytest.mark.ci
@pytest.mark.timeout(1500)
def test_all_programs(seed: int) -> None:
    with ProcessPoolExecutor(2) as pool:
        results = pool.map(check_program, paths := programs(seed), [float("inf")] * len(paths))
        assert report(results) > 10_000_000
