"""Programs recorded once, and replayed from their capsules: each time the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernel.test_guests import FLAGS, HERE, SOURCE, blink
from replay.support import parse

ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONPATH": str(SOURCE)}
THREADS = """
    sums barriers signals exits dies faults main-first execs execs-main detach robusts forks cancels
    futexes clones code
""".split()


def run(command: list[str], folder: Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        cwd=folder,
        env=ENV,
        capture_output=True,
        check=False,
        **{"timeout": 110, **options},
    )


def record(folder: Path, *command: str) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """The capsule, and how the program ended."""
    capsule = folder / "it.cap"
    done = run([*blink("record", "-o", str(capsule)), *command], folder)
    return capsule, done


def digests(capsule: Path, marks: int, *way: str) -> list[list[Any]]:
    """What marks.py says of a replay."""
    program = str(Path(__file__).parent / "marks.py")
    command = [sys.executable, program, str(capsule), str(marks), *way]
    said = run(command, capsule.parent, timeout=110 + 3 * marks)
    assert said.returncode == 0, said.stderr.decode()
    return [parse(line) for line in said.stdout.decode().splitlines()]


def check(folder: Path, command: list[str], marks: int = 10, times: int = 2) -> None:
    """Records a command, and replays it `times` times with equal digests at the marks."""
    capsule, done = record(folder, *command)
    known = digests(capsule, marks)
    assert [row[0] for row in known[:-1]] == ["until"] * marks
    assert len({row[2] for row in known[:-1]}) == marks
    reason, details, _ = known[-1]
    assert reason == ("killed" if done.returncode < 0 else "exit")
    assert details.get("signo", details.get("status")) == abs(done.returncode)
    for _ in range(times - 1):
        assert digests(capsule, marks) == known


@pytest.fixture(scope="module")
def build(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Callable[[str], Path]:
    """Compiles a guest of the kernel's tests once."""
    folder = tmp_path_factory.mktemp("recorded")

    def compiled(name: str) -> Path:
        path = folder / name
        if not path.exists():
            command = [need("gcc"), *FLAGS, "-pthread", "-o", str(path), str(HERE / f"{name}.c")]
            subprocess.run([*command, "-lrt"], check=True, timeout=60)
        return path

    return compiled


GUESTS = {"signals": 0, "processes": 0, "misc": 0, "faults": 1, "frames": 1}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.ci if late else []) for name, late in GUESTS.items()],
)
def test_a_guest(name: str, build: Callable[[str], Path], tmp_path: Path) -> None:
    check(tmp_path, [str(build(name))])


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, marks=[] if part in ("sums", "signals") else pytest.mark.ci)
        for part in THREADS
    ],
)
def test_threads(part: str, build: Callable[[str], Path], tmp_path: Path) -> None:
    check(tmp_path, [str(build("threads")), part], marks=5)


PROGRAMS = {
    "bash": [
        *("bash", "-c"),
        "for i in $(seq 20); do echo $i; done | sort -rn | head -3; x=$(ls /); echo ${#x};"
        "trap 'echo usr1' USR1; kill -USR1 $$; (exit 3); sleep 0.1 & wait; printf '%s\\n' a b",
    ],
    "python": [
        *("python3", "-c"),
        "import threading, hashlib, random, subprocess, time, re\n"
        "def work(n):\n"
        "    for i in range(200): hashlib.sha256(str(random.random()).encode())\n"
        "ts = [threading.Thread(target=work, args=(i,)) for i in range(4)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]\n"
        "print(subprocess.check_output(['echo', 'hi']), time.time())",
    ],
    "perl": ["perl", "-e", "my %h; $h{$_ % 97} += $_ for 1..20000; print join(',', sort keys %h)"],
    "sqlite": [
        *("sqlite3", "it.db"),
        "create table t(a); with recursive c(x) as (select 1 union all select x+1 from c where "
        "x<3000) insert into t select x*7%1000 from c; select sum(a), count(distinct a) from t;",
    ],
    "gcc": ["gcc", "-O1", "-c", "it.c", "-o", "it.o"],
    "sort": ["sort", "--parallel=4", "-S", "1M", "-n", "numbers", "-o", "sorted"],
    "node": ["node", "-e", "console.log([3,1,2].sort()); setTimeout(() => console.log(1), 20)"],
    "tar": ["tar", "-czf", "it.tgz", "numbers", "it.c"],
    "awk": ["awk", "{ s += $1 } END { print s }", "numbers"],
    "find": ["find", "/usr/share/doc", "-maxdepth", "1", "-newer", "it.c"],
}


