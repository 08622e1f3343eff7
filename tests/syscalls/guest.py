"""Runs a guest program, natively or by blink."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent / "guests"
SOURCE = Path(__file__).parents[2] / "src"
FLAGS = ["-std=gnu11", "-static", "-O1", "-w", "-fno-optimize-sibling-calls"]

Compile = Callable[[str], Path]


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
        timeout=300,
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    )
    return said.returncode, said.stdout.decode(errors="replace").splitlines(), said.stderr.decode()
