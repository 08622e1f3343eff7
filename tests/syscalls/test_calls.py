"""C programs of guests/: the same lines natively, in each memory, with each call in Python (`-s`),
and with every path resolved under a root (`-C /`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "guests"
SOURCE = Path(__file__).parents[2] / "src"
FLAGS = ["-std=gnu11", "-static", "-O1", "-w", "-fno-optimize-sibling-calls"]

FAMILIES = "files descriptors metadata directories polling sockets terminal limits proc".split()
MODES = {"linear": [], "checked": ["-m"], "traced": ["-s", "-L", "log"], "rooted": ["-C", "/"]}

# What a root changes: names that end in `..`, and magic links on the way.
DIFFERENT = {
    ("directories", "rooted"): {'S(rmdir, "d/..") = -1 ENOTEMPTY'},
    ("proc", "rooted"): {'open("../exe/x", O_RDONLY) = -1 ENOTDIR'},
}
LEFT_OUT = {("sockets", "rooted")}  # names of sockets get another form

Compile = Callable[[str], Path]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Compile:
    """Compiles a guest once a session; its path."""
    folder = tmp_path_factory.mktemp("calls")

    def build(name: str) -> Path:
        program = folder / name
        if not program.exists():
            command = [need("gcc"), *FLAGS, "-o", str(program), str(HERE / f"{name}.c")]
            subprocess.run(command, check=True, timeout=60)
        return program

    return build


def blink(*options: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    return [sys.executable, "-I", "-S", "-c", code + "sys.exit(main())", *options]


def lines(command: list[str], folder: Path) -> tuple[int, list[str], str]:
    """Status, lines of stdout, and stderr of a command in a fresh folder that nobody may write."""
    folder.mkdir()
    said = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    )
    return said.returncode, said.stdout.decode(errors="replace").splitlines(), said.stderr.decode()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_same_as_the_host(family: str, mode: str, compiled: Compile, tmp_path: Path) -> None:
    if (family, mode) in LEFT_OUT:
        return
    program = str(compiled(family))
    native = lines([program], tmp_path / "native")
    emulated = lines([*blink(*MODES[mode]), program], tmp_path / "blink")
    assert len(native[1]) > 20, native
    known = DIFFERENT.get((family, mode), set())
    pairs = list(zip(native[1], emulated[1], strict=False))
    differences = [pair for pair in pairs if pair[0] != pair[1] and pair[0] not in known]
    assert not differences, emulated[2]
    assert (emulated[0], len(emulated[1])) == (native[0], len(native[1])), emulated[2]
