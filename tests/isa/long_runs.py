"""docs/long-runs.md: what long runs found last, by which commit, on which machine."""

from __future__ import annotations

import datetime
import fcntl
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "long-runs.md"
HEAD = """# Long runs

Runs that are too long for CI; `--keep` of the fuzzers and `./dev test --all` write them.
"""
KEPT = 12  # runs of one kind


def machine() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{found[0]}, {len(found)} cores" if found else "unknown"


def commit() -> str:
    """The commit of the tree, with a + if files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


def keep(
    title: str, columns: Sequence[str], values: Sequence[object], page: Path = PAGE,
    most: int = KEPT,
) -> None:  # fmt: skip
    """Adds a row to the section's table, newest first: date, machine and commit, then `values`;
    `most` rows stay."""
    names = ("date", "processor", "commit", *columns)
    today = datetime.datetime.now(datetime.UTC).date()
    row = _row((today, machine(), commit(), *values))
    with page.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests that run beside each other keep something, too
        tables = _tables(page.read_text())
        rows = [row, *tables.get(title, [])[2:]][:most]
        tables[title] = [_row(names), _row(["---"] * len(names)), *rows]
        page.write_text("\n".join([HEAD, *map(_section, tables, tables.values())]))


def _section(name: str, lines: list[str]) -> str:
    return "\n".join([f"## {name}", "", *lines, ""])


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def _tables(text: str) -> dict[str, list[str]]:
    """The lines of each section's table."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line[3:]
            found[title] = []
        elif line.startswith("|"):
            found[title].append(line)
    return found
