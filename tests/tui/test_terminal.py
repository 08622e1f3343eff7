"""The program's terminal: what it prints, what keys send, floods, time."""

from __future__ import annotations

import os
import time

import pytest

pytest.importorskip("pyte", reason="the interface's libraries are not installed")

from blink.tui.term import keys
from blink.tui.term.parser import Terminal
from blink.tui.term.pty import Pty


def shown(data: bytes, columns: int = 20, lines: int = 4) -> list[str]:
    terminal = Terminal(columns, lines)
    terminal.feed(data)
    return [row.rstrip() for row in terminal.screen.display]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"hello\r\nworld", ["hello", "world", "", ""]),
        (b"main\x1b[?1049h\x1b[Hinside\x1b[?1049l", ["main", "", "", ""]),
        (b"main\x1b[?1049h\x1b[Hinside", ["inside", "", "", ""]),
        (b"x\x1b[5b", ["xxxxxx", "", "", ""]),
        (b"a\r\nb\r\nc\x1b[S", ["b", "c", "", ""]),
        (b"a\r\nb\r\nc\x1b[T", ["", "a", "b", "c"]),
        (b"\x1b[2;3H\x1b[s\x1b[Htop\x1b[uback", ["top", "  back", "", ""]),
        (b"a\x1bP+q544e\x1b\\b", ["ab", "", "", ""]),
        (b"a\x1b]0;title\x07b", ["ab", "", "", ""]),
        (b"a\x1b[>4;2mb\x1b[?4mc\x1b[2 qd\x1b[!pe", ["abcde", "", "", ""]),
        (b"\x1b[4:3mcurl\x1b[38:2::1:2:3mred", ["curlred", "", "", ""]),
        ("grün →".encode(), ["grün →", "", "", ""]),
    ],
)
def test_what_is_shown(data: bytes, rows: list[str]) -> None:
    assert shown(data) == rows


def test_it_does_not_matter_where_the_output_is_cut() -> None:
    data = (
        "a\x1b[31mb\x1b[0m\x1b]2;t\x07ü\x1b[>1uc\x1b[?25l\r\n\x1bP1$r\x1b\\d\x1b[38;5;9me".encode()
    )
    whole = shown(data)
    for cut in range(1, len(data)):
        terminal = Terminal(20, 4)
        terminal.feed(data[:cut])
        terminal.feed(data[cut:])
        assert [row.rstrip() for row in terminal.screen.display] == whole, cut


def test_queries_are_answered() -> None:
    said: list[bytes] = []
    terminal = Terminal(80, 24, said.append)
    terminal.feed(b"\x1b[5;7H\x1b[6n\x1b[c\x1b[>c")
    assert b"\x1b[5;7R" in said
    assert b"\x1b[>1;100;0c" in said
    assert any(answer.startswith(b"\x1b[?") for answer in said)


def test_a_flood_ends_as_it_would_line_by_line() -> None:
    data = b"".join(b"line %d\r\n" % i for i in range(5000))
    assert shown(data) == ["line 4997", "line 4998", "line 4999", ""]


def test_smaller_and_larger_keep_what_is_at_the_bottom() -> None:
    terminal = Terminal(20, 6)
    terminal.feed(b"1\r\n2\r\n3\r\n4\r\n5\r\n$ ")
    terminal.resize(20, 3)
    assert [row.strip() for row in terminal.screen.display] == ["4", "5", "$"]
    terminal.feed(b"x")
    assert terminal.screen.display[2].strip() == "$ x"
    terminal.resize(30, 5)
    terminal.feed(b"yz")
    assert "$ xyz" in [row.strip() for row in terminal.screen.display]


