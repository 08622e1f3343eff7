"""The interface that `frames` starts in a terminal: it runs by itself and counts what it draws."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
from pathlib import Path

from blink.debugger.session import Session
from blink.tui.app import Blinkenlights
from blink.tui.interface import watch
from blink.tui.settings import Settings
from blink.tui.term.pty import Pty

SPEEDS = {"30": 5, "1,000": 10, "1,000,000": 20, "full": 31}  # instructions a second: level
SECONDS, QUICK = 4.0, 1.0
WARM, WARM_FRAMES = 1.0, 10  # seconds and frames before the count begins: tables are read then
PATIENCE = 20.0  # for these frames


class Watched(Blinkenlights):
    """Continues at each speed for a while and counts its frames."""

    CSS_PATH = str(Path(inspect.getfile(Blinkenlights)).with_name("style.tcss"))
    report = Path("/dev/null")
    seconds = SECONDS

    def __init__(self, session: Session, pty: Pty, settings: Settings) -> None:
        super().__init__(session, pty, settings)
        self.frames = self.bytes = 0

    def on_mount(self) -> None:  # the base class gets its own, as with every message
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
        found = []
        for speed, level in SPEEDS.items():
            self.driver.speed.level = level
            self.action_go()
            await self.warm_up()
            before = self.now()
            await asyncio.sleep(self.seconds)
            after = self.now()
            found.append({"speed": speed} | {k: after[k] - before[k] for k in after})
            self.driver.interrupt()
            while self.driver.busy or not self.driver.idle:
                await asyncio.sleep(0.05)
        self.report.write_text(json.dumps(found))
        self.exit(0)

    async def warm_up(self) -> None:
        begun, shown = time.monotonic(), self.frames
        await asyncio.sleep(WARM)
        while self.frames - shown < WARM_FRAMES and time.monotonic() - begun < PATIENCE:
            await asyncio.sleep(0.1)

    def now(self) -> dict[str, float]:
        used = os.times()
        return {
            "frames": self.frames, "seconds": time.monotonic(), "cpu": used.user + used.system,
            "written": self.bytes, "instructions": self.session.time,
        }  # fmt: skip


def show(report: str, quick: bool, words: list[str]) -> None:
    """Runs the interface by itself and writes what it counted."""
    Watched.report = Path(report)
    Watched.seconds = QUICK if quick else SECONDS
    watch(
        Settings(),
        lambda terminal: Session.launch(words, stdio=terminal, options={"calls": True}),
        make=Watched,
    )


if __name__ == "__main__":
    show(sys.argv[1], bool(int(sys.argv[2])), sys.argv[3:])
