"""`blink trace`: what a program does, as a Parquet file; `blink sql` asks questions about one."""

from __future__ import annotations

import os
import sys

from blink.cli.main import CANNOT_START, fail, run_rooted
from blink.cli.options import Option, UsageError
from blink.cli.tool import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from blink.cli.options import CommandLine
    from blink.debugger import observed
    from blink.debugger.stepper import Stepper
    from blink.kernel.process import Options

    Message = tuple[Any, ...]

KINDS = ("insn", "block", "read", "write", "call")
DEFAULT_LIMIT = 10_000_000
NEEDS = "needs pyarrow and duckdb: pip install 'blinkenlights[trace]'"
OWN = (
    Option("o", "output", "the file to write (trace.parquet)", "FILE", "a file"),
    Option("", "kinds",
           f"rows to write, of {','.join(KINDS)} (insn,call)", "KINDS", "kinds of rows"),
    Option("", "limit",
           f"rows at most; then the program is ended ({DEFAULT_LIMIT}; 0 for no limit)",
           "N", "a number"),
    Option("q", "quiet", "no progress bar"),
)  # fmt: skip


class _Request:
    """What was asked for.  Raises UsageError."""

    def __init__(self, line: CommandLine) -> None:
        self.output = line.values.get("o", "trace.parquet")
        self.limit = line.number("limit", DEFAULT_LIMIT)
        self.quiet = "q" in line
        self.kinds = frozenset(line.values.get("kinds", "insn,call").split(","))
        if self.kinds - set(KINDS):
            raise UsageError(f"--kinds takes {', '.join(KINDS)}, not {line.values['kinds']}")


def _main(line: CommandLine) -> int:
    request = _Request(line)
    try:
        import pyarrow.parquet  # noqa: F401  (before the program starts)
    except ImportError:
        return fail(NEEDS, CANNOT_START)
    return run_rooted(line, lambda *arguments: _trace(request, *arguments))


def _trace(
    request: _Request, line: CommandLine, program: str | None, options: Options,
    env: list[bytes] | None,
) -> int:  # fmt: skip
    from blink.cli.launch import inherited_signals
    from blink.debugger import observed
    from blink.debugger.stepper import Stepper
    from blink.debugger.trace_table import Sender, Table

    options.translate = False
    inherited = inherited_signals()

    def body(channel: observed.Channel) -> Stepper:
        runner = observed.launch(Stepper, program, line.argv, env, options, inherited)
        sink = Sender(channel, runner.process, request.kinds)
        accesses = bool(request.kinds & {"read", "write"})
        runner.observe(sink, accesses=accesses, calls="call" in request.kinds)
        return runner

    try:
        table = Table(request.output)
    except OSError as error:
        return fail(f"{request.output}: {os.strerror(error.errno or 0)}", CANNOT_START)
    with table:
        told = observed.start(body, observed.to_the_end)
        return _store(request, told, table)


def _store(request: _Request, told: Any, table: Any) -> int:
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
    return told.exit_status  # type: ignore[no-any-return]


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


TOOL = Tool(
    "trace",
    ["blink trace [OPTIONS] PROGRAM [ARGUMENTS]"],
    OWN,
    _main,
    "Runs a program, slowly, and writes what it does to a table, which `blink sql` asks.",
    runs="0",
)
