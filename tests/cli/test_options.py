"""The command line's grammar."""

from __future__ import annotations

import pytest

from blink.cli.options import FLAGS, LONG, WITH_VALUE, UsageError, parse


@pytest.mark.parametrize(
    ("words", "counts", "values", "argv"),
    [
        ([], {}, {}, []),
        (["prog"], {}, {}, ["prog"]),
        (["prog", "-v", "--"], {}, {}, ["prog", "-v", "--"]),
        (["-s", "prog", "-s"], {"s": 1}, {}, ["prog", "-s"]),
        (["-ssm", "prog"], {"s": 2, "m": 1}, {}, ["prog"]),
        (["-s", "-s", "--strace", "prog"], {"s": 3}, {}, ["prog"]),
        (["-L", "log", "prog"], {}, {"L": "log"}, ["prog"]),
        (["-Llog", "prog"], {}, {"L": "log"}, ["prog"]),
        (["-eLlog", "-C/", "prog"], {"e": 1}, {"L": "log", "C": "/"}, ["prog"]),
        (["-mL", "-x", "prog"], {"m": 1}, {"L": "-x"}, ["prog"]),
        (["--log", "log", "--root=/r", "prog"], {}, {"L": "log", "C": "/r"}, ["prog"]),
        (["--cpu", "max", "-Mx86-64-v2", "prog"], {}, {"M": "x86-64-v2"}, ["prog"]),
        (["--log=a=b", "prog"], {}, {"L": "a=b"}, ["prog"]),
        (["--", "-prog", "x"], {}, {}, ["-prog", "x"]),
        (["-m", "--"], {"m": 1}, {}, []),
        (["-", "x"], {}, {}, ["-", "x"]),
        (["", "x"], {}, {}, ["", "x"]),
        (["-0", "prog", "name", "a"], {"0": 1}, {}, ["name", "a"]),
        (["--argv0", "prog", "", "a"], {"0": 1}, {}, ["", "a"]),
    ],
)
def test_grammar(
    words: list[str], counts: dict[str, int], values: dict[str, str], argv: list[str]
) -> None:
    line = parse(words)
    assert (line.counts, line.values, line.argv) == (counts, values, argv)


def test_argv0_keeps_the_program() -> None:
    assert parse(["-0", "prog", "name"]).program == "prog"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-x"], "there is no option -x"),
        (["-mx", "prog"], "there is no option -x"),
        (["--nosuch"], "there is no option --nosuch"),
        (["--"[:2] + "=x"], "there is no option --"),
        (["--help=yes"], "--help takes no value"),
        (["-L"], "-L needs a path"),
        (["-C", ""], "-C needs a path"),
        (["--log="], "--log needs a path"),
        (["--root"], "--root needs a path"),
        (["--cpu"], "--cpu needs a name"),
        (["-0", "prog"], "-0 needs argv[0] after the program"),
    ],
)
def test_usage_errors(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message.replace('[', '.').replace(']', '.')}$"):
        parse(words)


def test_each_letter_has_a_long_name() -> None:
    assert sorted(LONG.values()) == sorted(f"-{letter}" for letter in (*FLAGS, *WITH_VALUE))
