"""`blink isa coverage` as its users meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BLINK = Path(sys.executable).parent / "blink"
Done = subprocess.CompletedProcess[str]


def run(*words: str | Path, **arguments: object) -> Done:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [BLINK, *words], capture_output=True, text=True, timeout=400, check=False, **arguments
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A program, a library below that contains FMA4, a text, a link and a second name."""
    folder = tmp_path_factory.mktemp("coverage")
    (folder / "lib").mkdir()
    fma4 = '__asm__ volatile(".byte 0xc4, 0xe3, 0xf9, 0x69, 0xd1, 0x30");'
    for name, source in (
        ("program", "int main(void) { return 0; }"),
        ("lib/library.so", f"void f(void) {{ {fma4} }}"),
    ):
        shared = ["-shared", "-fPIC"] if name.endswith("so") else []
        command = [need("gcc"), *shared, "-xc", "-", "-o", str(folder / name)]
        subprocess.run(command, input=source.encode(), check=True, timeout=60)
    (folder / "text").write_text("no program\n")
    (folder / "link").symlink_to("program")
    os.link(folder / "program", folder / "name")
    return folder


def test_tables(folder: Path) -> None:
    said = run("isa", "coverage", folder)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("2 files with ")
    titles = [line for line in said.stdout.splitlines() if line.endswith(":")]
    assert len(titles) == 3 and titles[-1] == "Implemented:"
    assert "\n  VFMADDPD                        1  FMA4 " in said.stdout
    assert all(f"\n  {name} " in said.stdout for name in ("RET", "ENDBR64", "PUSH"))


def test_json(folder: Path) -> None:
    said = run("isa", "coverage", "--jobs", "1", "--json", folder / "lib", folder / "text")
    assert (said.returncode, said.stderr) == (0, "")
    result = json.loads(said.stdout)
    assert (result["files"], result["skipped"]) == (1, {"no 64-bit ELF file": 1})
    assert sum(result["implemented"].values()) == result["instructions"] > 10
    (missing,) = result["missing"]
    place = missing.pop("first")
    assert place.startswith(str((folder / "lib/library.so").resolve()) + "+0x")
    assert missing == {"mnemonic": "VFMADDPD", "features": ["FMA4"], "level": "", "count": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no place was named"),
        (("--frob", "/bin"), "there is no option --frob"),
        (("/bin", "--jobs"), "--jobs needs a number"),
        (("/bin", "--jobs", "0"), "--jobs takes a positive number, not 0"),
    ],
)
def test_wrong_command_lines(words: tuple[str, ...], message: str) -> None:
    said = run("isa", "coverage", *words)
    assert (said.returncode, said.stdout) == (48, "")
    assert said.stderr == f"blink: {message}; see blink isa coverage -h\n"


def test_a_place_that_is_not_there() -> None:
    said = run("isa", "coverage", "/nosuch")
    assert (said.returncode, said.stdout) == (125, "")
    assert said.stderr == "blink: /nosuch: No such file or directory\n"


def test_help() -> None:
    said = run("isa", "coverage", "--help")
    assert said.returncode == 0 and said.stdout.startswith("usage: blink isa coverage ")


@pytest.mark.parametrize(
    "words",
    [["./isa", "coverage"], ["--", "isa", "coverage"], ["isa", "other"], ["isa"]],
    ids=" ".join,
)
def test_a_program_called_isa_can_be_run(words: list[str], tmp_path: Path) -> None:
    script = tmp_path / "isa"
    script.write_text("#!/bin/sh\necho program $1\n")
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = run(*words, cwd=tmp_path, env=environment)
    last = words[-1] if words[-1] != "isa" else ""
    assert (said.returncode, said.stdout) == (0, f"program {last}".rstrip() + "\n")


def missing(*places: str | Path) -> list[str]:
    """What a survey finds that x86-64-v3 or CPUID promises: none, or it says so by its status."""
    said = run("isa", "coverage", "--json", *places)
    assert said.stderr == ""
    result = json.loads(said.stdout)
    assert result["instructions"] > 100_000
    names = [row["mnemonic"] for row in result["missing"] if row["level"]]
    assert said.returncode == (1 if names else 0)
    return names


def test_a_shell_and_its_libraries_are_complete() -> None:
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    assert missing("/bin/sh", *{row[5] for row in maps if len(row) > 5 and ".so" in row[5]}) == []


@pytest.mark.ci
@pytest.mark.timeout(500)
def test_this_machine_is_complete() -> None:
    """No program or library of the distribution contains an x86-64-v3 instruction that we lack."""
    assert missing("/usr/bin", "/usr/lib/x86_64-linux-gnu") == []
