"""The `blink` command as its users meet it: options, messages, exit statuses, logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import blink

BLINK = Path(sys.executable).parent / "blink"
Done = subprocess.CompletedProcess[str]


def run(*words: str | Path, **arguments: object) -> Done:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [BLINK, *words], capture_output=True, text=True, timeout=300, check=False, **arguments
    )


def lines_of(log: str) -> list[str]:
    """Lines of a log without the process number."""
    return [line.partition("] ")[2] for line in log.splitlines()]


def test_help_and_version() -> None:
    for word in ("-h", "--help", "-vh"):
        said = run(word)
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout.startswith("usage: blink [OPTIONS] PROGRAM [ARGUMENTS]\n")
        assert all(len(line) <= 100 for line in said.stdout.splitlines())
    for word in ("-v", "--version"):
        said = run(word, "nosuch")
        assert (said.returncode, said.stdout, said.stderr) == (
            0,
            f"blink {blink.__version__}\n",
            "",
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no program was named"),
        (["-m"], "no program was named"),
        (["-y", "true"], "there is no option -y"),
        (["-0", "true"], "-0 needs argv[0] after the program"),
        (["-L"], "-L needs a path"),
        (["-g", "0", "-c", "true"], "--gdb does not go with --summary"),
        (["--gdb=x1", "true"], "x1 is neither PORT nor HOST:PORT"),
    ],
)
def test_usage_errors_are_one_line_and_48(words: list[str], message: str) -> None:
    said = run(*words)
    assert (said.returncode, said.stdout) == (48, "")
    assert said.stderr == f"blink: {message}; see blink -h\n"


def test_what_cannot_be_written_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        said = subprocess.run([BLINK, "-v"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert (said.returncode, said.stderr) == (1, b"blink: cannot write: No space left on device\n")


def test_a_log_that_cannot_be_opened() -> None:
    said = run("-L", "/nonexistent/log", "true")
    assert (said.returncode, said.stderr) == (
        125,
        "blink: /nonexistent/log: No such file or directory\n",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text").write_text("no program\n")
    (tmp_path / "denied").write_text("#!/bin/sh\n")
    (tmp_path / "wrong").write_text("#!/nonexistent/interpreter\n")
    (tmp_path / "empty").touch()
    (tmp_path / "bin").mkdir()
    for name in ("text", "wrong", "empty"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("./nosuch", 127),
        ("nosuch-in-path", 127),
        ("./text", 126),
        ("./denied", 126),
        ("./wrong", 126),
        ("./empty", 126),
        ("./bin", 126),
        ("/etc/passwd/x", 126),
    ],
)
def test_what_cannot_be_run(folder: Path, name: str, status: int) -> None:
    said = run(name, cwd=folder)
    assert (said.returncode, said.stdout) == (status, "")
    assert said.stderr.startswith("blink: ")
    assert said.stderr.count("\n") == 1


def test_path_is_searched(folder: Path, compile_guest: Callable[[str], Path]) -> None:
    program = compile_guest("int main(void) { return 7; }")
    (folder / "bin" / "seven").symlink_to(program)
    (folder / "seven").write_text("a file that may not be executed\n")
    assert run("seven", cwd=folder, env={"PATH": f"/nonexistent:{folder}:bin"}).returncode == 7
    denied = run("seven", env={"PATH": str(folder)})
    assert (denied.returncode, "ermission" in denied.stderr) == (126, True)


SHOW = r"""
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("<%s>", argv[i]);
  fprintf(stderr, "complaint");
  return argc;
}
"""


@pytest.fixture(scope="session")
def compile_guest(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("guests")

    def build(source: str) -> Path:
        path = folder / f"guest{len(list(folder.iterdir()))}"
        flags = ["-static", "-O1", "-fno-omit-frame-pointer", "-w", "-xc", "-", "-o", str(path)]
        subprocess.run([need("gcc"), *flags], input=source.encode(), check=True, timeout=60)
        return path

    return build


@pytest.fixture(scope="session")
def show(compile_guest: Callable[[str], Path]) -> Path:
    return compile_guest(SHOW)


def test_arguments_and_status(show: Path) -> None:
    said = run(show, "-v", "--", "")
    assert (said.returncode, said.stdout) == (4, f"<{show}><-v><--><>")
    assert said.stderr == "complaint"
    assert run("--", show).returncode == 1


def test_argv0(show: Path) -> None:
    assert run("-0", show, "another name", "x").stdout == "<another name><x>"
    assert run("--argv0", "-m", show, "").stdout == "<>"


def test_no_jit_is_accepted(show: Path) -> None:
    assert run("-j", "--no-jit", show).stdout == f"<{show}>"


def test_system_calls_go_to_stderr_or_the_log(show: Path, tmp_path: Path) -> None:
    said = run("-s", show, "x" * 100)
    calls = lines_of(said.stderr)
    assert (said.returncode, said.stdout) == (2, f"<{show}><{'x' * 100}>")
    assert any(call.startswith('write(1, "<') for call in calls)
    assert "exit_group(2) = ?" in calls
    log = tmp_path / "log"
    said = run("-s", "-L", log, show)
    assert said.stderr == "complaint"
    assert "exit_group(1) = ?" in lines_of(log.read_text())
    said = run("-s", "-e", f"--log={log}", show)
    assert "exit_group(1) = ?" in said.stderr
    assert log.read_text().count("exit_group") == 2


def test_strings_in_full(show: Path) -> None:
    text = "x" * 100
    assert text not in run("-s", show, text).stderr
    assert text in run("--string-limit=200", show, text).stderr


@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_statistics(show: Path, mode: tuple[str, ...]) -> None:
    said = run("-Zj", *mode, show)
    numbers = dict(line.split() for line in lines_of(said.stderr.partition("complaint")[2]))
    assert said.returncode == 1
    assert 1000 < int(numbers["instructions"]) < 1_000_000
    assert int(numbers["syscalls"]) > 5
    assert 1 << 20 < int(numbers["peak_memory_bytes"]) < 1 << 28
    assert 0 < float(numbers["wall_seconds"]) < 60


def test_closed_descriptors(show: Path) -> None:
    """Messages of ours never land in a file that the guest opens."""
    script = f"exec {BLINK} -Z {show} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", script], timeout=60).returncode == 1
    assert subprocess.run(["sh", "-c", f"exec {BLINK} nosuch 2>&-"], timeout=60).returncode == 127


DAEMON = r"""
#include <unistd.h>
int main(void) {
  if (fork()) return 0;
  for (int fd = 0; fd < 3; fd++) close(fd);
  sleep(20);
}
"""


def test_a_daemon_lets_go_of_its_pipes(compile_guest: Callable[[str], Path]) -> None:
    process = subprocess.Popen(
        [BLINK, compile_guest(DAEMON)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.communicate(timeout=100) == (b"", b"")
    finally:
        os.killpg(process.pid, signal.SIGKILL)


CRASH = r"""
__attribute__((noinline)) int poke(int *p) { *p = 5; __asm__ volatile(""); return *p; }
__attribute__((noinline)) int middle(int *p) { return poke(p) + 1; }
int main(int argc, char **argv) {
  if (argc > 1) __asm__ volatile(".byte 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1");
  return middle((int *)16);
}
"""


@pytest.fixture(scope="session")
def crash(compile_guest: Callable[[str], Path]) -> Path:
    return compile_guest(CRASH)


def test_a_crash_is_quiet_as_natively(crash: Path) -> None:
    said = run(crash)
    assert (said.returncode, said.stdout, said.stderr) == (-signal.SIGSEGV, "", "")


@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_the_report_of_a_crash(crash: Path, tmp_path: Path, mode: tuple[str, ...]) -> None:
    log = tmp_path / "log"
    said = run(*mode, "-L", log, crash)
    report = [line for line in lines_of(log.read_text()) if "not implemented" not in line]
    assert (said.returncode, said.stderr) == (-signal.SIGSEGV, "")
    assert report[0].startswith("SIGSEGV: write through a null pointer (0x10), at 0x4")
    assert " poke+0x" in report[0] and f"({crash}+0x" in report[0]
    assert any(line.startswith("rax ") and " rdx " in line for line in report)
    assert any(" rdi 0000000000000010" in line for line in report)
    assert any(line.startswith("rip 00000000004") and line.endswith("IF]") for line in report)
    assert any(line.startswith("=> 0x4") and "c7 07 05 00 00 00" in line for line in report)
    assert [line.split()[2].partition("+")[0] for line in report if line.startswith("#")][:2] == [
        "poke",
        "middle",
    ]
    assert "please report" in report[-2]


def test_an_unimplemented_instruction_is_our_fault(crash: Path) -> None:
    said = run(crash, "x")
    assert (said.returncode, said.stdout) == (-signal.SIGILL, "")
    lines = said.stderr.splitlines()
    assert lines[0].startswith("blink: SIGILL: an instruction that blink does not have, at 0x")
    assert any("=> 0x" in line and "62 f1 7c 48 58 c1" in line for line in lines)
    assert "please report" in said.stderr


def test_a_terminal_gets_one_line(crash: Path) -> None:
    import pty

    status = None
    said = bytearray()
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(BLINK, ["blink", str(crash)])
    try:
        while data := os.read(fd, 1000):
            said += data
    except OSError:  # EIO: the other end is closed
        status = os.waitpid(pid, 0)[1]
    assert status is not None and os.WTERMSIG(status) == signal.SIGSEGV
    assert said.startswith(b"blink: SIGSEGV: write through a null pointer (0x10), at 0x4")
    assert said.count(b"\n") == 1


@pytest.mark.parametrize("flag", ["-i", "-c"])
def test_python_m_blink(show: Path, flag: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "blink", "-0", show, flag],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout) == (1, f"<{flag}>")
