"""The sentences that say why an aim is missed, kept by hand in bench/notes.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

from bench.inputs import ROOT

KEPT = ROOT / "bench" / "notes.toml"
UNEXPLAINED = "No reason is kept in bench/notes.toml yet."
TIME, MEMORY = "time", "memory"


class Notes:
    """Sentences by table (`time`, `memory`) and workload."""

    def __init__(self, tables: dict[str, dict[str, str]]) -> None:
        self.tables = tables

    def why(self, table: str, name: str) -> str:
        """The sentence about a workload, or that there is none."""
        return " ".join(self.tables.get(table, {}).get(name, UNEXPLAINED).split())


def load(path: Path = KEPT) -> Notes:
    """Reads the file.  Raises tomllib.TOMLDecodeError."""
    return Notes(tomllib.loads(path.read_text()))
