"""A program to debug, and sessions that end with their test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blink.debugger.session import Session

SOURCE = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long total;
char buffer[16];
volatile long quiet = 7;

__attribute__((noinline)) int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

__attribute__((noinline)) void fill(long value) {
  total = value;
  total = value;
  total = value + 1;
}

static void on_usr1(int signo) { (void)signo; }

static int crash(void) { return *(volatile int *)8; }

static int spin(void) {
  for (;;) quiet++;
}

static int fork_one(void) {
  int status = 0;
  pid_t child = fork();
  if (!child) _exit(3);
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

__attribute__((noinline)) int length(const char *text) { return quiet += strlen(text); }

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "crash")) return crash();
  if (!strcmp(what, "spin")) return spin();
  if (!strcmp(what, "fork")) return fork_one();
  if (!strcmp(what, "read")) return read(0, buffer, 4);
  if (!strcmp(what, "exec")) execl("/bin/true", "true", (char *)0);
  if (!strcmp(what, "signal")) {
    signal(SIGUSR1, on_usr1);
    raise(SIGUSR1);
  }
  int sum = fib(6);
  fill(41);
  if (!strcmp(what, "length")) return length(argv[1]);
  printf("sum %d\n", sum);
  return 5;
}
"""

Start = Callable[..., Session]
Debug = Callable[..., str]
LONG = 100.0
QUIET = ("set debuginfod enabled off", "set confirm off", "set width 0", "set sysroot /")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A dynamically linked program with debugging information."""
    folder = tmp_path_factory.mktemp("debugged")
    source = folder / "debugged.c"
    source.write_text(SOURCE)
    path = folder / "debugged"
    command = [need("gcc"), "-g", "-O0", "-fno-omit-frame-pointer", "-o", path, source]
    subprocess.run(command, check=True, timeout=60)
    return path


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    """start(*arguments, **of_launch): a session at the first instruction of the program."""
    made: list[Session] = []

    def launch(*words: str, **fields: Any) -> Session:
        session = Session.launch([str(program), *words], **fields)
        made.append(session)
        return session

    yield launch
    for session in made:
        session.close()


@pytest.fixture
def blink(need: Callable[[str], str]) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """blink(*words): the process of `blink -g 0`, or of `blink replay -g 0`, and its port."""
    made = []

    def start(*words: object, tool: str = "") -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-m", "blink", *tool.split(), "-g", "127.0.0.1:0"]
        command += map(str, words)
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        made.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "target remote 127.0.0.1:" in line, line + process.stderr.read()
        return process, int(line.rpartition(":")[2])

    yield start
    for process in made:
        process.kill()
        process.communicate()


@pytest.fixture
def debug(
    need: Callable[[str], str], blink: Callable[..., tuple[subprocess.Popen[str], int]]
) -> Debug:
    """debug(program, *commands): what GDB says to these commands."""

    def run(
        program: Path,
        *commands: str,
        arguments: tuple[str, ...] = (),
        capsule: Path | None = None,
        target: str = "remote",
    ) -> str:
        _, port = blink(capsule, tool="replay") if capsule else blink(program, *arguments)
        words = [need("gdb"), "-nx", "-batch"]
        for command in (*QUIET, f"target {target} 127.0.0.1:{port}", *commands):
            words += ["-ex", command]
        done = subprocess.run(
            [*words, str(program)], capture_output=True, text=True, timeout=LONG, check=False
        )
        return done.stdout + done.stderr

    return run