@pytest.mark.ci
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(name: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    """bash, threads in Python, JIT code of node, files and children."""
    program, *arguments = PROGRAMS[name]
    (tmp_path / "it.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "numbers").write_text("".join(f"{i * 7919 % 50021}\n" for i in range(50000)))
    check(tmp_path, [need(program), *arguments], marks=4)


def test_a_capsule_holds_all_it_needs(
    tmp_path: Path, need: Callable[[str], str], build: Callable[[str], Path]
) -> None:
    """Program, script and data are gone, and so is the folder: it replays."""
    there = tmp_path / "there"
    there.mkdir()
    shell = there / "shell"
    shutil.copy(need("bash"), shell)
    (there / "data").write_text("from a file\n")
    (there / "script").write_text("read line < data; echo $line; echo $((6*7)) >&2; exit 9\n")
    capsule, done = record(there, str(shell), "script")
    assert (done.returncode, done.stdout, done.stderr) == (9, b"from a file\n", b"42\n")
    moved = tmp_path / "elsewhere.cap"
    capsule.rename(moved)
    shutil.rmtree(there)
    again = run([*blink("replay"), str(moved)], tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (9, b"from a file\n", b"42\n")
    said = run([*blink("replay"), "--verify", str(moved)], tmp_path)
    assert said.stdout.startswith(b"as recorded: ")
    assert said.stdout.endswith(b" instructions, exit status 9\n")


def test_an_end_by_a_signal(tmp_path: Path) -> None:
    capsule, done = record(tmp_path, "/bin/sh", "-c", "echo before; kill -TERM $$")
    assert done.returncode == -15
    again = run([*blink("replay"), str(capsule)], tmp_path)
    assert (again.returncode, again.stdout) == (-15, b"before\n")


def test_a_limit_ends_the_recording_but_not_the_program(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(30_000_000))
    done = run([*blink("record"), "-o", "it.cap", "-l", "9M", "/bin/cat", "big"], tmp_path)
    assert done.returncode == 0
    assert len(done.stdout) == 30_000_000
    assert b"its limit is reached" in done.stderr
    again = run([*blink("replay"), "it.cap"], tmp_path)
    assert again.returncode == 0
    assert b"the recording ends before the program does" in again.stderr
    assert 0 < len(again.stdout) < 9_000_000


def test_a_library_that_does_not_fit_ends_the_recording(tmp_path: Path) -> None:
    done = run([*blink("record"), "-o", "it.cap", "-l", "1M", "/bin/echo", "hi"], tmp_path)
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert b"its limit is reached" in done.stderr
    again = run([*blink("replay"), "it.cap"], tmp_path)
    assert (again.returncode, again.stdout) == (0, b"")
    assert b"the recording ends before the program does" in again.stderr


def test_its_system_calls_and_where_two_part(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        record(tmp_path / name, "/bin/echo", name)
    capsules = [str(tmp_path / name / "it.cap") for name in ("one", "two")]
    said = run([*blink("replay", "-s"), capsules[0]], tmp_path)
    lines = said.stdout.decode().splitlines()
    assert (said.returncode, said.stderr) == (0, b"")
    assert lines[0].startswith("brk(NULL) = 0x")
    assert 'write(1, "one\\n", 4) = 4' in lines
    assert lines[-1] == "exit_group(0) = ?"
    said = run([*blink("replay", "--diff"), *capsules], tmp_path)
    assert said.returncode == 1, said.stderr
    assert b"standard output, byte 0: b'one\\n'; b'two\\n'\n" in said.stdout
    said = run([*blink("replay", "--diff"), capsules[0], capsules[0]], tmp_path)
    assert said.returncode == 0
    assert said.stdout.endswith(b"system calls: none\noutput: none\n")