@pytest.mark.parametrize(
    ("key", "character", "application", "data"),
    [
        ("a", "a", False, b"a"),
        ("upper_a", "A", False, b"A"),
        ("enter", "\r", False, b"\r"),
        ("ctrl+c", None, False, b"\x03"),
        ("ctrl+a", None, False, b"\x01"),
        ("up", None, False, b"\x1b[A"),
        ("up", None, True, b"\x1bOA"),
        ("ctrl+right", None, False, b"\x1b[1;5C"),
        ("shift+f3", None, False, b"\x1b[1;2R"),
        ("f5", None, False, b"\x1b[15~"),
        ("pageup", None, False, b"\x1b[5~"),
        ("ctrl+delete", None, False, b"\x1b[3;5~"),
        ("alt+x", None, False, b"\x1bx"),
        ("alt+colon", None, False, b"\x1b:"),
        ("alt+upper_g", "G", False, b"\x1bG"),
        ("alt+minus", None, False, b"\x1b-"),
        ("backspace", "\x7f", False, b"\x7f"),
        ("u_umlaut", "ü", False, "ü".encode()),
    ],
)
def test_what_keys_send(key: str, character: str | None, application: bool, data: bytes) -> None:
    assert keys.encode(key, character, application) == data


def test_an_escape_just_before_a_key_is_not_lost() -> None:
    from blink.tui.term.input import Parser

    events: list[object] = []
    parser = Parser()
    events += parser.feed("\x1b:wq\r")
    events += parser.feed("")  # the end of the input: nothing more can follow the ESC
    sent = b"".join(keys.encode(e.key, e.character) for e in events if hasattr(e, "key"))
    assert sent == b"\x1b:wq\r"


def test_what_the_mouse_sends() -> None:
    assert keys.mouse(0, 4, 2, True, sgr=True) == b"\x1b[<0;5;3M"
    assert keys.mouse(0, 4, 2, False, sgr=True) == b"\x1b[<0;5;3m"
    assert keys.mouse(64, 0, 0, True, sgr=False) == b"\x1b[M`!!"
    assert keys.mouse(0, 300, 0, True, sgr=False) == b""


@pytest.fixture
def pty() -> Pty:
    made = Pty(20, 4)
    made.start()
    return made


def rows_of(pty: Pty) -> list[str]:
    terminal, lock = pty.look()
    with lock:
        return [row.rstrip() for row in terminal.screen.display]


def wait_for(pty: Pty, row: str) -> None:
    end = time.monotonic() + 60
    while row not in rows_of(pty):
        assert time.monotonic() < end, rows_of(pty)
        time.sleep(0.01)


def test_the_screen_goes_back_in_time(pty: Pty) -> None:
    try:
        pty.at(10, live=True)
        os.write(pty.slave, b"first\r\n")
        wait_for(pty, "first")
        pty.at(12, live=True)
        os.write(pty.slave, b"second")
        wait_for(pty, "second")
        pty.at(20, live=True)
        pty.at(15, live=False)
        assert rows_of(pty)[:2] == ["first", ""]
        pty.at(5, live=False)
        assert rows_of(pty)[0] == ""
        pty.at(20, live=False)
        assert rows_of(pty)[:2] == ["first", "second"]
        pty.at(30, live=True)
        assert rows_of(pty)[:2] == ["first", "second"]
    finally:
        pty.close()


def test_a_flood_waits_for_the_reader_and_memory_is_bounded(pty: Pty) -> None:
    try:
        line = b"\x1b[32m0123456789\x1b[0m\r\n"
        os.set_blocking(pty.slave, False)
        written = 0
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                written += os.write(pty.slave, line * 50)
            except BlockingIOError:  # the program waits
                break
        assert written
        assert pty._kept <= 5 << 20
    finally:
        pty.close()


def test_a_restart_is_an_empty_screen_with_the_first_modes(pty: Pty) -> None:
    import termios
    import tty

    try:
        before = termios.tcgetattr(pty.slave)
        os.write(pty.slave, b"old")
        wait_for(pty, "old")
        tty.setraw(pty.slave)
        pty.restart()
        assert rows_of(pty)[0] == ""
        assert termios.tcgetattr(pty.slave) == before
    finally:
        pty.close()
