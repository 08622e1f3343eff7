"""Programs that write machine code as they run: LuaJIT, Node, Java."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from programs.harness import GUESTS, Same

LIMIT = 100  # seconds, on a busy machine; translated, each needs about one


def test_luajit(same: Same) -> None:
    same("luajit", str(GUESTS / "jit.lua"), timeout=LIMIT)


def test_node(same: Same) -> None:
    same("node", str(GUESTS / "jit.js"), timeout=LIMIT)


@pytest.mark.tiers(plain="ci", interpreted="long")
def test_node_server(same: Same) -> None:
    """HTTP, workers, zlib, crypto and child processes."""
    same("node", str(GUESTS / "server.js"), timeout=LIMIT)


@pytest.fixture(scope="module")
def java_classes(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A folder with what javac makes of the Java sources of guests/."""
    folder = tmp_path_factory.mktemp("classes")
    sources = [str(GUESTS / "Jit.java"), str(GUESTS / "Threads.java")]
    command = [need("javac"), "-d", str(folder), *sources]
    subprocess.run(command, check=True, timeout=LIMIT, env={**os.environ, "LC_ALL": "C"})
    return folder


def test_java_version(same: Same) -> None:
    same("java", "-version", timeout=LIMIT)


@pytest.mark.parametrize("how", ["-Xmixed", "-Xcomp"])
def test_java(same: Same, java_classes: Path, how: str) -> None:
    """Compiled when hot, and all compiled at the first call."""
    only = "-XX:CompileCommand=quiet", "-XX:CompileOnly=Jit"
    options = only if how == "-Xcomp" else ()
    same("java", how, *options, "-cp", str(java_classes), "Jit", timeout=LIMIT)


@pytest.mark.tiers(plain="ci", interpreted="long")
def test_java_threads(same: Same, java_classes: Path) -> None:
    same("java", "-cp", str(java_classes), "Threads", status=5, timeout=LIMIT)


@pytest.mark.tiers(plain="ci", interpreted="long")
def test_javac(same: Same) -> None:
    """Its class files are the same, byte for byte."""
    same("javac", "-d", ".", str(GUESTS / "Threads.java"), timeout=5 * LIMIT)
