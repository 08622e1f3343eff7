"""The tools of a distribution, dynamically linked: files, text, archives, sums."""

from __future__ import annotations

import pytest

from programs.harness import Same, lines

WORDS = "".join(f"{i * 7919 % 1000:03} word{i % 13} line {i}\n" for i in range(400))
TREE = {
    "a.txt": "alpha\nbeta\ngamma\n",
    "notes/one.md": "# One\nbeta is here\n",
    "notes/deep/two.md": "nothing\nBETA\nbeta beta\n",
    "notes/empty": "",
    "run.sh": "#!/bin/sh\necho ran $0 $#\n",
    "words": WORDS,
    "binary": bytes(range(256)) * 40,
}

COMMANDS = lines("tools.txt")


@pytest.mark.parametrize("command", COMMANDS)
def test_tool(same: Same, command: str) -> None:
    same.sh(command, files=TREE)


@pytest.mark.all_modes
@pytest.mark.parametrize(
    "command",
    [
        ("/bin/true",),
        ("ls", "-la"),
        ("cat", "a.txt", "words"),
        ("grep", "-r", "gamma", "."),
        ("sort", "-n", "words"),
        ("awk", "NR % 50 == 0 { print $3, NR / 7 }", "words"),
        ("sha256sum", "binary"),
        ("gzip", "-c9n", "words"),
    ],
    ids=lambda words: words[0],
)
def test_tool_alone(same: Same, command: tuple[str, ...]) -> None:
    same(*command, files=TREE)


def test_false_and_usage(same: Same) -> None:
    same("false", status=1)
    same("ls", "--nosuch", status=2)


def test_stdin_reaches_the_program(same: Same) -> None:
    data = bytes(range(256)) * 5000
    assert same("cat", stdin=data).stdout == data
    same("wc", "-c", stdin=data)
    same("cat", stdin=b"")
