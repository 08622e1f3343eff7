"""20 programs, each recorded once and replayed forwards 5 times and backwards once, with equal
digests at 1,000 marks.  The figures go to docs/long-runs.md."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from isa.long_runs import keep
from replay.test_record import PROGRAMS, digests, record

MARKS, TIMES = 1000, 5
MORE = {
    "gzip": ["gzip", "-9k", "numbers"],
    "xz": ["xz", "-1k", "-T2", "numbers"],
    "bc": ["bc", "-q", "sums"],
    "gawk": ["gawk", "{ n[$1 % 97]++ } END { for (i in n) print i, n[i] }", "numbers"],
    "sed": ["sed", "-E", "s/([0-9])([0-9]+)/\\2\\1/; /7$/d", "numbers"],
    "git": ["git", "init", "-q", "here"],
    "openssl": ["openssl", "dgst", "-sha256", "numbers"],
    "make": ["make", "-j2", "-f", "rules"],
    "ruby": ["ruby", "-e", "puts (1..20000).map { |x| x * x % 1009 }.tally.size"],
    "luajit": ["luajit", "-e", "local s = 0 for i = 1, 300000 do s = s + i % 7 end print(s)"],
    "objdump": ["objdump", "-d", "it.o"],
}
ALL = PROGRAMS | MORE


def files(folder: Path) -> None:
    """What the programs work on."""
    (folder / "it.c").write_text("int main(void) { return 0; }\n")
    (folder / "numbers").write_text("".join(f"{i * 7919 % 50021}\n" for i in range(50000)))
    (folder / "sums").write_text("scale=50\n4*3\n2^100\nquit\n")
    (folder / "rules").write_text("all: a b\na b:\n\t@echo $@; sleep 0.01\n.PHONY: all a b\n")


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_each_replay_is_the_recording(
    name: str, tmp_path: Path, need: Callable[[str], str]
) -> None:
    files(tmp_path)
    program, *arguments = ALL[name]
    if name == "objdump":
        record(tmp_path, need("gcc"), "-c", "it.c", "-o", "it.o")
    start = time.monotonic()
    capsule, done = record(tmp_path, need(program), *arguments)
    known = digests(capsule, MARKS)
    assert [row[0] for row in known] == ["until"] * MARKS + ["exit"]
    assert known[-1][1] == {"status": done.returncode}
    for _ in range(TIMES - 1):
        assert digests(capsule, MARKS) == known
    assert digests(capsule, MARKS, "back") == known
    states = len({row[2] for row in known[:-1]})
    size = f"{capsule.stat().st_size / 1e6:.1f}"
    columns = ("program", "instructions", "capsule, MB", "replays", "states at marks", "seconds")
    replays = f"{TIMES} forwards, 1 backwards: equal"
    seconds = round(time.monotonic() - start)
    keep(
        f"Determinism: {MARKS:,} marks", columns,
        (name, f"{known[-1][2]:,}", size, replays, states, seconds), most=len(ALL),
    )  # fmt: skip
