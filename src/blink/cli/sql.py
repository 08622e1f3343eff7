"""`blink sql`: asks what `blink trace` has written a question."""

from __future__ import annotations

import os
import sys

from blink.cli.main import CANNOT_START, fail, show
from blink.cli.options import Option, UsageError
from blink.cli.tool import Tool
from blink.cli.trace import NEEDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import StringIO
    from typing import Any

    from blink.cli.options import CommandLine

BROKEN = 1
ABOUT = """
Asks FILE, which `blink trace` has written, a question in the SQL of DuckDB; the table is called
`trace`, its columns time, tid, kind, address, size, value, text and symbol.
"""
OWN = (Option("", "csv", "print comma-separated values"),)


def _main(line: CommandLine) -> int:
    if len(line.argv) != 2:
        raise UsageError("sql needs a file and a query")
    path, query = line.argv
    try:
        import duckdb
    except ImportError:
        return fail(NEEDS, CANNOT_START)
    if not os.path.exists(path):
        return fail(f"{path}: No such file or directory", CANNOT_START)
    try:
        database = duckdb.connect()
        database.read_parquet(path).create_view("trace")
        answer = database.sql(query)
    except duckdb.Error as error:
        return fail(str(error).partition("\n")[0], BROKEN)
    return _print(answer, "csv" in line)


def _print(answer: Any, as_csv: bool) -> int:
    if answer is None:  # a statement without rows
        return 0
    from io import StringIO

    text = StringIO()
    (_write_csv if as_csv else _write_table)(answer, text)
    return show(text.getvalue())


def _write_csv(answer: Any, file: StringIO) -> None:
    import csv

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.fetchall())


def _write_table(answer: Any, file: StringIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(*answer.columns, box=box.SIMPLE)
    for row in answer.fetchall():
        shown.add_row(*("" if value is None else str(value) for value in row))
    Console(file=file, width=_width(), force_terminal=sys.stdout.isatty()).print(shown)


def _width() -> int:
    """Of the terminal; of a file, what the table needs."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else 1 << 16


TOOL = Tool("sql", ["blink sql [--csv] FILE QUERY"], OWN, _main, ABOUT)
