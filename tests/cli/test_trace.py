"""`blink trace` and `blink sql`: the table holds what the program did."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("duckdb", reason="the extra `trace` is not installed")
BLINK = str(Path(sys.executable).with_name("blink"))
SOURCE = r"""
char text[] = "abcdef";
void _start(void) {
  __asm__ volatile(
      "mov $text, %rdi\n mov $0, %ecx\n"
      "loop: movzbl (%rdi, %rcx), %eax\n sub $32, %eax\n mov %al, (%rdi, %rcx)\n"
      "inc %ecx\n cmp $6, %ecx\n jne loop\n"
      "mov $1, %eax\n mov %rdi, %rsi\n mov $1, %edi\n mov $6, %edx\n syscall\n"
      "mov $60, %eax\n mov $5, %edi\n syscall\n");
}
"""
KINDS = "insn,block,read,write,call"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    folder = tmp_path_factory.mktemp("trace")
    program, path = folder / "program", folder / "out.parquet"
    command = [need("gcc"), "-O1", "-static", "-nostdlib", "-xc", "-", "-o", str(program)]
    subprocess.run(command, input=SOURCE.encode(), check=True, timeout=100)
    traced = [BLINK, "trace", "-o", str(path), "--kinds", KINDS, str(program)]
    said = subprocess.run(traced, capture_output=True, timeout=100, check=False)
    assert (said.returncode, said.stdout) == (5, b"ABCDEF"), said.stderr
    return path


def ask(table: Path, query: str) -> list[list[str]]:
    command = [BLINK, "sql", "--csv", str(table), query]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stderr
    return list(csv.reader(said.stdout.splitlines()))[1:]


def test_counts(table: Path) -> None:
    rows = dict(ask(table, "select kind, count(*) from trace group by 1"))
    assert rows["read"] == rows["write"] == "6"
    assert int(rows["insn"]) == 2 + 6 * 6 + 5 + 3 and rows["block"] == "6"
    times = ask(table, "select time from trace where kind = 'insn' order by time")
    assert [int(time) for (time,) in times] == list(range(1, 47))


def test_what_was_written(table: Path) -> None:
    written = ask(table, "select value, size from trace where kind = 'write' order by time")
    assert [(chr(int(value)), size) for value, size in written] == [(c, "1") for c in "ABCDEF"]


def test_texts_and_symbols(table: Path) -> None:
    rows = ask(table, "select distinct text, symbol from trace where kind = 'insn'")
    texts = dict(rows)
    assert texts["cmp ecx,6"].startswith("loop+")
    assert {"inc ecx", "syscall", "sub eax,0x20"} <= set(texts)
    calls = [
        text for (text,) in ask(table, "select text from trace where kind = 'call' order by time")
    ]
    assert calls == ['write(1, "ABCDEF", 6) = 6', "exit(5) = ?", "+++ exited with 5 +++"]


def test_a_table_for_people(table: Path) -> None:
    command = [BLINK, "sql", str(table), "select 7 as seven"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert "seven" in said.stdout and "7" in said.stdout and said.returncode == 0


def test_an_answer_that_cannot_be_written_is_said(table: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [BLINK, "sql", str(table), "select 7"]
        said = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=100)
    assert (said.returncode, said.stderr) == (1, b"blink: cannot write: No space left on device\n")


def test_the_limit_ends_the_program(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    command = [BLINK, "trace", "-o", str(path), "--limit=500", "sleep", "1000"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0 and "500 rows" in said.stderr
    assert ask(path, "select count(*) from trace") == [["500"]]
