"""`blink profile`: exact counts agree with what the program does; samples with the exact ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BLINK = str(Path(sys.executable).with_name("blink"))
SOURCE = r"""
__attribute__((noinline)) long leaf(long n) { long s = 0; while (n--) s += n * n; return s; }
__attribute__((noinline)) long twice(long n) { return leaf(n) + leaf(n); }
__attribute__((noinline)) long once(long n) { return leaf(n); }
int main(void) {
  long s = 0;
  for (int i = 0; i < 20; i++) s += twice(300) + once(300);
  return s == 1;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    path = tmp_path_factory.mktemp("profile") / "program"
    command = [need("gcc"), "-O0", "-static", "-xc", "-", "-o", path]
    subprocess.run(command, input=SOURCE.encode(), check=True, timeout=100)
    return path


def profile(program: Path, *options: str) -> str:
    command = [BLINK, "profile", *options, str(program)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stderr
    return said.stderr


def weights(text: str) -> dict[tuple[str, ...], int]:
    rows = (line.rpartition(" ") for line in text.splitlines())
    return {tuple(stack.split(";")): int(weight) for stack, _, weight in rows}


def test_exact(program: Path) -> None:
    text = profile(program, "--exact")
    rows = {line.split()[-1]: line.split() for line in text.splitlines()[2:]}
    assert [rows[name][2] for name in ("leaf", "twice", "once", "main")] == ["60", "20", "20", "1"]
    stacks = weights(profile(program, "--exact", "--format=folded"))
    ends = {stack[-2:]: weight for stack, weight in stacks.items() if stack[-1] == "leaf"}
    assert ends[("twice", "leaf")] == 2 * ends[("once", "leaf")] > 20 * 2 * 300
    assert sum(stacks.values()) == int(re.search(r": (\d+) instr", text)[1])  # type: ignore[index]


def test_samples(program: Path) -> None:
    """Every 997 instructions, by frames: the shares are near the exact ones."""
    exact = weights(profile(program, "--exact", "--format=folded"))
    sampled = weights(profile(program, "--interval=997", "--format=folded"))
    whole = (sum(exact.values()), sum(sampled.values()))
    assert abs(whole[0] - whole[1]) < 2000
    for pair in (("twice", "leaf"), ("once", "leaf")):
        shares = [
            sum(n for stack, n in found.items() if stack[-2:] == pair) / total
            for found, total in zip((exact, sampled), whole, strict=True)
        ]
        assert abs(shares[0] - shares[1]) < 0.1 and "main" in next(
            s for s in sampled if s[-2:] == pair
        )


def test_speedscope(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    assert profile(program, "--exact", "--format=speedscope", f"-o{path}") == ""
    shown = json.loads(path.read_text())
    names = [frame["name"] for frame in shown["shared"]["frames"]]
    (found,) = shown["profiles"]
    assert found["type"] == "sampled" and len(found["samples"]) == len(found["weights"])
    assert sum(found["weights"]) == found["endValue"]
    assert {"leaf", "twice", "main"} <= set(names)
    assert max(max(sample) for sample in found["samples"]) == len(names) - 1


def test_the_program_keeps_its_output_status_and_end(tmp_path: Path) -> None:
    for options in ([], ["--exact"]):
        command = [BLINK, "profile", *options, "sh", "-c", "echo said; exit 3"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert said.returncode == 3 and said.stdout == "said\n"
    command = [BLINK, "profile", "sh", "-c", "kill -9 $$"]
    assert subprocess.run(command, capture_output=True, timeout=100, check=False).returncode == 137


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (["profile"], 48, "no program was named"),
        (["profile", "/absent"], 127, "/absent"),
        (["profile", "--interval=0", "true"], 48, "--interval takes a positive number, not 0"),
        (
            ["profile", "--format=gif", "true"],
            48,
            "--format takes text, folded, speedscope, not gif; see blink profile -h",
        ),
        (["profile", "-o", "/absent/file", "true"], 125, "/absent/file: No such file"),
        (["trace"], 48, "no program was named"),
        (["trace", "-o", "/absent/file", "true"], 125, "/absent/file: No such file"),
        (["trace", "--kinds=insn,nothing", "true"], 48, "--kinds takes insn, block"),
        (["trace", "--limit=-5", "true"], 48, "--limit takes a number, not -5; see blink trace -h"),
        (["sql", "/absent"], 48, "sql needs a file and a query; see blink sql -h"),
        (["sql", "/absent", "select 1"], 125, "/absent: No such file"),
        (["sql", "/etc/hostname", "select 1"], 1, "blink: "),
    ],
)
def test_complaints(words: list[str], status: int, complaint: str) -> None:
    command = [BLINK, *words]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (said.returncode, said.stderr.count("\n")) == (status, 1), said.stderr
    assert complaint in said.stderr
