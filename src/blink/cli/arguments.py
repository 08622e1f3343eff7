"""Command lines of the tools beside `blink PROGRAM`, whose start may cost what argparse costs."""

from __future__ import annotations

import argparse

from blink.cli.main import refuse, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Refuses as `blink` does: one line, and status 48."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and exits."""
        raise SystemExit(refuse(message, f"{self.prog} -h"))

    def print_help(self, file: object = None) -> None:
        """Writes to stdout, or exits with 1."""
        if status := show(self.format_help()):
            raise SystemExit(status)

    def program_of(self, request: argparse.Namespace) -> list[str]:
        """The words of `add_program`; refuses when there are none."""
        words: list[str] = request.program
        if words[:1] == ["--"]:
            del words[0]
        if not words:
            self.error("no program was named")
        return words

    def add_program(self) -> None:
        """PROGRAM and all behind it."""
        self.add_argument("program", nargs=argparse.REMAINDER, help="PROGRAM [ARGUMENTS]")


def natural(text: str) -> int:
    """The type of a number that is at least 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a positive number is needed, not {text}")
    return int(text)
