"""The manual pages, `-h` and the guide name the options that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from blink.cli import usage
from blink.cli.main import TOOLS, tool
from blink.cli.options import OPTIONS, Option, parse

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs/blink.1").read_text()
ITEM = re.compile(r"^\.It (?:Fl (\w).*?, )?Fl -([\w-]+)", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", *(f"docs/guide/{page.name}" for page in (ROOT / "docs/guide").glob("*.md"))]


def items_of_tools() -> dict[str, set[tuple[str, str]]]:
    """The options in the lists of the manual page, by the tool that was named last before them."""
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in TOOLS}
    name = ""
    for line in MANUAL.partition(".Sh INSTRUCTIONS")[2].splitlines():
        if line.removeprefix(".Cm ") in TOOLS and line.startswith(".Cm "):
            name = line.removeprefix(".Cm ")
        if item := ITEM.match(line):
            found[name].add((item[1] or "", item[2]))
    return found


def letters_of_programs() -> set[str]:
    """What the manual says that record, profile and trace take of the options of blink."""
    text = MANUAL.partition(".Cm record , profile\nand\n.Cm trace\n")[2].partition("Besides")[0]
    return {letter for row in re.findall(r"Fl ((?:\w , )*\w)", text) for letter in row.split(" , ")}


def names(options: Iterable[Option]) -> set[tuple[str, str]]:
    return {(option.letter, option.name) for option in options}


def test_the_manual_describes_the_options() -> None:
    before = MANUAL.partition(".Sh INSTRUCTIONS")[0]
    assert set(ITEM.findall(before)) == names(OPTIONS)


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_h_and_the_manual_describe_a_tool(name: str) -> None:
    assert re.search(rf"\bblink (?:\w+ \| )*{name}\b", usage.text())
    found = tool(name)
    assert items_of_tools()[name] == names(found.own)
    if found.shared:
        takes = {option.letter for option in found.shared} | {"j"}  # trace always interprets
        assert takes == letters_of_programs()


def test_help_fits() -> None:
    for text in (usage.text(), *(tool(name).help() for name in TOOLS)):
        assert max(map(len, text.splitlines())) <= 100


def command_lines(page: str) -> list[list[str]]:
    """The command lines of `blink` in the code blocks of a page, one word's quotes resolved."""
    text = "".join(BLOCK.findall((ROOT / page).read_text()))
    found = []
    for line in re.findall(r'^(?:\$ )?blink ((?:[^"\n]|"[^"]*")+)', text, re.MULTILINE):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        end = next((i for i, word in enumerate(words) if word[0] in ";|&"), len(words))
        found.append(words[:end])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_command_lines_of_the_docs_are_right(page: str) -> None:
    for words in command_lines(page):
        name = "isa coverage" if words[0] == "isa" else words[0]
        if name in TOOLS:
            line = tool(name).parse(words[1:])
            assert line.argv or "h" in line, words
        else:
            line = parse(words)
            assert line.program or line.counts or line.values, words


def test_command_lines_are_found() -> None:
    assert ["profile", "PROGRAM"] in command_lines("README.md")
    assert sum(len(command_lines(page)) for page in PAGES) > 30
