"""Command lines: the options of `blink`, and the parser for it and for its tools.

Parsed by hand: argparse would cost 13 ms at every start.  What `-h` prints is made of the same rows
(blink.cli.usage); tests/cli/test_documented.py compares them with the manual page.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Option:
    """An option: `letter` as in -s (or none), `name` as in --strace, `about` for the help.

    value   what stands for its value in the help; "" for an option without one
    needs   what that value is, for complaints
    """

    __slots__ = ("about", "letter", "name", "needs", "value")

    def __init__(
        self, letter: str, name: str, about: str, value: str = "", needs: str = "a path"
    ) -> None:
        self.letter = letter
        self.name = name
        self.about = about
        self.value = value
        self.needs = needs

    @property
    def key(self) -> str:
        """How a CommandLine calls it."""
        return self.letter or self.name


HELP = Option("h", "help", "print this text")
OPTIONS = (
    HELP,
    Option("v", "version", "print the version"),
    Option("e", "log-stderr", "write the log to standard error"),
    Option("L", "log", "append the log to a file", "PATH"),
    Option("s", "strace",
           "log each system call; -ss: also before one that may wait; -sss: before all"),
    Option("c", "summary",
           "a table of the system calls when a process ends; alone: no other log of them"),
    Option("W", "trace",
           "log these calls only: names, classes (file desc network process memory signal ipc),"
           " !name to leave one out, with commas between", "NAMES", "names"),
    Option("J", "trace-json", "log system calls as JSON, an object a line"),
    Option("t", "trace-times", "log the time of day and the duration of each call"),
    Option("S", "string-limit",
           "bytes of a string that are shown in the log of calls (32)", "N", "a number"),
    Option("Z", "stats", "print statistics at the end"),
    Option("B", "show-blocks", "list what was translated when a process ends"),
    Option("P", "perf-map", "write /tmp/perf-PID.map when a process ends: names for perf report"),
    Option("D", "doctor", "compare the translator with the interpreter, block by block"),
    Option("m", "memory-checked", "check every access to memory; isolates the program, slower"),
    Option("j", "no-jit", "interpret only"),
    Option("0", "argv0", "the word after PROGRAM becomes its argv[0]"),
    Option("C", "root", "the folder that is the program's root", "PATH"),
    Option("I", "image",
           "a container image (OCI layout, docker save, tar of a root) as root", "PATH"),
    Option("O", "overlay",
           "the root is these folders merged, the first that has a name counts; an empty one is the"
           " host's root (also: BLINK_OVERLAYS)", "A:B:...", "directories, separated by colons"),
    Option("U", "upper", "the folder that all writes go to; else the first of the root's", "PATH"),
    Option("b", "bind",
           "a file or folder of the host at DST", "SRC:DST[:ro]", "SRC:DST or SRC:DST:ro"),
    Option("T", "tmpfs", "an empty folder at DST, gone at the end", "DST"),
    Option("N", "no-mounts", "no /proc, /dev, /sys and /tmp other than what the root has"),
    Option("", "binfmt", "print the line that makes a kernel start x86-64 programs with blink"),
    Option("M", "cpu",
           "what the CPU can do: max (the default), x86-64-v1...; help lists them",
           "MODEL", "a name"),
    Option("g", "gdb", "wait for GDB at PORT of this host, or at HOST:PORT", "PORT", "a port"),
)  # fmt: skip
ROOTED = "COUbTI"  # each asks for a root
RUNNING = frozenset("em0LMCIOUbTN")  # what each tool that runs a program takes, too


class UsageError(Exception):
    """A command line that makes no sense; the message is one line for the user."""


class CommandLine:
    """What the user asked for.  Keys are letters, or names of options that have none.

    counts    how often each option without a value was given
    values    the value of each other, the last one given
    given     all its values
    program   the program's name, or None
    argv      argv of the program, argv[0] included; of a tool that runs none, its operands
    """

    __slots__ = ("argv", "counts", "given", "program", "values")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.values: dict[str, str] = {}
        self.given: dict[str, list[str]] = {}
        self.program: str | None = None
        self.argv: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self.counts or key in self.values

    def number(self, option: str, otherwise: int, least: int = 0) -> int:
        """The value of an option (by its name) that has no letter.  Raises UsageError."""
        text = self.values.get(option)
        if text is None:
            return otherwise
        if not text.isdecimal() or int(text) < least:
            raise UsageError(f"--{option} takes a {'positive ' * least}number, not {text}")
        return int(text)


def shared(keys: Iterable[str]) -> tuple[Option, ...]:
    """Those options of `blink` that a tool takes, too."""
    return tuple(option for option in OPTIONS if option.key in keys)


def parse(
    words: Sequence[str], options: Sequence[Option] = OPTIONS, operands: bool = False
) -> CommandLine:
    """Reads options up to the first word that is none, the program; with `operands` in its place,
    options may stand anywhere.  Raises UsageError."""
    names = {f"--{option.name}": option for option in options}
    letters = {option.letter: option for option in options if option.letter}
    line, rest = CommandLine(), list(words)
    while rest and (operands or _is_option(rest[0])):
        word = rest.pop(0)
        if word == "--":
            break
        if not _is_option(word):
            line.argv.append(word)
        elif word.startswith("--"):
            _long(line, word, rest, names)
        else:
            _short(line, word, rest, letters)
    if operands:
        line.argv += rest
    else:
        _set_program(line, rest)
    return line


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _long(line: CommandLine, word: str, rest: list[str], names: dict[str, Option]) -> None:
    name, equals, value = word.partition("=")
    option = names.get(name)
    if option is None:
        raise UsageError(f"there is no option {name}")
    if option.value:
        _take(line, option, name, value if equals else None, rest)
    elif equals:
        raise UsageError(f"{name} takes no value")
    else:
        _count(line, option)


def _short(line: CommandLine, word: str, rest: list[str], letters: dict[str, Option]) -> None:
    """A word of letters; a value follows its letter, in the same word or the next."""
    for i, letter in enumerate(word[1:], 2):
        option = letters.get(letter)
        if option is None:
            raise UsageError(f"there is no option -{letter}")
        if option.value:
            _take(line, option, f"-{letter}", word[i:] or None, rest)
            return
        _count(line, option)


def _count(line: CommandLine, option: Option) -> None:
    line.counts[option.key] = line.counts.get(option.key, 0) + 1


def _take(line: CommandLine, option: Option, name: str, value: str | None, rest: list[str]) -> None:
    if value is None and rest:
        value = rest.pop(0)
    if not value:
        raise UsageError(f"{name} needs {option.needs}")
    line.values[option.key] = value
    line.given.setdefault(option.key, []).append(value)


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
