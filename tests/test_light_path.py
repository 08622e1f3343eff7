"""What runs before a guest starts imports nothing that costs milliseconds."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blink.cli.main import TOOLS

SOURCE = Path(__file__).parents[1] / "src"
LIGHT_PARTS = ("abi", "machine", "loader", "vfs", "fs", "syscalls", "kernel", "cli")
HEAVY = {
    "argparse",
    "asyncio",
    "ctypes",
    "dataclasses",
    "enum",
    "importlib.metadata",
    "importlib.resources",
    "inspect",
    "json",
    "logging",
    "os",
    "pathlib",
    "random",
    "re",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "traceback",
    "typing",
}


def loaded_by(code: str) -> set[str]:
    """The modules that code loads in an isolated Python without site, as the launcher's is."""
    start = f"import sys; sys.path.append({str(SOURCE)!r})\n{code}\n"
    report = "sys.stderr.write(' '.join(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + report],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(said.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import blink",
        "import blink.cli.launch as launch; sys.argv = ['blink', '-v']; launch.start(0, 0)",
    ],
    ids=["import", "version"],
)
def test_a_start_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    assert "blink" in loaded
    assert not loaded & HEAVY


def test_a_guest_loads_nothing_heavy() -> None:
    """The modules that are there when /bin/true ends."""
    code = """
import posix
def end(status, exit=posix._exit):
    posix.write(2, ' '.join(sys.modules).encode())
    exit(status)
posix._exit = end
sys.argv = ["blink", "/bin/true"]
import blink.cli.launch as launch
launch.start(0, 0)
"""
    loaded = loaded_by(code)
    assert "blink.kernel.loop" in loaded
    assert not loaded & HEAVY


def light_modules() -> list[Path]:
    places = [SOURCE / "blink" / part for part in LIGHT_PARTS]
    tools = {SOURCE.joinpath(*name.partition(":")[0].split(".")) for name in TOOLS.values()}
    tools |= {SOURCE / "blink/cli/tool", SOURCE / "blink/cli/usage"}  # of tools, and of help
    found = sorted(path for place in places for path in place.rglob("*.py"))
    return [path for path in found if path.with_suffix("") not in tools]


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, except `if TYPE_CHECKING:`."""
    for node in body:
        yield node
        test = getattr(node, "test", None)
        never = isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
        if not never and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from statements_at_import(getattr(node, "body", []))
        yield from statements_at_import(getattr(node, "orelse", []))


def imported_at_start(source: str) -> set[str]:
    found: set[str] = set()
    for node in statements_at_import(ast.parse(source).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", light_modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_light_module_imports_nothing_heavy(path: Path) -> None:
    assert not imported_at_start(path.read_text()) & HEAVY


def test_the_check_would_see_it() -> None:
    source = "import re\nif TYPE_CHECKING:\n    import typing\ntry:\n    import json\nfinally: pass"
    assert imported_at_start(source) == {"re", "json"}
    assert imported_at_start("def f():\n    import re\nclass A:\n    import enum") == {"enum"}
