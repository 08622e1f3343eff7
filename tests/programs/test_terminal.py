"""A guest on a terminal: isatty, keys that are signals, window size, job control."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from programs.harness import BLINK
from programs.terminal import Terminal

Talk = Callable[["Terminal"], None]
Compile = Callable[..., str]


def say_on(command: Sequence[str], folder: Path, talk: Talk) -> tuple[int, bytes]:
    terminal = Terminal(command, folder)
    try:
        talk(terminal)
        return terminal.finish(), terminal.said
    finally:
        terminal.close()


@pytest.fixture(
    params=[(), *(pytest.param((m,), marks=pytest.mark.ci) for m in ("-j", "-m"))], ids=str
)
def same_on_terminal(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., tuple[int, bytes]]]:
    def compare(
        command: Sequence[str], talk: Talk = lambda terminal: None, whole: bool = True
    ) -> tuple[int, bytes]:
        """Both ends equal, and with `whole` every byte that was said."""
        native = say_on(command, tmp_path, talk)
        emulated = say_on([str(BLINK), *request.param, *command], tmp_path, talk)
        assert emulated[: 1 + whole] == native[: 1 + whole]
        return native

    yield compare


Compare = Callable[..., tuple[int, bytes]]


def test_isatty_and_size(same_on_terminal: Compare) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && echo tty; ls /dev/null /dev/zero"
    assert b"tty" in same_on_terminal(["sh", "-c", script])[1]

    def wait_for_size(terminal: Terminal) -> None:
        terminal.send("\n")

    said = same_on_terminal(["sh", "-c", "read x; stty size; stty -a | head -2"], wait_for_size)
    assert b"40 100" in said[1]


def test_keys_are_signals(same_on_terminal: Compare) -> None:
    def press(key: str) -> Talk:
        def talk(terminal: Terminal) -> None:
            terminal.expect("ready")
            terminal.send(key)

        return talk

    assert (
        same_on_terminal(["sh", "-c", "echo ready; exec cat"], press("\x03"))[0] == -signal.SIGINT
    )
    busy = ["sh", "-c", "ulimit -c 0; echo ready; while :; do :; done"]
    assert same_on_terminal(busy, press("\x03"))[0] == -signal.SIGINT
    assert same_on_terminal(busy, press("\x1c"))[0] == -signal.SIGQUIT
    assert same_on_terminal(["sh", "-c", "echo ready; exec cat"], press("\x04"))[0] == 0
    trap = ["sh", "-c", "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done"]
    assert same_on_terminal(trap, press("\x03"))[0] == 7


def test_hangup(same_on_terminal: Compare, tmp_path: Path) -> None:
    for command in ([], [str(BLINK)]):
        terminal = Terminal([*command, "sh", "-c", "echo ready; sleep 60"], tmp_path)
        terminal.expect("ready")
        os.close(terminal.fd)
        assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == -signal.SIGHUP


def test_window_size_changes(same_on_terminal: Compare, compile_c: Compile) -> None:
    """One change after another, each as soon as the one before has been said."""

    def talk(terminal: Terminal) -> None:
        terminal.expect("ready")
        for rows in range(50, 100):
            terminal.resize(rows, 132)
            terminal.expect(f"<132 {rows}>")
        terminal.send("\x04")

    assert same_on_terminal([compile_c("window_size")], talk)[0] == 0


def test_window_size_changes_in_python(same_on_terminal: Compare) -> None:
    """Python calls handlers between its own steps: a signal that comes after the last of them, but
    before read(2) waits, is heard after the next line only, natively too."""
    script = (
        "import os, signal, sys\n"
        "def show(*_): os.write(1, b'%d %d\\n' % os.get_terminal_size(0))\n"
        "signal.signal(signal.SIGWINCH, show)\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin: show()\n"
    )

    def talk(terminal: Terminal) -> None:
        terminal.expect("ready")
        terminal.wait_for_reading()
        terminal.resize(50, 132)
        terminal.expect("132 50")
        terminal.send("x\n")
        terminal.expect("132 50")
        terminal.send("\x04")

    same_on_terminal(["/usr/bin/python3", "-S", "-c", script], talk)


def test_nohup(same_on_terminal: Compare, tmp_path: Path) -> None:
    """On a terminal, nohup sends the output to a file and makes SIGHUP harmless."""
    said = same_on_terminal(["nohup", "sh", "-c", "kill -HUP $$; echo survived"])
    assert said[0] == 0 and b"nohup.out" in said[1]
    assert (tmp_path / "nohup.out").read_bytes() == b"survived\n" * 2


def test_job_control(same_on_terminal: Compare) -> None:
    """Stop, list, continue and kill jobs of an interactive shell; their numbers differ."""

    def talk(terminal: Terminal) -> None:
        def command(text: str) -> None:
            terminal.expect("$ ")
            terminal.send(text + "\n")

        command("cat")
        time.sleep(0.5)
        terminal.send("line\n")
        terminal.expect("line\r\nline")
        terminal.send("\x1a")
        terminal.expect("Stopped")
        command("jobs")
        command("fg")
        terminal.expect("cat")
        time.sleep(0.3)
        terminal.send("again\n")
        terminal.expect("again\r\nagain")
        terminal.send("\x03")
        command("echo status $?")
        terminal.expect("status 130")
        command("sleep 60 & kill %1; wait %1; echo ended $?")
        terminal.expect("ended 143")
        command("exit 4")

    shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    assert same_on_terminal(shell, talk, whole=False)[0] == 4
