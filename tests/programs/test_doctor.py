"""`blink --doctor` agrees on the program list, and finds a translator that is wrong on purpose."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from isa.regression import parse_line
from programs.harness import BLINK, ENVIRONMENT, lines

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86-64 hosts")

Compile = Callable[..., str]
Need = Callable[[str], str]
DIFFERENCE, USAGE = 49, 48
SHORT = {
    "true": ["/bin/true"],
    "ls": ["ls", "/"],
    "sh": ["sh", "-c", "i=0; while [ $i -lt 50 ]; do i=$((i + 1)); done; echo $i"],
    "sort": ["sort", "/etc/passwd"],
    "pipe": ["sh", "-c", "echo one two | tr a-z A-Z | wc -w"],
}
LONG = {
    "bash": [
        "bash",
        "-c",
        "for ((i = s = 0; i < 3000; i++)); do ((s += i * 3 % 7)); done; echo $s",
    ],
    "perl": ["perl", "-e", "print join(',', map { sqrt $_ } 1..300), qq(\n)"],
    "python": ["/usr/bin/python3", "-I", "-S", "-c", "print(sum(i / 7 for i in range(5000)))"],
    "gzip": ["sh", "-c", "gzip -9 < /etc/services | gzip -d | cksum"],
    "xz": ["sh", "-c", "xz < /etc/passwd | xz -d | cksum"],
    "sqlite": [
        "sqlite3",
        ":memory:",
        "select hex(a) from (select 1.5 as a), pragma_user_version",
    ],
    "awk": ["awk", "BEGIN { for (i = 0; i < 2000; i++) s += sin(i); print s }"],
    "git": ["git", "--version"],
    "openssl": ["openssl", "dgst", "-sha256", "/etc/passwd"],
    "threads": ["sort", "--parallel=2", "-S1M", "/etc/services"],
}


def diagnose(*command: str, log: Path) -> subprocess.CompletedProcess[bytes]:
    words = [str(BLINK), "--doctor", "-L", str(log), *command]
    return subprocess.run(words, capture_output=True, timeout=600, env=ENVIRONMENT)


def agrees(command: list[str], log: Path) -> None:
    """The output is as without, and every process of it says that blocks agree."""
    plain = subprocess.run(command, capture_output=True, timeout=400, env=ENVIRONMENT)
    said = diagnose(*command, log=log)
    assert (said.returncode, said.stdout, said.stderr) == (plain.returncode, plain.stdout, b"")
    endings = [line for line in log.read_text().splitlines() if "doctor:" in line]
    assert endings and all(line.endswith("blocks agree") for line in endings), endings


@pytest.mark.parametrize("name", SHORT)
def test_it_agrees(tmp_path: Path, name: str) -> None:
    agrees(SHORT[name], tmp_path / "log")


@pytest.mark.ci
@pytest.mark.parametrize("name", LONG)
def test_it_agrees_for_long(tmp_path: Path, name: str, need: Need) -> None:
    need(LONG[name][0])
    agrees(LONG[name], tmp_path / "log")


@pytest.mark.ci
@pytest.mark.parametrize("command", lines("busybox.txt"))
def test_it_agrees_with_busybox(tmp_path: Path, command: str, need: Need) -> None:
    need("busybox")
    for name, text in {"a": "hello\nworld\nagain\n", "b": "same\nsame\nelse\n"}.items():
        (tmp_path / name).write_text(text)
    said = diagnose(
        "sh", "-c", f"cd {tmp_path}; busybox sh -c 'busybox {command}'", log=tmp_path / "l"
    )
    assert said.returncode != DIFFERENCE, (tmp_path / "l").read_text()


@pytest.mark.parametrize("source", ["counted_threads", "libc"])
def test_it_agrees_with_compiled_programs(tmp_path: Path, compile_c: Compile, source: str) -> None:
    program = compile_c(source, "-O2", "-pthread", "-lm")
    said = diagnose(program, log=tmp_path / "log")
    assert said.returncode != DIFFERENCE, said.stderr
    assert "blocks agree" in (tmp_path / "log").read_text()


def test_it_finds_a_wrong_translation(tmp_path: Path) -> None:
    script = Path(__file__).with_name("sick.py")
    env = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    words = [sys.executable, str(script), "SUB", "/bin/true"]
    said = subprocess.run(words, capture_output=True, timeout=400, env=env, text=True)
    assert said.returncode == DIFFERENCE, said.stderr
    headline, *_, last = [line.partition("] ")[2] for line in said.stderr.splitlines()]
    assert headline.startswith("doctor: translated code differs from the interpreter's at 0x")
    assert ": sub " in headline
    assert parse_line(last.partition(": ")[2]).case.code


@pytest.mark.parametrize("mode", ["-j", "-m"])
def test_it_needs_the_translator(mode: str) -> None:
    said = subprocess.run([BLINK, "-D", mode, "/bin/true"], capture_output=True, timeout=400)
    assert said.returncode == USAGE
    assert b"--doctor needs the translator" in said.stderr
