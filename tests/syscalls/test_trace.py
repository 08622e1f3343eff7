"""The call log beside strace's, and its other forms: filters, JSON, times, entries, the table."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.syscalls._classes import is_in
from blink.syscalls._table import every
from syscalls.guest import blink

SHOWN = "openat,read,write,close,access,lseek,pipe2,dup2,chdir,mkdir,unlink,rename,wait4"
PROGRAMS = [
    ["cat", "text"],
    ["sort", "-r", "text", "absent"],
    ["sh", "-c", "mkdir d; cd d; echo made > new; mv new newer; cat newer | cat; rm newer"],
]


def run(command: list[str], folder: Path) -> tuple[int, str]:
    """Status and stderr."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    said = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        cwd=folder,
        env=environment,
    )
    return said.returncode, said.stderr.decode()


def log(options: list[str], program: list[str], folder: Path) -> list[str]:
    path = folder / "log"
    status, said = run([*blink(*options, "-L", str(path)), *program], folder)
    assert status in (0, 1, 2), said
    return path.read_text().splitlines()


def comparable(lines: list[str]) -> dict[str, list[str]]:
    """The calls of each process, in order; without numbers of processes, addresses, cut strings."""
    found: dict[str, list[str]] = {}
    for line in lines:
        who, text = re.fullmatch(r"\[?(\d+)\]?\s+(.*)", line).groups()  # type: ignore[union-attr]
        if not re.match(rf"({SHOWN.replace(',', '|')})\(", text) or "unfinished" in text:
            continue
        text = re.sub(r"0x[0-9a-f]{5,}", "ADDRESS", text)
        text = re.sub(r"\s+= ", " = ", text)
        text = re.sub(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?', lambda m: f'"{plain(m[1])}"', text)
        text = re.sub(r"wait4\(.*", "wait4", text)
        text = re.sub(r"(O_RDONLY[|A-Z_]*), 0\)", r"\1)", text)
        found.setdefault(who, []).append(text)
    return found


def plain(text: str) -> str:
    """The beginning of a string, for the two escape otherwise and cut elsewhere."""
    return re.sub(r"\\.*", "", text)[:16]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p[0])
def test_as_strace(program: list[str], tmp_path: Path, need: Callable[[str], str]) -> None:
    """Names, arguments and results of these calls are strace's, process by process."""
    strace = [need("strace"), "-ff", "-o", "native.log", "-e", f"trace={SHOWN}"]
    for name in ("native", "emulated"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text("b\na\n")
    _, said = run([*strace, *program], tmp_path / "native")
    if "ptrace" in said:
        pytest.skip("nothing can be traced here")
    logs = (tmp_path / "native").glob("native.log.*")
    native = comparable([f"{p.suffix[1:]} {x}" for p in logs for x in p.read_text().splitlines()])
    ours = comparable(log([f"--trace={SHOWN}"], program, tmp_path / "emulated"))
    assert sum(map(len, native.values())) > 8
    assert sorted(ours.values()) == sorted(native.values())


def test_classes_and_names(tmp_path: Path) -> None:
    lines = log(["--trace=file,!newfstatat"], ["ls", "/"], tmp_path)
    assert any("openat(" in line for line in lines)
    assert not any("read(" in line or "newfstatat(" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("network", "socket sendmsg"),
        ("process", "execve clone3 wait4 exit_group"),
        ("memory", "mmap mbind mprotect mseal mlockall"),
        ("signal", "kill rt_sigaction"),
        ("ipc", "shmat semop msgsnd"),
        ("desc", "read dup2 mmap"),
        ("file", "openat execve"),
    ],
)
def test_a_class_has_its_calls(name: str, calls: str) -> None:
    import blink._engine  # noqa: F401  (the families of calls need it first)

    members = {call.name for call in every() if is_in(call, name)}
    assert set(calls.split()) <= members


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--trace=opnat", "no system call or class is called opnat; near it: open"),
        ("--trace=%zzz", "no system call or class is called zzz; classes: all"),
        ("--string-limit=few", "--string-limit takes a number, not few"),
    ],
)
def test_what_makes_no_sense_is_said(option: str, complaint: str, tmp_path: Path) -> None:
    status, said = run([*blink(option), "true"], tmp_path)
    assert status == 48 and complaint in said and said.count("\n") == 1


def test_json(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    rows = [json.loads(line) for line in log(["--trace-json"], ["cat", "text"], tmp_path)]
    (written,) = [row for row in rows if row.get("call") == "write"]
    assert written["args"] == {"fd": "1", "buf": '"hello\\n"', "count": "6"}
    assert written["result"] == 6 and written["error"] is None and written["seconds"] >= 0
    assert rows[-1]["exited"] == 0 and rows[-1]["tid"] == written["tid"]


def test_entries_of_calls_that_wait(tmp_path: Path) -> None:
    lines = log(["-ss", "--trace=read,close"], ["sh", "-c", "read x < /dev/null"], tmp_path)
    begun = next(i for i, line in enumerate(lines) if line.endswith(" read(0, <unfinished ...>"))
    assert re.search(r'<\.\.\. read resumed> "", \d+\) = 0$', lines[begun + 1])
    assert any(re.search(r" close\(\d+\) = 0$", line) for line in lines)
    everything = log(["-sss", "--trace=close"], ["true"], tmp_path)
    assert any(" close(3 <unfinished ...>" in line for line in everything)


def test_times_and_string_limit(tmp_path: Path) -> None:
    options = ["--trace=write", "--trace-times", "--string-limit=3"]
    (line,) = (x for x in log(options, ["echo", "hello"], tmp_path) if "write(" in x)
    shape = r'\[\d+\] \d\d:\d\d:\d\d\.\d{6} write\(1, "hel"\.\.\., 6\) = 6 <\d+\.\d{6}>'
    assert re.fullmatch(shape, line)


def test_the_table(tmp_path: Path) -> None:
    status, said = run([*blink("-c"), "ls", "absent"], tmp_path)
    lines = [line.partition("] ")[2] for line in said.splitlines() if line.startswith("[")]
    assert (
        status == 2 and lines[0].split() == "% time seconds usecs/call calls errors syscall".split()
    )
    rows = {line.split()[-1]: line.split() for line in lines[1:]}
    assert int(rows["write"][3]) >= 1 and int(rows["statx"][4]) >= 1
    assert int(rows["total"][2]) == sum(
        int(row[3]) for name, row in rows.items() if name != "total"
    )


def test_signals_and_ends(tmp_path: Path) -> None:
    script = "trap 'true' USR1; kill -USR1 $$; sh -c 'kill -9 $$'; exit 3"
    path = tmp_path / "log"
    run([*blink("-s", "-L", str(path)), "sh", "-c", script], tmp_path)
    text = path.read_text()
    assert re.search(r"--- SIGUSR1 \{si_code=SI_USER, si_pid=\d+, si_uid=\d+\} ---", text)
    assert text.splitlines()[-1].endswith("+++ exited with 3 +++")
