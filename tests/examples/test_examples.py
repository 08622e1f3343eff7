"""Each example does what it says."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module", autouse=True)
def on_the_path(need: Callable[[str], str]) -> Iterator[None]:
    need("gcc")
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


def printed(name: str, *arguments: str) -> str:
    """What an example prints, run as the README says."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    said = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_the_table_names_them_all() -> None:
    named = set(re.findall(r"`(\w+\.py)`", (EXAMPLES / "README.md").read_text()))
    assert named == {path.name for path in EXAMPLES.glob("*.py")} - {"build.py"}


def test_trace_calls() -> None:
    lines = [line.strip() for line in example("trace_calls").main()]
    assert lines[:5] == [f"power(3, {n})" for n in (4, 3, 2, 1, 0)]
    assert lines[5:] == [f"= {3**n}" for n in range(5)]


def test_count_syscalls() -> None:
    counts = example("count_syscalls").main(["/bin/cat", "/absent", "/etc/hostname"])
    assert counts["write"] >= 2 and counts["openat failed"] >= 1 and counts["execve"] == 0


def test_patch_function() -> None:
    assert sorted(printed("patch_function").splitlines()) == ["asked for you", "welcome"]


def test_fuzz_parser() -> None:
    data = example("fuzz_parser").main(seconds=60.0)
    assert data is not None and int(data.partition(b":")[0]) > 16


def test_coverage_lcov() -> None:
    text = printed("coverage_lcov")
    hits = dict(re.findall(r"DA:(\d+),(\d)", text))
    assert hits == {"2": "1", "3": "1", "4": "1", "5": "0", "6": "0", "7": "0", "8": "1",
                    "9": "1", "10": "1", "11": "1"}  # fmt: skip


def test_find_corruption() -> None:
    assert re.search(r"strcpy.*make", example("find_corruption").main())


def test_replace_syscall() -> None:
    assert printed("replace_syscall") == "1969-07-20\n"


def test_taint_buffer() -> None:
    assert example("taint_buffer").main() == {"copy": True, "plain": False}


def test_flame_graph() -> None:
    svg = printed("flame_graph")
    assert svg.startswith("<svg") and svg.count("<rect") > 5


def test_notebook_view() -> None:
    page = example("notebook_view").main()
    assert "twice" in page and "=&gt;" in page and "<code>rdi</code>" in page
    assert f"{21:016x}" in page
