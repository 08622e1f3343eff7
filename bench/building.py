"""How long the package takes to build from nothing: in a copy of the tree, with a fresh .venv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.inputs import ROOT
from bench.records import Build

NOT_COPIED = (".git", ".venv", "build", "dist", "__pycache__", "*.so", ".*_cache", "_generated_*")
LIMIT = 900  # seconds


def measure() -> Build:
    """Times `./dev build`: code generation, engine, launcher, installation in the environment.

    The environment itself is made before; a ccache that stands for the compiler is told to step
    aside.
    """
    with tempfile.TemporaryDirectory(prefix="blink-build-") as place:
        tree = Path(place, "tree")
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        subprocess.run([sys.executable, "-m", "venv", str(tree / ".venv")], check=True)
        started, before = time.monotonic(), os.times()
        done = subprocess.run(
            [str(tree / "dev"), "build"], cwd=tree, stdin=subprocess.DEVNULL, timeout=LIMIT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={**os.environ, "CCACHE_DISABLE": "1"},
        )  # fmt: skip
        seconds, after = time.monotonic() - started, os.times()
    cpu = after.children_user - before.children_user + after.children_system
    return Build(seconds, cpu - before.children_system, done.returncode, summary(done.stdout))


def summary(said: str) -> str:
    """The line about the engine; without one, the last line."""
    lines = said.splitlines() or [""]
    return next((line for line in lines if line.startswith("engine (")), lines[-1])
