"""`blink trace`: what a program does, as a Parquet file; `blink sql` asks questions about one."""

from __future__ import annotations

import os
import sys

from blink.cli.arguments import Parser
from blink.cli.main import CANNOT_START, fail, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from io import StringIO
    from typing import Any

    Message = tuple[Any, ...]

KINDS = ("insn", "block", "read", "write", "call")
DEFAULT_LIMIT = 10_000_000
NEEDS = "needs pyarrow and duckdb: pip install 'blinkenlights[trace]'"
BROKEN = 1


def main(words: Sequence[str]) -> int:
    """Runs `blink trace`; the exit status is the program's."""
    parser = _parser()
    request = parser.parse_args(list(words))
    kinds = frozenset(request.kinds.split(","))
    if kinds - set(KINDS):
        parser.error(f"--kinds takes {', '.join(KINDS)}, not {request.kinds}")
    parser.program_of(request)
    try:
        import pyarrow.parquet  # noqa: F401  (before the program starts)
    except ImportError:
        return fail(NEEDS, CANNOT_START)
    return _trace(request, kinds)


def _parser() -> Parser:
    parser = Parser(
        "blink trace", description="Runs a program, slowly, and writes what it does to a table."
    )
    parser.add_argument("-o", "--output", default="trace.parquet", help="the file to write")
    parser.add_argument(
        "--kinds", default="insn,call", help="rows to write, of " + ",".join(KINDS) + " (insn,call)"
    )
    parser.add_argument(
        "--limit", type=int, default=DEFAULT_LIMIT, help="rows at most; then the program is ended"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    parser.add_program()
    return parser


def _trace(request: argparse.Namespace, kinds: frozenset[str]) -> int:
    from blink.cli.launch import host_is_low, inherited_signals
    from blink.debugger import observed
    from blink.debugger.stepper import Stepper
    from blink.debugger.trace_table import Sender, Table
    from blink.kernel.process import Options

    options = Options()
    options.checked, options.translate = host_is_low(), False
    inherited = inherited_signals()

    def body(channel: observed.Channel) -> Stepper:
        runner = observed.launch(Stepper, request.program, options, inherited)
        assert isinstance(runner, Stepper)
        sink = Sender(channel, runner.process, kinds)
        runner.observe(sink, accesses=bool(kinds & {"read", "write"}), calls="call" in kinds)
        return runner

    try:
        table = Table(request.output)
    except OSError as error:
        return fail(f"{request.output}: {os.strerror(error.errno or 0)}", CANNOT_START)
    with table:
        told = observed.start(body, observed.to_the_end)
        return _store(request, told, table)


def _store(request: argparse.Namespace, told: Any, table: Any) -> int:
    shown = sys.stderr.isatty() and not request.quiet
    watch = _progress(request.limit, lambda: table.count) if shown else _plain
    for message in watch(told):
        if message[0] == "error":
            told.finish()
            return fail(message[1], message[2])
        table.take(message)
        if request.limit and table.count >= request.limit:
            told.stop()
            print(f"blink: {request.limit} rows: the program was ended", file=sys.stderr)
            return 0
    return told.status if told.status >= 0 else 128 - told.status  # type: ignore[no-any-return]


def _plain(messages: Iterable[Message]) -> Iterator[Message]:
    yield from messages


def _progress(
    limit: int, done: Callable[[], int]
) -> Callable[[Iterable[Message]], Iterator[Message]]:
    """A bar on stderr: rows written, of those that are allowed."""

    def watch(messages: Iterable[Message]) -> Iterator[Message]:
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            rows = bar.add_task("rows", total=limit or None)
            for number, message in enumerate(messages):
                if number % 4096 == 0:
                    bar.update(rows, completed=done())
                yield message

    return watch


def sql(words: Sequence[str]) -> int:
    """Runs `blink sql FILE QUERY`: the table is called `trace`."""
    parser = Parser("blink sql", description="Asks a trace a question.")
    parser.add_argument("file", help="what `blink trace` has written")
    parser.add_argument("query", help="SQL of DuckDB; the table is called `trace`")
    parser.add_argument("--csv", action="store_true", help="print comma-separated values")
    request = parser.parse_args(list(words))
    try:
        import duckdb
    except ImportError:
        return fail(NEEDS, CANNOT_START)
    if not os.path.exists(request.file):
        return fail(f"{request.file}: no such file", CANNOT_START)
    try:
        database = duckdb.connect()
        database.read_parquet(request.file).create_view("trace")
        answer = database.sql(request.query)
    except duckdb.Error as error:
        return fail(str(error).partition("\n")[0], BROKEN)
    return _print(answer, request.csv)


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
