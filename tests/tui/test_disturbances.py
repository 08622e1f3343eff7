"""What a terminal does to the interface: other sizes at any time, a hangup, a signal."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui import programs
from tests.tui.terminal import COMMAND, PATIENCE, Tmux

pytestmark = [pytest.mark.ci, pytest.mark.timeout(400)]
pytest.importorskip("textual", reason="the interface's libraries are not installed")

MARK = "BLINK_TEST_HANGUP"


def resized(tmux: Tmux, columns: int, lines: int) -> None:
    tmux("resize-window", "-x", str(columns), "-y", str(lines))


def squeezed(tmux: Tmux, *texts: str) -> str:
    """The screen at 120x40 after it has been tiny; it shows these texts again."""
    resized(tmux, 20, 5)
    time.sleep(0.3)  # long enough to be drawn; what matters comes after it
    resized(tmux, 120, 40)
    screen = tmux.wait(*texts)
    assert "Traceback" not in screen
    return screen


def test_other_sizes_under_a_question_the_help_a_run_and_a_dialog(
    tmux: Tmux, compiled: Callable[[str, str], str]
) -> None:
    tmux.start(f"{COMMAND} {compiled(programs.CRASH, 'g++')}", 120, 40)
    tmux.wait("stopped", "Registers")
    tmux.keys("C-b", "mai")
    tmux.wait("mai")
    squeezed(tmux, "mai", "Registers")
    tmux.keys("n", "Enter")
    tmux.wait_gone("Set a breakpoint")
    tmux.keys("?")
    tmux.wait("step one instruction")
    squeezed(tmux, "step one instruction")
    tmux.keys("Escape")
    tmux.wait_gone("step one instruction")
    tmux.keys("c")
    tmux.wait("breakpoint 1 at", "prog.cc:")
    tmux.keys("c")
    tmux.wait("Segmentation fault (SIGSEGV)")
    squeezed(tmux, "Segmentation fault (SIGSEGV)", "nothing is mapped")
    tmux.keys("s", "n", "x")  # nothing of the dialog's
    tmux.keys("b")  # back one instruction
    tmux.wait("in the past")
    tmux.keys("q")
    tmux.wait("status 0")


def test_other_sizes_at_full_speed(tmux: Tmux) -> None:
    tmux.start_and_run(f"{COMMAND} yes blinkenlights", 120, 40)
    for _ in range(3):
        squeezed(tmux, "running", "Registers")
    tmux.keys("C-c")
    tmux.wait("stopped")
    tmux.keys("q")
    tmux.wait("status 0")


def marked(value: str) -> list[int]:
    """The processes whose environment has our mark of this value."""
    wanted, found = f"{MARK}={value}".encode(), []
    for entry in Path("/proc").iterdir():
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def interface(value: str) -> int:
    """The one of them that has the panels."""
    return next(p for p in marked(value) if b"blink.tui" in Path(f"/proc/{p}/cmdline").read_bytes())


def until_gone(value: str) -> None:
    end = time.monotonic() + PATIENCE
    while left := marked(value):
        assert time.monotonic() < end, f"still there: {left}"
        time.sleep(0.2)


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_a_closed_terminal_ends_all(tmux: Tmux, runs: bool) -> None:
    value = f"{os.getpid()}-{runs}"
    script = 'trap "" HUP; (trap - HUP; sleep 1000) & while :; do :; done'
    tmux.start(f"{MARK}={value} {COMMAND} bash -c '{script}'", 120, 40)
    tmux.wait("stopped")
    if runs:
        tmux.keys("c")
        tmux.wait("running")
    assert len(marked(value)) >= 2  # the interface, the program
    tmux("kill-session")
    until_gone(value)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=["HUP", "TERM"])
def test_a_signal_leaves_the_terminal_as_it_was(tmux: Tmux, number: int) -> None:
    value = f"{os.getpid()}-{number}"
    tmux.start_and_run(f"{MARK}={value} {COMMAND} sleep 1000", 80, 25)
    os.kill(interface(value), number)
    tmux.wait(f"status {128 + number}")
    assert tmux.modes() == ["0", "0", "1"]
    until_gone(value)
