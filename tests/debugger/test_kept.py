"""Capsules hold the program's files: what becomes of those in the file system is all the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.errors import DebugError
from blink.debugger.pytest_plugin import capsule as capsule_fixture
from blink.debugger.session import Session

LONG = 100.0
SOURCE = """
#include <stdio.h>
int twice(int n) {
  int r = n * 2;
  return r;
}
int main(int argc, char **argv) {
  printf("%d\\n", twice(argc + 20));
  return 0;
}
"""
LINE = 4  # int r
PLUGIN = "int plug(int n) { return n + 1; }"
LOADER = """
#include <dlfcn.h>
#include <unistd.h>
int main(void) {
  void *plugin = dlopen("./plugin.so", RTLD_NOW);
  ((int (*)(int))dlsym(plugin, "plug"))(7);
  return execl("./second", "second", (char *)0);
}
"""
QUIET = ("set debuginfod enabled off", "set confirm off", "set width 0")
OTHER = "\n" * 40 + "int other(int n) { return n; }\nint main(void) { return other(7); }\n"


@pytest.fixture
def build(tmp_path: Path, need: Callable[[str], str]) -> Callable[..., Path]:
    """build(source, *options): the file of the program, another one each time."""

    def compiled(source: str, *options: str) -> Path:
        program = tmp_path / "program"
        program.unlink(missing_ok=True)
        command = [need("gcc"), "-g", "-O0", *options, "-x", "c", "-", "-o", str(program)]
        subprocess.run(command, input=source, text=True, check=True, timeout=LONG)
        return program

    return compiled


def recorded(program: Path) -> Path:
    capsule = program.with_name("it.cap")
    command = [sys.executable, "-m", "blink", "record", "-o", str(capsule), f"./{program.name}"]
    done = subprocess.run(command, cwd=program.parent, timeout=LONG, check=True, stdout=-1)
    assert done.stdout == b"42\n"
    return capsule


@pytest.fixture(params=["deleted", "replaced"])
def capsule(request: pytest.FixtureRequest, build: Callable[..., Path]) -> Path:
    """Of a program that is not there any more."""
    program = build(SOURCE)
    made = recorded(program)
    program.unlink()
    if request.param == "replaced":
        build(OTHER)
    return made


def names(session: Session) -> list[str]:
    return [frame.place.name for frame in session.backtrace()]


def test_symbols_lines_and_frames(capsule: Path) -> None:
    with Session.open(str(capsule)) as session:
        line = session.add_breakpoint(f"<stdin>:{LINE}")
        with pytest.raises(DebugError, match="no symbol is called other"):
            session.add_breakpoint("other")
        session.cont()
        assert session.wait(LONG).numbers == [line.number]
        assert names(session)[:2] == ["twice", "main"] and names(session)[-1] == "_start"
        place = session.symbols.at(session.registers()["rip"])
        assert place.line is not None and place.line.line == LINE
        assert session.symbols.find("printf")  # of the C library
        with session.branch() as branch:
            branch.set_register("rdi", 5)
            assert names(branch)[:2] == ["twice", "main"]
        session.finish()
        session.wait(LONG)
        assert session.registers()["rax"] == 42


def test_the_fixture(capsule: Path) -> None:
    opened = capsule_fixture.__wrapped__()  # type: ignore[attr-defined]
    with opened(str(capsule)) as program:
        assert program.at("twice").rdi & 0xFFFFFFFF == 21


@pytest.fixture
def gdb(need: Callable[[str], str]) -> Callable[..., str]:
    """gdb(capsule, *commands): what GDB says; it has no file and asks for all of them."""

    def run(capsule: Path, *commands: str) -> str:
        command = [sys.executable, "-m", "blink", "replay", "-g", "127.0.0.1:0", str(capsule)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd="/") as server:
            assert server.stderr is not None
            port = server.stderr.readline().rpartition(":")[2].strip()
            words = [need("gdb"), "-nx", "-batch"]
            for said in (*QUIET, f"target remote 127.0.0.1:{port}", *commands, "kill"):
                words += ["-ex", said]
            done = subprocess.run(words, capture_output=True, text=True, timeout=LONG, check=False)
            server.kill()
        return done.stdout + done.stderr

    return run


@pytest.mark.ci
def test_gdb_gets_the_files(capsule: Path, gdb: Callable[..., str]) -> None:
    said = gdb(
        capsule, "break twice", "continue", "backtrace", "finish", "info sharedlibrary",
        "reverse-continue", "print n",
    )  # fmt: skip
    for expected in (
        f"Breakpoint 1, twice (n=21) at <stdin>:{LINE}",
        "in main (argc=1,",
        "Value returned is $1 = 42",
        "libc.so.6",
        "$2 = 21",
    ):
        assert expected in said, said


@pytest.mark.ci
def test_gdb_gets_a_plugin_and_what_is_executed(
    build: Callable[..., Path], gdb: Callable[..., str]
) -> None:
    """A library that was opened by a link's name, and a program that another one became."""
    program = build(SOURCE)
    second, plugin = program.with_name("second"), program.with_name("plugin.so.1.2")
    program.rename(second)
    build(PLUGIN, "-shared", "-fPIC").rename(plugin)
    program.with_name("plugin.so").symlink_to(plugin.name)
    made = recorded(build(LOADER, "-no-pie"))
    for gone in (program, second, plugin, program.with_name("plugin.so")):
        gone.unlink()
    said = gdb(
        made, "set breakpoint pending on", "break plug", "continue", "backtrace", "delete",
        "break twice", "continue", "backtrace",
    )  # fmt: skip
    frames = [line.partition(" in ")[2] or line for line in said.splitlines() if line[:1] == "#"]
    assert [frame.split(" (")[0].split()[-1] for frame in frames] == "plug main twice main".split()
    assert f"executing new program: {second}" in said, said


def test_a_sibling_of_another_build_says_nothing(build: Callable[..., Path]) -> None:
    """A .dbg has nothing that tells to which file it belongs."""
    program = build(SOURCE, "-Wl,--build-id=none")
    debug = program.with_name("program.dbg")
    debug.write_bytes(program.read_bytes())
    subprocess.run(["strip", program], check=True, timeout=LONG)
    made = recorded(program)
    with Session.open(str(made)) as session:
        assert session.symbols.find("twice")
    program.write_bytes(program.read_bytes() + b"changed")
    with Session.open(str(made)) as session:
        assert not session.symbols.find("twice")
