"""A real terminal for the real program: a window of tmux."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 90.0
WHEEL_UP, WHEEL_DOWN, CTRL = 64, 65, 16
COMMAND = f"{sys.executable} -m blink.tui"


class Tmux:
    """One window of a tmux server of our own."""

    count = itertools.count()

    def __init__(self, program: str, folder: Path) -> None:
        # A name that was never used: the server of the test before may still be on its way out.
        name = f"blink-{os.getpid()}-{next(self.count)}"
        self._base = [program, "-L", name, "-f", "/dev/null"]
        self.program, self.folder = program, folder

    def __call__(self, *words: str) -> str:
        return subprocess.run(
            [*self._base, *words], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def start(self, command: str, columns: int = 120, lines: int = 40) -> None:
        """Runs a command in a window; what it leaves behind stays visible."""
        self(
            *("new-session", "-d", "-x", str(columns), "-y", str(lines), "-c", str(self.folder)),
            f"{command}; echo status $?; exec sleep 600",
        )

    def start_and_run(self, command: str, columns: int, lines: int) -> None:
        """An interface whose program runs at full speed."""
        self.start(command, columns, lines)
        self.wait("stopped")
        self.keys("c")
        self.wait("running")

    def modes(self) -> list[str]:
        """Whether the other screen, the mouse and the cursor are on: "0" or "1"."""
        flags = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"
        return self("display-message", "-p", flags).split()

    def keys(self, *names: str) -> None:
        self("send-keys", *names)

    def mouse(self, button: int, x: int, y: int) -> None:
        """A press, as a terminal tells it; the first cell is 0, 0."""
        self("send-keys", "-l", f"\x1b[<{button};{x + 1};{y + 1}M")

    def screen(self) -> str:
        return self("capture-pane", "-p")

    def wait(self, *texts: str) -> str:
        """The screen once it shows all of these."""
        end = time.monotonic() + PATIENCE
        while not all(text in (screen := self.screen()) for text in texts):
            assert time.monotonic() < end, f"no {texts} in\n{screen}"
            time.sleep(0.2)
        return screen

    def wait_gone(self, text: str) -> str:
        end = time.monotonic() + PATIENCE
        while text in (screen := self.screen()):
            assert time.monotonic() < end, f"still {text} in\n{screen}"
            time.sleep(0.2)
        return screen

    def close(self) -> None:
        subprocess.run([*self._base, "kill-server"], capture_output=True, check=False)
