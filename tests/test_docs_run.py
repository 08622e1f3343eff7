"""The Python and the commands of the docs run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(page, number, id=f"{page}-{number}")
    for page in ("README.md", "docs/guide/debugging.md", "docs/guide/python.md")
    for number, _ in enumerate(BLOCK.findall((ROOT / page).read_text()))
]
# Line 40 of main.c and the data at 0x404010 are what the docs name.
SOURCE = r"""
__attribute__((section("docs"))) long data[3] = {1, 2, 3};
int counter = 1;

__attribute__((noinline)) static int keep(int edi) {
#line 40
  return counter += edi;
}

int main(int argc, char **argv) {
  for (int i = 0; i < 6; i++) keep(i);
  data[2] = argc;
  return *(volatile int *)(data[2] - argc);
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """./prog and ./program, which the blocks start; a crash, a counter."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "main.c").write_text(SOURCE)
    places = "-Wl,-Ttext-segment=0x500000,--section-start=docs=0x404000"
    command = [need("gcc"), "-g", "-O0", "-no-pie", places, "main.c", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True, timeout=100)
    (folder / "prog").symlink_to("program")
    return folder


@pytest.mark.ci
@pytest.mark.parametrize(("page", "number"), BLOCKS)
def test_a_block_runs(page: str, number: int, folder: Path) -> None:
    text = BLOCK.findall((ROOT / page).read_text())[number]
    if "def test_" in text:  # tests/debugger/test_pytest_plugin.py
        compile(text, page, "exec")
        return
    command = [sys.executable, "-c", text]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)
    assert said.returncode == 0, said.stderr
    assert said.stdout


def shell(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs commands with this environment's `blink`; stops at the first that fails."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-ec", text], cwd=folder, env=env, capture_output=True, text=True, timeout=400
    )


@pytest.mark.ci
def test_the_first_command_says_what_it_says(tmp_path: Path) -> None:
    first = COMMANDS.findall((ROOT / "README.md").read_text())[0]
    command, _, output = first.removeprefix("$ ").partition("\n")
    said = shell(command, tmp_path)
    assert (said.returncode, said.stdout, said.stderr) == (0, output, "")


@pytest.mark.ci
def test_the_commands_of_profiles_and_traces_run(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    pytest.importorskip("duckdb", reason="the extra `trace` is not installed")
    command = [need("gcc"), "-static", "-xc", "-", "-o", "prog"]
    source = "int main(void) { return 0; }"
    subprocess.run(command, input=source, text=True, cwd=tmp_path, check=True, timeout=100)
    page = (ROOT / "docs/guide/profiles-and-traces.md").read_text()
    commands = "".join(COMMANDS.findall(page))
    said = shell(commands, tmp_path)
    assert said.returncode == 0, said.stderr
    tables = sum("──" in line for line in said.stdout.splitlines())
    assert commands.count("blink sql") == tables == 3
    assert {"prog.json", "prog.folded", "t.parquet"} <= {path.name for path in tmp_path.iterdir()}
