"""How long the package takes to build from nothing: in a copy of the tree, with a fresh .venv."""

from __future__ import annotations

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

    The environment itself is made before.
    """
    with tempfile.TemporaryDirectory(prefix="blink-build-") as place:
        tree = Path(place, "tree")
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        subprocess.run([sys.executable, "-m", "venv", str(tree / ".venv")], check=True)
        started = time.monotonic()
        done = subprocess.run(
            [str(tree / "dev"), "build"], cwd=tree, stdin=subprocess.DEVNULL, timeout=LIMIT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - started
    return Build(seconds, done.returncode, "\n".join(done.stdout.splitlines()[-3:]))
