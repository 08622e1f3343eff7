"""What the workloads need: compiled programs and generated input files, below build/bench.

Everything is made from fixed seeds, so that each machine measures the same work.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench.workloads import Workload

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "bench" / "programs"
# No vector instructions of the compiler's own choice: one C statement, one kind of work.
FLAGS = ("-O2", "-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-static", "-Wall", "-Wextra")
HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


class Folder:
    """The compiled programs (`bin`) and inputs (`data`) below one place."""

    def __init__(self, place: Path) -> None:
        self.bin, self.data = place / "bin", place / "data"
        self.bin.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)

    def program(self, name: str) -> Path:
        """The compiled bench/programs/NAME.c.  Raises CalledProcessError."""
        source, target = PROGRAMS / f"{name}.c", self.bin / name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", *FLAGS, str(source), "-o", str(target), "-lm"], check=True)
        return target

    def input(self, name: str, size: int) -> Path:
        """A generated input of this size."""
        target = self.data / f"{name}-{size}"
        if not target.exists():
            target.write_bytes(GENERATORS[name](size))
        return target

    def command(self, workload: Workload, size: int) -> list[str]:
        """The words of the workload's command, with all that they name in place."""
        if workload.command[0].startswith("@bin/"):
            self.program(workload.command[0].removeprefix("@bin/"))
        if workload.data:
            self.input(workload.data, size)
        places = {"@bin": str(self.bin), "@data": str(self.data), "@n": str(size)}
        if "@cc1" in workload.command:
            places["@cc1"] = _cc1()
        program, *words = (_filled(word, places) for word in workload.command)
        return [shutil.which(program) or program, *words]  # qemu-user wants a path

    def stdin(self, workload: Workload, size: int) -> Path:
        """What the command reads."""
        return self.input(workload.data, size) if workload.stdin else Path("/dev/null")


def _filled(word: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        word = word.replace(name, value)
    return word


@cache
def _cc1() -> str:
    command = ["gcc", "-print-prog-name=cc1"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _words(seed: int) -> tuple[random.Random, list[bytes]]:
    """A source of randomness, and 2,000 words of 2 to 10 letters."""
    source = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = range(len(letters), 0, -1)
    draw = (source.choices(letters, weights, k=source.randint(2, 10)) for _ in range(2_000))
    return source, ["".join(word).encode() for word in draw]


def text(size: int) -> bytes:
    """About `size` bytes that compress like prose."""
    source, words = _words(1)
    chosen = source.choices(words, range(len(words), 0, -1), k=size // 5)
    return b" ".join(chosen)[:size]


def lines(count: int) -> bytes:
    """Unsorted lines of three words."""
    source, words = _words(2)
    rows = (b" ".join(source.choices(words, k=3)) for _ in range(count))
    return b"\n".join(rows) + b"\n"


def inserts(count: int) -> bytes:
    """SQL: a table with an index, `count` rows, and questions about them."""
    source, words = _words(3)
    sql = [b"CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, n INTEGER);", b"BEGIN;"]
    sql.append(b"CREATE INDEX by_word ON t (word);")
    for _ in range(count):
        row = (source.choice(words), source.randrange(1_000))
        sql.append(b"INSERT INTO t (word, n) VALUES ('%s', %d);" % row)
    sql += [b"COMMIT;", b"SELECT count(*), sum(n) FROM t;"]
    sql.append(b"SELECT word, sum(n) AS s FROM t GROUP BY word ORDER BY s DESC, word LIMIT 5;")
    return b"\n".join(sql) + b"\n"


def hello(size: int) -> bytes:
    """The preprocessed hello.c; the size does not matter."""
    command = ["gcc", "-E", "-x", "c", "-"]
    return subprocess.run(command, input=HELLO.encode(), check=True, capture_output=True).stdout


GENERATORS: dict[str, Callable[[int], bytes]] = {
    "text": text,
    "lines": lines,
    "inserts": inserts,
    "hello": hello,
}
