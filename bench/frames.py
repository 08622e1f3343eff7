"""How many frames a second the interface shows while a program runs: `./dev bench --only frames`.

The interface runs in a terminal of its own that takes all it writes, with living panels, first at
one speed and then at the next; a frame counts when its panels are drawn.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

from bench.inputs import ROOT, Folder
from bench.machine import processor
from bench.records import Frames

SIZES = ((80, 25), (200, 60))
SPEEDS = {"30": 5, "1,000": 10, "1,000,000": 20, "full": 31}  # instructions a second: level
LONG = "while True: sorted(str(i) for i in range(1000))"
SECONDS, QUICK = 4.0, 1.0
WARM, WARM_FRAMES = 1.0, 10  # seconds and frames before the count begins: tables are read then
PATIENCE = 20.0  # for these frames
LIMIT = 300.0


def measure(quick: bool = False) -> list[Frames]:
    """All speeds at all sizes.  Raises RuntimeError."""
    here = processor()
    return [
        Frames(name, columns, lines, load=os.getloadavg()[0], machine=here, **entry)
        for name, words in _programs().items()
        for columns, lines in SIZES
        for entry in _watch(columns, lines, words, quick)
    ]


def _programs() -> dict[str, list[str]]:
    """Programs that run longer than anyone waits: one small, and one with all that panels show."""
    fib = str(Folder(ROOT / "build" / "bench").program("fib"))
    return {"fib": [fib, "70"], "CPython": ["/usr/bin/python3", "-c", LONG]}


def _watch(columns: int, lines: int, words: list[str], quick: bool) -> list[dict[str, Any]]:
    """Runs the interface in a terminal of this size; what it counted."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report")
        command = [sys.executable, "-m", "bench.frames", str(report), str(int(quick)), *words]
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        child = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=env,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        said = _drain(master, child)
        if child.wait(10) or not report.exists():
            raise RuntimeError(f"the interface ended: {said[-2000:].decode(errors='replace')}")
        return list(json.loads(report.read_text()))


def _drain(master: int, child: subprocess.Popen[bytes]) -> bytes:
    """Takes what is written until the child ends; the last of it."""
    end = time.monotonic() + LIMIT
    last = b""
    try:
        while time.monotonic() < end:
            if select.select([master], [], [], 0.5)[0]:
                last = (last + os.read(master, 1 << 16))[-10_000:]
            elif child.poll() is not None:
                break
    except OSError:  # nobody has the other side any more
        pass
    finally:
        os.close(master)
        if child.poll() is None and time.monotonic() >= end:
            child.kill()
    return last


# --- in the terminal -----------------------------------------------------------------------------


def show(report: str, quick: bool, words: list[str]) -> None:
    """Runs the interface by itself, counts, and writes what it counted."""
    from blink.debugger.session import Session
    from blink.tui.app import Blinkenlights
    from blink.tui.panels.terminal import COLUMNS, LINES
    from blink.tui.settings import Settings
    from blink.tui.term.pty import Pty

    class Counted(Blinkenlights):
        """Continues at each speed for a while and counts what it draws."""

        CSS_PATH = str(
            Path(sys.modules[Blinkenlights.__module__].__file__ or "").with_name("style.tcss")
        )

        def on_mount(self) -> None:  # the base class gets its own, as with every message
            self.frames = self.bytes = 0
            self.found: list[dict[str, Any]] = []
            assert self._driver is not None
            write = self._driver.write

            def counted(data: str) -> None:
                self.bytes += len(data)
                write(data)

            self._driver.write = counted  # type: ignore[method-assign]
            self.run_worker(self.measure())

        def on_blinkenlights_framed(self, message: Blinkenlights.Framed) -> None:
            if message.frame.contents:
                self.call_after_refresh(self.count)

        def count(self) -> None:
            self.frames += 1

        async def measure(self) -> None:
            from asyncio import sleep

            for speed, level in SPEEDS.items():
                self.driver.speed.level = level
                self.action_go()
                await self.warm_up()
                before = self.now()
                await sleep(QUICK if quick else SECONDS)
                after = self.now()
                self.found.append({"speed": speed} | {k: after[k] - before[k] for k in after})
                self.driver.interrupt()
                while self.driver.busy or not self.driver.idle:
                    await sleep(0.05)
            Path(report).write_text(json.dumps(self.found))
            self.exit(0)

        async def warm_up(self) -> None:
            from asyncio import sleep

            begun, shown = time.monotonic(), self.frames
            await sleep(WARM)
            while self.frames - shown < WARM_FRAMES and time.monotonic() - begun < PATIENCE:
                await sleep(0.1)

        def now(self) -> dict[str, float]:
            used = os.times()
            return {
                "frames": self.frames, "seconds": time.monotonic(), "cpu": used.user + used.system,
                "written": self.bytes, "instructions": self.session.time,
            }  # fmt: skip

    pseudo = Pty(COLUMNS, LINES)
    session = Session.launch(words, stdio=pseudo.slave, options={"calls": True})
    try:
        Counted(session, pseudo, Settings()).run()
    finally:
        session.close()
        pseudo.close()


if __name__ == "__main__":
    show(sys.argv[1], bool(int(sys.argv[2])), sys.argv[3:])
