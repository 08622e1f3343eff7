"""The generated pages of docs/guide."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blink.codegen import emit_docs

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


def insn(name: str, family: str, feature: str, *encodings: str, undefined: str = "") -> Any:
    forms = tuple(SimpleNamespace(encoding=text) for text in encodings)
    flags = tuple(undefined.split())
    return SimpleNamespace(name=name, family=family, feature=feature, forms=forms, undefined=flags)


def call(number: int, name: str, **properties: Any) -> Any:
    defaults = {"family": "files", "level": "full", "note": "", "passthrough": True, "native": 1}
    return SimpleNamespace(number=number, name=name, **{**defaults, "doc": "", **properties})


def test_instructions_of_one_name_share_a_row() -> None:
    page = emit_docs.instructions(
        cast(Any, [insn("B", "two", "", "01", undefined="AF OF"),
                   insn("A", "_one", "x", "02", "03"), insn("A", "_one", "x", "02", "04 /r")])
    )  # fmt: skip
    head = "| instruction | CPUID | encodings | undefined |\n|---|---|---|---|\n"
    assert "2 instructions with 5 encodings" in page
    assert page.endswith(
        f"\n## one\n\n{head}| A | X | `02`, `03`, `04 /r` |  |\n"
        f"\n## two\n\n{head}| B |  | `01` | AF, OF |\n"
    )


def test_a_system_call_shows_what_differs() -> None:
    page = emit_docs.system_calls(
        [
            call(3, "c", passthrough=False),
            call(2, "b", passthrough=False, native=0, level="partial", note="no x",
                 doc="Implements b(2).\n\n    Never | blocks.\n"),
            call(1, "a", doc="Implements a(2)."),
        ],
        emit_docs.coverage("# a comment\na: covered\nb: 1 error, O_X\n"),
    )  # fmt: skip
    assert "3 system calls are supported, 1 of them tested in full" in page
    assert page.endswith(
        "| a | 1 | full | yes | native |  |\n"
        "| b | 2 | partial | not 1 error, O_X | Python | No x. Never \\| blocks. |\n"
        "| c | 3 | full | not unknown | both |  |\n"
    )


def test_what_tests_leave_out_is_told_in_short() -> None:
    page = emit_docs.system_calls(
        cast(Any, [call(1, "a"), call(2, "b", level="none")]),
        emit_docs.coverage("a: success, A, B, C, D\n"),
    )
    assert "not success, A, B and 2 more" in page
    assert "1 system calls are supported, 0 of them" in page
    assert page.endswith("| b | 2 | none |  | native |  |\n")


@pytest.mark.ci
def test_pages_are_those_of_the_definitions(tmp_path: Path) -> None:
    """In a process of its own, because other tests define sample calls."""
    command = [sys.executable, "-m", "blink.codegen.emit_docs", str(tmp_path)]
    subprocess.run(command, check=True, timeout=100)
    fresh = {page.name: page.read_text() for page in tmp_path.iterdir()}
    assert sorted(fresh) == ["instructions.md", "system-calls.md"]
    for name, text in fresh.items():
        assert (GUIDE / name).read_text() == text, f"{name} is out of date: run ./dev docs"
