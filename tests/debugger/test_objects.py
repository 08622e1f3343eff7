"""Symbols, source lines and frames of a running program, with GDB as the judge."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.objects import Objects
from blink.debugger.places import Mapping
from blink.debugger.unwind import NAMES, Frame, Unwinder

pytest.importorskip("elftools", reason="pyelftools is a dependency of the package")
SOURCE = Path(__file__).parent / "programs" / "calls.c"
FRAMELESS = "-O2 -fomit-frame-pointer -fno-optimize-sibling-calls"
STACK = 0x3000  # bytes above RSP that the test keeps; the environment makes sure that they exist


class Stopped:
    """A program that GDB stopped in stop_here(): its registers, stack, mappings and backtrace."""

    def __init__(self, gdb: str, program: Path) -> None:
        dump = program.with_suffix(".stack")
        commands = [
            "set confirm off", "set pagination off", "handle SIGUSR1 nostop",
            "break stop_here", "run", "info registers",
            "info proc mappings", "bt", f"dump binary memory {dump} $rsp $rsp+{STACK}",
        ]  # fmt: skip
        words = [w for command in commands for w in ("-ex", command)]
        said = subprocess.run(
            [gdb, "-nx", "-batch", *words, str(program)],
            capture_output=True, text=True, timeout=100, env={**os.environ, "ROOM": "x" * STACK},
        )  # fmt: skip
        self.text = said.stdout
        self.stack = dump.read_bytes()
        rows = re.findall(r"^(\w+)\s+(0x[0-9a-f]+)\s", said.stdout, re.M)
        self.registers = {name: int(value, 16) for name, value in rows if name in NAMES}
        self.mappings = [
            Mapping(int(start, 16), int(end, 16), int(offset, 16), path.strip())
            for start, end, offset, path in re.findall(
                r"^\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)\s*\S*(.*)$",
                said.stdout, re.M,
            )
        ]  # fmt: skip

    def functions(self) -> list[str]:
        """The functions of GDB's backtrace, innermost first."""
        lines = re.findall(r"^#\d+\s+(?:0x[0-9a-f]+ in )?(<?\w+)", self.text, re.M)
        return ["signal" if name == "<signal" else name for name in lines]

    def read(self, address: int, length: int) -> bytes:
        at = address - self.registers["rsp"]
        return self.stack[at : at + length] if at >= 0 else b""


@pytest.fixture(scope="module", params=["-O0", FRAMELESS])
def stopped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
    need: Callable[[str], str],
) -> Stopped:  # fmt: skip
    program = tmp_path_factory.mktemp("calls") / "calls"
    command = [need("gcc"), "-g", *request.param.split(), str(SOURCE), "-o", str(program)]
    subprocess.run(command, check=True, timeout=100)
    return Stopped(need("gdb"), program)


def walk(stopped: Stopped, objects: Objects) -> list[Frame]:
    unwinder = Unwinder(stopped.read, objects.rules, lambda a: objects.object(a) is not None)
    return list(unwinder.frames(stopped.registers))


def test_frames_are_those_of_gdb(stopped: Stopped) -> None:
    objects = Objects(stopped.mappings)
    frames = walk(stopped, objects)
    ours = [objects.at(frame.lookup) for frame in frames]
    expected = stopped.functions()
    assert expected[:2] == ["stop_here", "deep"] and "signal" in expected
    names = [place.name for place in ours]
    own = {"stop_here", "deep", "handler", "compare", "main"}
    assert [n for n in names if n in own] == [n for n in expected if n in own]
    assert names[-1] == "_start"
    assert [f.how for f in frames].count("signal") == 1


def test_lines_are_those_of_gdb(stopped: Stopped) -> None:
    objects = Objects(stopped.mappings)
    theirs = re.findall(r"^#\d+ .*calls\.c:(\d+)$", stopped.text, re.M)
    lines = [objects.at(frame.lookup).line for frame in walk(stopped, objects)]
    ours = [str(line.line) for line in lines if line is not None and line.file.endswith("calls.c")]
    assert len(theirs) > 4 and ours == theirs


def test_a_line_and_a_function_lead_to_an_address(stopped: Stopped) -> None:
    objects = Objects(stopped.mappings)
    number = 1 + SOURCE.read_text().splitlines().index("  counter += depth;")
    (start,) = objects.find("stop_here")
    addresses = objects.find_line("calls.c", number)
    assert stopped.registers["rip"] in addresses
    assert objects.behind_prologue(start) == stopped.registers["rip"]
    assert objects.find_line("programs/calls.c", number) == addresses
    assert objects.find_line("alls.c", number) == [] == objects.find_line("calls.c", 10_000)


def test_names(stopped: Stopped) -> None:
    objects = Objects(stopped.mappings)
    (counter,) = objects.find("counter")
    assert str(objects.at(counter, lines=False)) == "counter"
    assert objects.find("qsort") and not objects.find("qsorted")
    assert "stop_here" in objects.like("stop_hear")
    assert str(objects.at(0)) == ""


def test_separate_debugging_information(tmp_path: Path, need: Callable[[str], str]) -> None:
    """By .gnu_debuglink, and as a sibling .dbg."""
    program, debug = tmp_path / "calls", tmp_path / "calls.debug"
    subprocess.run([need("gcc"), "-g", str(SOURCE), "-o", program], check=True, timeout=100)
    line = line_of_main(program)
    assert line is not None and line.endswith("calls.c")
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", program], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", program], check=True)
    assert line_of_main(program) == line
    debug.write_bytes(debug.read_bytes() + b"changed")
    assert line_of_main(program) is None
    debug.rename(tmp_path / "calls.dbg")
    assert line_of_main(program) == line


def line_of_main(program: Path) -> str | None:
    objects = Objects([Mapping(0x10000, 0x20000, 0, str(program))])
    found = objects.find("main")
    if not found:
        return None
    line = objects.at(found[0]).line
    return None if line is None else line.file


def test_damaged_files_have_nothing(stopped: Stopped, tmp_path: Path, seed: int) -> None:
    import random

    rng = random.Random(seed)
    whole = Path(stopped.mappings[0].path).read_bytes()
    for i in range(30):
        broken = bytearray(whole[: rng.randrange(len(whole))] if i % 2 else whole)
        for _ in range(rng.randrange(60)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        path = tmp_path / f"broken{i}"
        path.write_bytes(broken)
        objects = Objects([Mapping(0x10000, 0x20000, 0, str(path))])
        for address in range(0x10000, 0x15000, 0x333):
            objects.at(address)
            objects.rules(address)
        objects.find_line("calls.c", 9)
