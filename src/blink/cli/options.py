"""The command line of `blink`, parsed by hand: argparse would cost 13 ms at every start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LONG = {
    "--help": "-h",
    "--version": "-v",
    "--log-stderr": "-e",
    "--no-jit": "-j",
    "--memory-checked": "-m",
    "--argv0": "-0",
    "--log": "-L",
    "--strace": "-s",
    "--stats": "-Z",
    "--show-blocks": "-B",
    "--doctor": "-D",
    "--root": "-C",
    "--cpu": "-M",
    "--gdb": "-g",
    "--overlay": "-O",
    "--upper": "-U",
    "--bind": "-b",
    "--tmpfs": "-T",
    "--image": "-I",
    "--no-mounts": "-N",
    "--binfmt": "-F",
    "--perf-map": "-P",
    "--summary": "-c",
    "--trace": "-W",
    "--trace-json": "-J",
    "--trace-times": "-t",
    "--string-limit": "-S",
}
WITH_VALUE = {
    **dict.fromkeys("LCUTI", "a path"),
    "M": "a name",
    "g": "a port",
    "W": "names",
    "S": "a number",
    "O": "directories, separated by colons",
    "b": "SRC:DST or SRC:DST:ro",
}
FLAGS = frozenset(letter[1:] for letter in LONG.values()) - WITH_VALUE.keys()
ROOTED = "COUbTI"  # each asks for a root


class UsageError(Exception):
    """A command line that makes no sense; the message is one line for the user."""


class CommandLine:
    """What the user asked for.

    counts    how often each flag was given, by its letter
    values    the value of each letter of WITH_VALUE, the last one given
    given     all its values
    long, with_value   the options that there are, as LONG and WITH_VALUE
    program   the program's name, or None
    argv      argv of the program, argv[0] included
    """

    __slots__ = ("argv", "counts", "given", "long", "program", "values", "with_value")

    def __init__(
        self, long: dict[str, str] = LONG, with_value: dict[str, str] = WITH_VALUE
    ) -> None:
        self.long = long
        self.with_value = with_value
        self.counts: dict[str, int] = {}
        self.values: dict[str, str] = {}
        self.given: dict[str, list[str]] = {}
        self.program: str | None = None
        self.argv: list[str] = []

    def __contains__(self, flag: str) -> bool:
        return flag in self.counts


def parse(
    words: Sequence[str], long: dict[str, str] = LONG, with_value: dict[str, str] = WITH_VALUE
) -> CommandLine:
    """Reads options up to the first word that is none, the program.  Raises UsageError."""
    line = CommandLine(long, with_value)
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            _long(line, word, rest)
        else:
            _short(line, word, rest)
    _set_program(line, rest)
    return line


def _long(line: CommandLine, word: str, rest: list[str]) -> None:
    name, equals, value = word.partition("=")
    letter = line.long.get(name, "")[1:]
    if not letter:
        raise UsageError(f"there is no option {name}")
    if letter in FLAGS:
        if equals:
            raise UsageError(f"{name} takes no value")
        _count(line, letter)
    else:
        _take(line, letter, name, value if equals else None, rest)


def _short(line: CommandLine, word: str, rest: list[str]) -> None:
    """A word of letters; a value follows its letter, in the same word or the next."""
    for i, letter in enumerate(word[1:], 2):
        if letter in line.with_value:
            _take(line, letter, f"-{letter}", word[i:] or None, rest)
            return
        if letter not in FLAGS:
            raise UsageError(f"there is no option -{letter}")
        _count(line, letter)


def _count(line: CommandLine, letter: str) -> None:
    line.counts[letter] = line.counts.get(letter, 0) + 1


def _take(line: CommandLine, letter: str, name: str, value: str | None, rest: list[str]) -> None:
    if value is None and rest:
        value = rest.pop(0)
    if not value:
        raise UsageError(f"{name} needs {line.with_value[letter]}")
    line.values[letter] = value
    line.given.setdefault(letter, []).append(value)


def _set_program(line: CommandLine, rest: list[str]) -> None:
    """PROGRAM ARGUMENTS..., or with -0 PROGRAM ARGV0 ARGUMENTS..."""
    if not rest:
        return
    line.program = rest[0]
    line.argv = rest
    if "0" in line:
        if len(rest) < 2:
            raise UsageError("-0 needs argv[0] after the program")
        line.argv = rest[1:]
