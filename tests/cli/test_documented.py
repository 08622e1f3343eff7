"""The manual pages, `-h` and the guide name the options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from blink.cli import record
from blink.cli.main import TOOLS
from blink.cli.options import LONG, parse
from blink.cli.usage import HELP

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs/blink.1").read_text()
ITEM = re.compile(r"^\.It (?:Fl (\w).*?, )?Fl -([\w-]+)", re.MULTILINE)
LINE = re.compile(r"^  (?:-(\w),|   ) --([\w-]+)", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", *(f"docs/guide/{page.name}" for page in (ROOT / "docs/guide").glob("*.md"))]
HIDDEN = {"F"}  # the letter of --binfmt


def described(pattern: re.Pattern[str], text: str) -> set[tuple[str, str]]:
    return {(letter or "", name) for letter, name in pattern.findall(text)}


def test_h_and_the_manual_describe_the_options() -> None:
    options = {(letter[1:], name[2:]) for name, letter in LONG.items()}
    expected = {("" if letter in HIDDEN else letter, name) for letter, name in options}
    assert described(LINE, HELP) == expected
    before = MANUAL.partition(".Sh INSTRUCTIONS")[0]
    assert described(ITEM, before) == expected


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_h_and_the_manual_name_the_tools(tool: str) -> None:
    assert re.search(rf"\bblink (?:\w+ \| )*{tool}\b", HELP)
    assert f".Cm {tool}\n" in MANUAL


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
        if words[0] == "record":
            parse(words[1:], record._LONG, record._WITH_VALUE)
        elif words[0] not in TOOLS and words[:2] != ["isa", "coverage"]:
            line = parse(words)
            assert line.program or line.counts or line.values, words


def test_command_lines_are_found() -> None:
    assert ["profile", "PROGRAM"] in command_lines("README.md")
    assert sum(len(command_lines(page)) for page in PAGES) > 30
