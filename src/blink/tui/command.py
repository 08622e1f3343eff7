"""The `blinkenlights` command: its words, then the interface, a plain run, or a server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from blink.roots.plan import Request
from blink.tui.options import USAGE_ERROR, parser, roots

CANNOT_START = 125


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    line, options = read(given)
    words = line.words[1:] if line.words[:1] == ["--"] else line.words
    if line.serve is not None:
        from blink.tui.serve import serve

        return serve(line.serve, options, words)
    if line.no_colour:
        os.environ["NO_COLOR"] = "1"
    if not line.no_tui and not has_terminal():
        return refuse("the standard streams are no terminal; -t runs without", USAGE_ERROR)
    return _start(line, words)


def read(given: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command line, and its options but for --serve."""
    made = parser()
    # Its value comes behind `=`: the word behind it is the program.
    line = made.parse_args(["--serve=" if word == "--serve" else word for word in given])
    count = len(given) - len(line.words)
    line.words = given[count:]
    if not [word for word in line.words if word != "--"] and not line.image:
        made.error("no program was named")
    try:
        Request(**roots(line)).plan()
    except ValueError as error:
        made.error(str(error))
    return line, [word for word in given[:count] if word.partition("=")[0] != "--serve"]


def has_terminal() -> bool:
    """Whether an interface can be shown: a terminal, or a driver of Textual's that needs none."""
    return "TEXTUAL_DRIVER" in os.environ or all(map(os.isatty, (0, 1, 2)))


def refuse(problem: str, status: int) -> int:
    """One line on standard error."""
    sys.stderr.write(f"blinkenlights: {problem}\n")
    return status


def _start(line: argparse.Namespace, words: list[str]) -> int:
    from blink.debugger.errors import DebugError

    try:
        if line.no_tui:
            from blink.tui.plain import run

            return run(line, words)
        from blink.tui.interface import run_interface

        return run_interface(line, words)
    except DebugError as error:
        return refuse(str(error), CANNOT_START)
