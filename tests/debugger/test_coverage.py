"""Surveys of code: the sweep against the decoder, and what is told from data."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from blink import _engine
from blink.debugger.code_file import CodeFile, NotCode
from blink.debugger.coverage import (
    BEHIND,
    DATA,
    NO_UNWIND,
    OUTSIDE,
    Missing,
    Survey,
    feature_name,
    level_of,
    survey_file,
)
from blink.isa.reference import GuestFault, Unimplemented, find_form

# The instruction that stands for what is not implemented: FMA4 has been abandoned by its inventor.
FMA4 = ".byte 0xc4, 0xe3, 0xf9, 0x69, 0xd1, 0x30"  # vfmaddpd xmm2, xmm0, xmm1, xmm3
SOURCE = f"""
__asm__(".text\\n.type aside, @function\\naside: {FMA4}\\n.byte 0x06, 0x06\\n.size aside, 9");
void plain(void) {{ __asm__ volatile("{FMA4}"); }}
void twice(void) {{ __asm__ volatile("{FMA4}\\n{FMA4}"); }}
void data(void) {{ __asm__ volatile("jmp 1f\\n.byte 0x06\\n1: {FMA4}"); }}
void again(void) {{ __asm__ volatile("aesenc %xmm0, %xmm1\\nud2"); }}
"""
NAME = Missing("VFMADDPD", ("FMA4",))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    path = tmp_path_factory.mktemp("coverage") / "library.so"
    command = [need("gcc"), "-O1", "-shared", "-fPIC", "-xc", "-", "-o", str(path)]
    subprocess.run(command, input=SOURCE.encode(), check=True, timeout=60)
    return path


def counts(found: Survey) -> dict[tuple[str, str], int]:
    return {(reason, what.mnemonic): f.number for (reason, what), f in found.doubtful.items()}


def test_code_and_data_are_told_apart(library: Path) -> None:
    found = survey_file(str(library))
    assert {what: f.number for what, f in found.missing.items()} == {NAME: 3}
    assert counts(found) == {
        (OUTSIDE, "VFMADDPD"): 1,
        (OUTSIDE, ""): 2,
        (DATA, ""): 1,
        (BEHIND, "VFMADDPD"): 1,
    }
    assert found.implemented["AESENC"] == found.implemented["UD2"] == 1
    assert (found.files, found.wanted) == (1, [])


def test_places_are_addresses(library: Path) -> None:
    symbols = subprocess.run(["nm", library], capture_output=True, text=True, check=True).stdout
    rows = {
        line.split()[-1]: int(line.split()[0], 16)
        for line in symbols.splitlines()
        if line[0] != " "
    }
    path, _, place = survey_file(str(library)).missing[NAME].place.rpartition("+")
    assert path == str(library)
    assert 0 <= int(place, 16) - rows["plain"] < 16


def test_functions_are_those_of_the_symbol_table(library: Path) -> None:
    unwind = CodeFile(library.read_bytes()).unwind
    text = subprocess.run(["nm", "-S", library], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    sizes = {r[3]: (int(r[0], 16), int(r[1], 16)) for r in rows if len(r) == 4 and r[2] == "T"}
    assert set(sizes) >= {"plain", "twice", "data", "again"}
    for start, size in sizes.values():
        for address in (start, start + size - 1):
            assert unwind.function(address) == (start, start + size)
    assert unwind.function(0) is None


def test_a_file_without_section_headers(library: Path, tmp_path: Path) -> None:
    """The executable segment is all code then; its unwind table is still there."""
    image = bytearray(library.read_bytes())
    image[0x28:0x30] = bytes(8)  # e_shoff
    image[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    path = tmp_path / "bare.so"
    path.write_bytes(image)
    assert survey_file(str(path)).missing[NAME].number == 3


def test_a_file_without_unwind_information(library: Path, tmp_path: Path) -> None:
    image = library.read_bytes().replace((0x6474E550).to_bytes(4, "little"), bytes(4))
    path = tmp_path / "bare.so"
    path.write_bytes(image)
    found = survey_file(str(path))
    assert not found.missing
    assert {reason for reason, _ in found.doubtful} == {NO_UNWIND}
    assert (NO_UNWIND, "VFMADDPD") in counts(found)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no 64-bit ELF file"),
        (b"#!/bin/sh\n", "no 64-bit ELF file"),
        (b"\x7fELF\x02\x01", "truncated"),
        (b"\x7fELF\x01\x01" + bytes(100), "no 64-bit ELF file"),
        (b"\x7fELF\x02\x01" + bytes(10) + b"\x03\0\xb7\0" + bytes(100), "another machine"),
        (b"\x7fELF\x02\x01" + bytes(10) + b"\x01\0\x3e\0" + bytes(100), "not linked"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(NotCode, match=reason):
        CodeFile(data)
    path = tmp_path / "file"
    path.write_bytes(data)
    assert survey_file(str(path)).skipped == {reason: 1}
    assert survey_file(str(tmp_path / "nosuch")).skipped == {"No such file or directory": 1}


def test_damaged_files_do_no_harm(library: Path, tmp_path: Path, seed: int) -> None:
    rng, whole = random.Random(seed), library.read_bytes()
    (table,) = (s.offset for s in CodeFile(whole).segments if s.kind == 0x6474E550)
    path = tmp_path / "damaged.so"
    for _ in range(200):
        image = bytearray(whole)
        for _ in range(rng.randrange(1, 8)):
            area, size = rng.choice(((0, 64), (64, 0x400), (table, 0x200), (0, len(image))))
            image[area + rng.randrange(size)] = rng.choice((0, 127, 128, 255, rng.randrange(256)))
        path.write_bytes(image[: rng.choice((len(image), rng.randrange(len(image))))])
        found = survey_file(str(path))
        assert found.files + found.skipped.total() == 1


def slow_sweep(code: bytes) -> tuple[Counter[str], list[int], list[int]]:
    """The sweep in Python: mnemonics, offsets of what is not implemented, of no instruction."""
    names: Counter[str] = Counter()
    missing: list[int] = []
    invalid: list[int] = []
    at = 0
    while at < len(code):
        length = 1
        try:
            insn = _engine.decode(code[at:])
            length = insn["len"]
            form = find_form(insn)
            allowed = not insn["has_vvvv"] or any(o.kind.where == "vvvv" for o in form.operands)
            if allowed and (not insn["lock"] or form.lock or form.always_lock):
                names[form.insn.name] += 1
            else:
                invalid.append(at)
                length = 1
        except (_engine.DecodeError, GuestFault):
            invalid.append(at)
            length = 1
        except Unimplemented:
            missing.append(at)
        at += length
    return names, missing, invalid


def test_the_sweep_is_the_decoder(seed: int) -> None:
    code = random.Random(seed).randbytes(20_000) + Path("/bin/true").read_bytes()[0x2000:0x4000]
    forms, missing, invalid = _engine.sweep(code)
    names = _engine.form_names()
    found: Counter[str] = Counter()
    for form, count in forms:
        found[names[form]] += count
    assert (found, missing, invalid) == slow_sweep(code)


def test_levels() -> None:
    assert level_of(()) == "x86-64-v1"
    assert level_of(("AVX", "FMA")) == "x86-64-v3"
    assert level_of(("SHA",)) == "advertised"
    assert level_of(("AVX512F",)) == ""
    assert [feature_name(n) for n in ("INTEL386", "SSE4_1", "CMPXCHG16B", "XOP")] == [
        "", "SSE4.1", "CX16", "XOP",
    ]  # fmt: skip
