"""The generated inputs, each from a fixed seed, so that every machine measures the same work."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
EPOCH = 1_600_000_000  # of the first commit, in seconds


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


# --- C -----------------------------------------------------------------------------------------


def functions(count: int) -> bytes:
    """C without includes: functions with loops, branches, a switch, arrays and calls."""
    source = random.Random(4)
    parts = ["typedef struct { long a, b; double c; int d[8]; } Row;\n"]
    parts += [_function(source, i) for i in range(count)]
    return "\n".join(parts).encode()


def _function(source: random.Random, number: int) -> str:
    body = "\n".join(f"    {_statement(source, number)}" for _ in range(source.randint(6, 14)))
    return (
        f"long f{number}(Row *r, long n, long x) {{\n"
        f"  long s = x ^ {source.randrange(1 << 16)};\n"
        f"  for (long i = 0; i < n; i++, r++) {{\n{body}\n  }}\n"
        f"  return s;\n}}\n"
    )


def _statement(source: random.Random, number: int) -> str:
    k, m = source.randrange(1, 1000), source.randrange(8)
    calls = [f"s += f{source.randrange(number)}(r, n >> 1, s + {k});"] if number else []
    return source.choice(
        [
            f"s = s * {k} + r->a;",
            f"if (s & {k}) r->b += s >> {m}; else r->d[{m}] -= (int)s;",
            f"r->c = r->c * {k}.5 - (double)s / (r->d[{m}] | 1);",
            f"r->d[{m}] += (int)(s >> {m}) ^ r->d[(i + {m}) & 7];",
            f"switch (s & 3) {{ case 0: s += {k}; break; case 1: s ^= r->b; break;"
            f" case 2: r->a = s; break; default: s -= i * {k}; }}",
            f"if (s > {k * 1000}) s = (s >> 1) - r->d[s & 7];",
            *calls,
        ]
    )


# --- a git repository --------------------------------------------------------------------------


def commits(count: int) -> bytes:
    """A git-fast-import(1) stream: `count` commits with fixed dates, each of which edits a file."""
    return b"".join(_commits(count))


def _commits(count: int) -> Iterator[bytes]:
    source, words = _words(5)
    files = [[b" ".join(source.choices(words, k=6)) for _ in range(60)] for _ in range(40)]
    for number in range(count):
        which = source.randrange(len(files))
        for _ in range(source.randint(1, 5)):
            files[which][source.randrange(60)] = b" ".join(source.choices(words, k=6))
        message = b" ".join(source.choices(words, k=8))
        who = b"A Writer <writer@example.org> %d +0000" % (EPOCH + number * 3600)
        yield b"commit refs/heads/main\nauthor %s\ncommitter %s\n" % (who, who)
        yield b"data %d\n%s\n" % (len(message), message)
        content = b"\n".join(files[which]) + b"\n"
        yield b"M 100644 inline part%02d.txt\ndata %d\n%s\n" % (which, len(content), content)


def history(place: Path, count: int) -> None:
    """A bare repository of these commits.  Raises CalledProcessError."""
    git = ["git", "-C", str(place)]
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(place)], check=True)
    subprocess.run([*git, "fast-import", "--quiet"], input=commits(count), check=True)


FILES: dict[str, Callable[[int], bytes]] = {
    "text": text,
    "lines": lines,
    "inserts": inserts,
    "hello": hello,
    "functions.c": functions,
}


def make(name: str, place: Path, size: int) -> None:
    """Writes an input; what is there is whole, for an interrupted one has another name."""
    partial = place.with_name(f"{place.name}.{random.SystemRandom().randrange(1 << 32)}")
    if name == "history":
        history(partial, size)
    else:
        partial.write_bytes(FILES[name](size))
    partial.rename(place)
