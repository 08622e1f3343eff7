"""What the workloads need: compiled programs and generated input files, below build/bench."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from bench import generators
from bench.workloads import Workload

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "bench" / "programs"
# No vector instructions of the compiler's own choice: one C statement, one kind of work.
FLAGS = ("-O2", "-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-ffp-contract=off", "-static")
WARNINGS = ("-Wall", "-Wextra")


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
            command = ["gcc", *FLAGS, *WARNINGS, str(source), "-o", str(target), "-lm"]
            subprocess.run(command, check=True)
        return target

    def input(self, name: str, size: int) -> Path:
        """A generated input of this size."""
        target = self.data / f"{name}-{size}"
        if not target.exists():
            generators.make(name, target, size)
        return target

    def command(self, workload: Workload, size: int, run: str = "") -> list[str]:
        """The words of the workload's command, with all that they name in place.

        `run` stands before the programs that a script starts.
        """
        if workload.command[0].startswith("@bin/"):
            self.program(workload.command[0].removeprefix("@bin/"))
        if workload.data:
            self.input(workload.data, size)
        places = {"@bin": str(self.bin), "@data": str(self.data), "@programs": str(PROGRAMS)}
        places |= {"@n": str(size), "@run": run}
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
