"""C programs of `guests/`, run natively and by blink: the same output, the same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from isa.features import host_has, is_amd

HERE = Path(__file__).parent / "guests"
SOURCE = Path(__file__).parents[2] / "src"
FLAGS = ["-std=gnu11", "-static", "-O1", "-w"]

Compile = Callable[[str], Path]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Compile:
    """Compiles a guest once a session; its path."""
    folder = tmp_path_factory.mktemp("guests")

    def build(name: str) -> Path:
        program = folder / name
        if not program.exists():
            command = [need("gcc"), *FLAGS, "-o", str(program), str(HERE / f"{name}.c"), "-lrt"]
            subprocess.run(command, check=True, timeout=60)
        return program

    return build


def blink(*options: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    return [sys.executable, "-I", "-S", "-c", code + "sys.exit(main())", *options]


def end(command: list[str], folder: Path) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command."""
    said = subprocess.run(
        command,
        capture_output=True,
        timeout=400,
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    )
    return said.returncode, said.stdout.decode(), said.stderr.decode()


def compare(command: list[str], folder: Path, *options: str) -> None:
    native = end(command, folder)
    emulated = end([*blink(*options), *command], folder)
    assert emulated[1].splitlines() == native[1].splitlines(), emulated[2]
    assert emulated[0] == native[0], emulated[2]


MODES = pytest.mark.parametrize(
    "options", [(), ("-j",), ("-m",)], ids=["default", "interpreter", "checked"]
)


@MODES
@pytest.mark.parametrize("name", ["memory", "signals", "faults", "frames", "processes", "misc"])
def test_same_as_the_host(
    name: str, options: tuple[str, ...], compiled: Compile, tmp_path: Path
) -> None:
    compare([str(compiled(name))], tmp_path, *options)


@MODES
def test_unmasked_floating_point(
    options: tuple[str, ...], compiled: Compile, tmp_path: Path
) -> None:
    with_avx = ["avx"] if host_has("AVX2") and host_has("FMA") else []
    pointers = ["pointers"] if is_amd() else []
    compare([str(compiled("floats")), *with_avx, *pointers], tmp_path, *options)


DEATHS = """
    exit exit256 thread-exit abort segv ill fpe trap blocked-segv ignored-segv no-stack bad-return
    overflow 1 2 3 6 9 10 13 14 15 16 17 18 20 23 24 25 28 34 64 -10 -11 -13 -15 -40
""".split()


@pytest.mark.parametrize("how", DEATHS)
def test_ends_the_same_way(how: str, compiled: Compile, tmp_path: Path) -> None:
    program = str(compiled("deaths"))
    if how == "20":  # SIGTSTP stops nobody whose process group is an orphan
        compare(["setsid", "-w", program, how], tmp_path)
        return
    compare([program, how], tmp_path)


def test_log_lines(compiled: Compile, tmp_path: Path) -> None:
    command = [*blink("-s"), str(compiled("deaths")), "exit"]
    status, _, said = end(command, tmp_path)
    lines = [line.partition("] ")[2] for line in said.splitlines()]
    assert status == 7
    assert "exit_group(7) = ?" in lines
    assert any(line.startswith("arch_prctl(ARCH_SET_FS, 0x") for line in lines)
    assert any(line.startswith("rseq(") and " = -1 ENOSYS (" in line for line in lines)


@pytest.mark.parametrize(
    "total", [5000, pytest.param(100_000, marks=pytest.mark.ci)], ids=["5k", "100k"]
)
def test_no_signal_is_lost(total: int, compiled: Compile, tmp_path: Path) -> None:
    compare([str(compiled("storm")), str(total)], tmp_path)


# Calls with a Python body that make no other process and do not wait.
NONSENSE = """
    9 10 11 12 13 14 25 26 27 28 30 67 127 131 135 149 150 157 218 222 226 273 274 322
    325 329 330 331 334 59
""".split()


@pytest.mark.parametrize("run", [0, 1])
def test_nonsense_is_no_bug_of_ours(
    run: int, compiled: Compile, tmp_path: Path, quota: float, seed: int
) -> None:
    program = str(compiled("nonsense"))
    deadline = time.monotonic() + quota
    number = seed + run * 1_000_003
    while time.monotonic() < deadline:
        number += 1
        options = ["-m"] if run else []
        command = [*blink(*options), program, str(number), "400", *NONSENSE]
        status, _, said = end(command, tmp_path)
        assert "internal error" not in said, (number, said)
        assert status != 125, (number, said)
