"""Builds the small C programs of the examples."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


def build(source: str, *options: str) -> str:
    """The path of a program with debugging information, built from C in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="blink-example-"))
    code, program = folder / "program.c", folder / "program"
    code.write_text(source)
    command = [
        "gcc",
        "-g",
        "-O0",
        "-fno-pie",
        "-no-pie",
        "-w",
        *options,
        str(code),
        "-o",
        str(program),
    ]
    subprocess.run(command, check=True)
    return str(program)
