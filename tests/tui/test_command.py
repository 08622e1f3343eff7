"""The words of the command."""

from __future__ import annotations

import pytest

from blink.tui.command import read


def test_the_word_behind_serve_is_the_program() -> None:
    line, options = read(["--serve", "./a.out", "--serve", "x"])
    assert (line.serve, line.words, options) == ("", ["./a.out", "--serve", "x"], [])


def test_what_serve_is_given_stays_out_of_the_programs_words() -> None:
    line, options = read(["-j", "--serve=8080", "-b", "main", "./a.out", "8080", "--serve=8080"])
    assert line.serve == "8080" and options == ["-j", "-b", "main"]
    assert line.words == ["./a.out", "8080", "--serve=8080"]


@pytest.mark.parametrize("given", [[], ["-j"], ["--serve"], ["--"]])
def test_a_line_without_a_program_is_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        read(given)
    assert refused.value.code == 48
