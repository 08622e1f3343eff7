"""The generated inputs of the benchmarks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import generators


@pytest.mark.parametrize("name", generators.FILES)
def test_inputs_are_the_same_each_time(name: str, need: Callable[[str], str]) -> None:
    need("gcc")  # which preprocesses hello.c
    make = generators.FILES[name]
    assert make(20) == make(20) != b""


def test_the_generated_c_compiles(need: Callable[[str], str]) -> None:
    words = [need("gcc"), "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(words, input=generators.functions(50), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_git_history_is_the_same_each_time(tmp_path: Path, need: Callable[[str], str]) -> None:
    """The same hash: contents, messages, authors and dates."""
    heads = []
    for name in ("a", "b"):
        generators.make("history", tmp_path / name, 12)
        words = [need("git"), "-C", str(tmp_path / name), "rev-list", "main"]
        heads.append(subprocess.run(words, capture_output=True, check=True).stdout.split())
    assert heads[0] == heads[1] and len(heads[0]) == 12


def test_an_interrupted_input_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(size: int) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setitem(generators.FILES, "text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generators.make("text", tmp_path / "text-1", 1)
    assert not (tmp_path / "text-1").exists()
