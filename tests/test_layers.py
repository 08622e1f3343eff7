"""Imports go down only (docs/internals/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "blink"
FRAMEWORK = "syscalls._"  # blink.syscalls._spec and its like; families of calls stand above kernel
LOW = {"abi", "vfs", "fs", FRAMEWORK, "loader", "machine", "_engine"}
HIGH = LOW | {"kernel", "syscalls", "pc"}

# Part -> the parts that it may import, besides itself.
ALLOWED: dict[str, set[str]] = {
    "abi": set(),
    "isa": set(),
    "vfs": {"abi", "isa"},  # /proc/cpuinfo says what CPUID does
    "fs": {"abi", "vfs"},
    FRAMEWORK: {"abi"},
    "codegen": {"isa", "abi", FRAMEWORK},
    "machine": {"abi", "_engine"},
    "loader": {"abi", "machine"},
    "roots": {"abi", "vfs"},
    "kernel": LOW | {"roots"},
    "images": {"abi", "vfs", "roots", "_engine"},
    "syscalls": {"abi", "vfs", "fs", FRAMEWORK, "loader", "kernel"},
    "pc": {"abi", "machine", "_engine"},
    "replay": HIGH,
    "debugger": HIGH | {"replay", "isa", "roots", "images"},  # CPUID features of what is missing
    "tui": HIGH | {"replay", "debugger", "roots"},
    # --cpu help lists features
    "cli": HIGH | {"replay", "debugger", "tui", "isa", "roots", "images"},
    "__main__": {"cli"},
    "__init__": {"machine"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    inner = path.relative_to(PACKAGE).with_suffix("")
    return part_named(inner.parts)


def part_named(names: tuple[str, ...]) -> str:
    """The part that a module belongs to, by the names behind `blink`."""
    if names[0] == "syscalls" and len(names) > 1 and names[1].startswith("_"):
        return FRAMEWORK
    return names[0]


def is_type_checking(node: ast.AST) -> bool:
    """Whether this is `if TYPE_CHECKING:`, whose imports never run."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    skipped = node.body if is_type_checking(node) else []  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from run_time_nodes(child)


def imported_parts(source: str, package: tuple[str, ...]) -> set[str]:
    """The parts of blink that a module of `package` (("blink", "kernel"), say) imports."""
    found = set()
    for node in run_time_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            start = ".".join(filter(None, (base, node.module)))
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {
            part_named(tuple(name.split(".")[1:])) for name in names if name.startswith("blink.")
        }
    return found - {"__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    part = part_of(path)
    assert part in ALLOWED, f"a new part {part!r}: say in ALLOWED what it may import"
    package = ("blink", *path.relative_to(PACKAGE).parts[:-1])
    upward = imported_parts(path.read_text(), package) - ALLOWED[part] - {part}
    assert not upward, f"blink.{part} must not import {sorted(upward)}"


def test_the_graph_has_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(ALLOWED):
        ready = {p for p, below in ALLOWED.items() if p not in done and below - {"_engine"} <= done}
        assert ready, f"a cycle among {sorted(set(ALLOWED) - done)}"
        done |= ready


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import blink.kernel.task", {"kernel"}),
        ("from blink import _engine, __version__", {"_engine"}),
        ("from blink.abi.errors import SysError", {"abi"}),
        ("from .task import Task", {"kernel"}),
        ("from blink.syscalls import _table", {FRAMEWORK}),
        ("from ..cli import main", {"cli"}),
        ("def f():\n    import blink.cli", {"cli"}),
        ("if TYPE_CHECKING:\n    import blink.cli\nelse:\n    import blink.abi", {"abi"}),
        ("import os, blinker", set()),
    ],
)
def test_the_parser_sees_each_kind_of_import(source: str, expected: set[str]) -> None:
    assert imported_parts(source, ("blink", "kernel")) == expected


def test_codegen_runs_without_the_engine() -> None:
    """The engine is built from codegen's output, so codegen may not need it."""
    code = "import sys, blink.codegen.__main__; print('blink._engine' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.stdout, said.stderr) == ("False\n", "")
