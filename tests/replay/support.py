"""Runs guests under a runner, by `drive.py`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


class Driven:
    """What a driven guest left: exit status, output, and what the steps said, a list a line."""

    def __init__(self, status: int, output: str, said: list[list[Any]]) -> None:
        self.status = status
        self.output = output
        self.said = said


def drive(steps: str, *command: str, stdin: str = "", timeout: float = 100) -> Driven:
    """Runs `steps` on a runner of the command; see drive.py."""
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [sys.executable, str(HERE / "drive.py"), str(said.fileno()), steps, *command],
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(said.fileno(),),
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONPATH": str(SOURCE)},
            timeout=timeout,
            check=False,
        )
        said.seek(0)
        lines = [parse(line) for line in said.read().decode().splitlines()]
    return Driven(done.returncode, done.stdout.decode(), lines)


def parse(line: str) -> list[Any]:
    return list(ast.literal_eval(f"[{line}]"))
