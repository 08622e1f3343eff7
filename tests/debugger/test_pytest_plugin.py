"""The fixture for capsules, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from blink.debugger.session import Session

ROOT = Path(__file__).parents[2]
TESTS = """
def test_arguments(capsule):
    with capsule("bug.cap") as program:
        assert program.at("main").rdi == 1
        assert program.session.calls()[-1].text == "exit_group(5) = ?"

def test_that_fails(capsule):
    with capsule("bug.cap") as program:
        assert program.at("fill").rdi == 42
"""


def test_the_fixture_opens_a_capsule(start: Callable[..., Session], tmp_path: Path) -> None:
    session = start()
    session.cont()
    session.wait(100)
    session.save(str(tmp_path / "bug.cap"))
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-p", "blink.debugger.pytest_plugin", "test_it.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "",
             "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "41 == 42" in done.stdout


def test_an_installation_brings_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "blink.debugger.pytest_plugin" in project["entry-points"]["pytest11"].values()


def test_it_is_light() -> None:
    code = "import sys, blink.debugger.pytest_plugin; print('blink._engine' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    assert said.stdout == "False\n"
