"""Symbol tables against nm, and damaged files."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.symbols import Symbols

SOURCE = "static int deep(int x) { return x; } int outer(int x) { return deep(x); }\n"
SOURCE += "int main(int c, char **v) { return outer(c); }\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    path = tmp_path_factory.mktemp("symbols") / "program"
    command = [need("gcc"), "-O0", "-xc", "-", "-o", str(path)]
    subprocess.run(command, input=SOURCE.encode(), check=True, timeout=60)
    return path


def nm(path: Path, *options: str) -> dict[str, tuple[int, int]]:
    """Code symbols with a size: name -> address, size."""
    text = subprocess.run(
        ["nm", "-S", "--defined-only", *options, path], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in text.splitlines()]
    return {r[3].partition("@")[0]: (int(r[0], 16), int(r[1], 16)) for r in rows if len(r) == 4}


def test_symbols_are_those_of_nm(program: Path, need: Callable[[str], str]) -> None:
    need("nm")
    table = Symbols(str(program))
    ours = {s.name: (s.value, s.size) for s in table.symbols if s.size}
    theirs = nm(program)
    assert {"deep", "outer", "main", "_start"} <= set(ours)
    assert ours == {name: theirs[name] for name in ours}


def test_dynamic_symbols_of_libc(need: Callable[[str], str]) -> None:
    need("nm")
    path = Path("/lib/x86_64-linux-gnu/libc.so.6")
    if not path.exists():
        pytest.skip("no Debian libc")
    theirs = nm(path, "-D")
    table = Symbols(str(path))
    for name in ("printf", "malloc", "qsort", "execve"):
        address, size = theirs[name]
        for inside in (address, address + size - 1):
            found = table.nearest(inside)
            assert found is not None
            assert theirs[found.name] == (address, size)  # one of its names


def test_nearest(program: Path) -> None:
    table = Symbols(str(program))
    address, size = nm(program)["outer"]
    for inside in (address, address + 1, address + size - 1):
        found = table.nearest(inside)
        assert found is not None and found.name == "outer"
    behind = table.nearest(address + size)
    assert behind is None or behind.name != "outer"
    assert table.nearest(0) is None


def test_places_in_the_file(program: Path) -> None:
    table = Symbols(str(program))
    data = program.read_bytes()
    address, size = nm(program)["main"]
    code = next(s for s in table.segments if s[1] <= address < s[1] + s[2])
    offset = address - code[1] + code[0]
    assert table.address_of(offset) == address
    assert data[offset : offset + size].endswith(b"\xc3")
    assert table.address_of(len(data) + 5000) is None


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(200)])
def test_what_is_no_elf64_has_no_symbols(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    table = Symbols(str(path))
    assert (table.symbols, table.segments) == ([], [])
    assert table.nearest(0x401000) is None


def test_absent_files_and_folders_have_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", Path("/dev/null")):
        assert Symbols(str(path)).symbols == []


def test_damaged_files_raise_nothing(
    program: Path, tmp_path: Path, seed: int, quota: float
) -> None:
    whole = program.read_bytes()
    random_ = random.Random(seed)
    path = tmp_path / "damaged"
    end = time.monotonic() + quota / 2
    while time.monotonic() < end:
        data = bytearray(whole[: random_.choice((len(whole), random_.randrange(1, len(whole))))])
        for _ in range(random_.randrange(1, 20)):
            limit = random_.choice((min(64, len(data)), len(data)))
            data[random_.randrange(limit)] = random_.choice((0, 255, random_.randrange(256)))
        path.write_bytes(data)
        table = Symbols(str(path))
        table.nearest(random_.randrange(1 << 64))
        table.address_of(random_.randrange(1 << 64))
