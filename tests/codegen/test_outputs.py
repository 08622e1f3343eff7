"""The generated files as a whole: deterministic, kept when unchanged, removed when stale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blink.codegen import __main__ as command
from blink.codegen import outputs

SRC = Path(__file__).parents[2] / "src"


def generate(folder: Path, hash_seed: str) -> dict[str, bytes]:
    """What a fresh process writes."""
    environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONHASHSEED": hash_seed}
    arguments = [sys.executable, "-m", "blink.codegen", str(folder)]
    subprocess.run(arguments, env=environment, check=True, timeout=100, stdout=subprocess.DEVNULL)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return generate(tmp_path_factory.mktemp("generated"), "1")


def test_two_generations_give_the_same_bytes(generated: dict[str, bytes], tmp_path: Path) -> None:
    again = generate(tmp_path, "2")
    assert again.keys() == generated.keys() and len(again) > 10
    assert [name for name in again if again[name] != generated[name]] == []


def test_files_say_that_they_are_generated(generated: dict[str, bytes]) -> None:
    for name, data in generated.items():
        assert name.startswith("_generated_")
        assert b"enerated by" in data.splitlines()[0], name
        assert data.endswith(b"\n") and b"\r" not in data


def test_only_changes_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"_generated_a.h": "a\n", "_generated_b.h": "b\n"}
    monkeypatch.setattr(outputs, "generate", lambda: files)
    (tmp_path / "_generated_stale.c").write_text("")
    (tmp_path / "notes").write_text("kept")
    assert outputs.write(tmp_path) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [*sorted(files), "notes"]
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    files["_generated_b.h"] = "new\n"
    outputs.write(tmp_path)
    touched = {p.name for p in tmp_path.iterdir() if p.stat().st_mtime != 1}
    assert touched == {"_generated_b.h"}
    assert (tmp_path / "_generated_b.h").read_text() == "new\n"


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outputs, "generate", lambda: {"_generated_a.h": "a\n"})
    assert command.main(["codegen"]) == 2
    assert command.main(["codegen", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "_generated_a.h").read_text() == "a\n"
    assert "1 files" in capsys.readouterr().out
