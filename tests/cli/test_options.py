"""The command line's grammar."""

from __future__ import annotations

import pytest

from blink.cli.options import OPTIONS, Option, UsageError, parse


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


OWN = (Option("g", "gdb", "", "PORT", "a port"), Option("V", "verify", ""), Option("", "csv", ""))


@pytest.mark.parametrize(
    ("words", "counts", "values", "operands"),
    [
        (["-g1234", "a"], {}, {"g": "1234"}, ["a"]),
        (["--gdb=:1", "a"], {}, {"g": ":1"}, ["a"]),
        (["a", "-Vg", "7", "b", "--csv"], {"V": 1, "csv": 1}, {"g": "7"}, ["a", "b"]),
        (["a", "--", "-V"], {}, {}, ["a", "-V"]),
        (["-", "-V"], {"V": 1}, {}, ["-"]),
    ],
)
def test_options_around_operands(
    words: list[str], counts: dict[str, int], values: dict[str, str], operands: list[str]
) -> None:
    line = parse(words, OWN, operands=True)
    assert (line.counts, line.values, line.argv) == (counts, values, operands)
    assert line.program is None


def test_numbers() -> None:
    options = (Option("", "n", "", "N", "a number"),)
    assert parse(["--n=5"], options).number("n", 7) == 5
    assert parse([], options).number("n", 7) == 7
    for text, least in (("0", 1), ("-1", 0), ("x", 0), ("\u00b2", 0)):
        with pytest.raises(UsageError, match=r"^--n takes a .*number, not"):
            parse([f"--n={text}"], options).number("n", 7, least)


def test_no_two_options_have_one_name() -> None:
    names = [option.name for option in OPTIONS]
    letters = [option.letter for option in OPTIONS if option.letter]
    assert len(set(names)) == len(names) and len(set(letters)) == len(letters)
