"""What `-h` prints, of `blink` and of its tools."""

from __future__ import annotations

from textwrap import wrap

from blink.cli.options import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blink.cli.options import Option

WIDTH = 100
COLUMN = 24  # where the descriptions begin
USAGE = (
    "blink [OPTIONS] PROGRAM [ARGUMENTS]",
    "blink -0 [OPTIONS] PROGRAM ARGV0 [ARGUMENTS]",
    "blink profile | trace [OPTIONS] PROGRAM [ARGUMENTS], blink sql FILE QUERY (-h tells more)",
    "blink record -o FILE PROGRAM [ARGUMENTS], blink replay FILE (-h tells more)",
    "blink isa coverage [--json] PLACE...",
)
AFTER = """
`isa coverage` lists the instructions that the programs below folders contain, and which of them are
not implemented; a program of that name is `./isa`.

The exit status is the program's; 48 for a wrong command line, 49 when --doctor found a difference,
50 when a replay is not what was recorded, 125 when blink itself cannot start, 126 when the program
cannot be run, 127 when it is not found.
More: man blink
"""


def text() -> str:
    """What `blink -h` prints."""
    about = "Runs an x86-64 Linux program in a user-space machine.\n"
    return f"{usage(USAGE)}\n{about}\n{described(OPTIONS)}{AFTER}"


def usage(lines: Sequence[str]) -> str:
    """`usage: ...`, a line for each way."""
    return "".join(("       ", "usage: ")[not at] + f"{line}\n" for at, line in enumerate(lines))


def described(options: Iterable[Option]) -> str:
    """Options in the order given, their descriptions in a column."""
    return "".join(line + "\n" for option in options for line in _described(option))


def _described(option: Option) -> list[str]:
    letter = f"-{option.letter}," if option.letter else "   "
    head = f"  {letter} --{option.name} {option.value}".rstrip() + "  "
    indent = " " * COLUMN
    return wrap(
        option.about, WIDTH, initial_indent=head.ljust(COLUMN), subsequent_indent=indent,
        break_on_hyphens=False,
    )  # fmt: skip


def models() -> str:
    """What `blink --cpu help` prints: a line for each model, below it its features."""
    from textwrap import fill

    from blink.isa.cpuid import MODELS

    indent = " " * 4
    parts = [
        f"{name}\n{fill(' '.join(features), 90, initial_indent=indent, subsequent_indent=indent)}\n"
        for name, features in MODELS.items()
    ]
    return "".join(parts)
