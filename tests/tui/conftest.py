"""The interface over a fake session, without a terminal."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual", reason="the interface's libraries are not installed")

from tests.tui.fake_session import FakeSession
from tests.tui.terminal import Tmux
from textual.pilot import Pilot
from textual.widgets import Input

from blink.tui.app import Blinkenlights
from blink.tui.code import INTEL, Syntax
from blink.tui.settings import Settings
from blink.tui.term.pty import Pty

CAPTURES = Path(__file__).parent / "captures"
PATIENCE = 60.0
Body = Callable[["Stage"], Awaitable[None]]


class Stage:
    """An application that runs headless, and how to drive it."""

    def __init__(self, app: Blinkenlights, session: FakeSession, pilot: Pilot[int]) -> None:
        self.app, self.session, self.pilot = app, session, pilot

    async def settle(self) -> None:
        """Until all that was asked for is done and drawn."""
        waited = 0.0
        calm = 0
        while calm < 2:
            await asyncio.sleep(0.01)
            calm = calm + 1 if self.app.driver.idle else 0
            waited += 0.01
            assert waited < PATIENCE, "the driver does not come to rest"
        await self.pilot.pause()

    async def until(self, true: Callable[[], Any]) -> None:
        """Until something holds."""
        waited = 0.0
        while not true():
            await self.pilot.pause(0.02)
            waited += 0.02
            assert waited < PATIENCE, "it never became true"

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        """An answer to a question."""
        self.app.screen.query_one(Input).value = text
        await self.pilot.press("enter")
        await self.settle()

    def text(self) -> str:
        """The screen as text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    def rows(self, name: str) -> list[str]:
        """The rows of a panel, as it has them."""
        rows = self.app.panels[name].content.rows
        return ["".join(text for text, _ in row).rstrip() for row in rows]

    def styles(self, name: str, text: str) -> list[str]:
        """The styles of all parts of a panel that are this text."""
        rows = self.app.panels[name].content.rows
        return [names for row in rows for part, names in row if part.strip() == text]

    @property
    def message(self) -> str:
        return self.app.status.message


def perform(
    body: Callable[[Stage], Coroutine[Any, Any, None]],
    size: tuple[int, int] = (200, 60),
    session: FakeSession | None = None,
    settings: Settings | None = None,
) -> None:
    """Runs a scene."""

    async def play() -> None:
        fake = session or FakeSession()
        pty = Pty(80, 24)
        app = Blinkenlights(fake, pty, settings or Settings())  # type: ignore[arg-type]
        try:
            async with app.run_test(size=size) as pilot:
                stage = Stage(app, fake, pilot)
                await stage.until(lambda: app.frame is not None)
                await stage.settle()
                await body(stage)
        finally:
            pty.close()

    Syntax.current = INTEL
    asyncio.run(play())


@pytest.fixture
def check() -> Callable[[str, str], None]:
    """Compares a text with the capture of that name; BLINK_UPDATE_CAPTURES=1 writes it anew."""

    def compare(name: str, text: str) -> None:
        path = CAPTURES / f"{name}.txt"
        text = "\n".join(line.rstrip() for line in text.splitlines()).rstrip() + "\n"
        if os.environ.get("BLINK_UPDATE_CAPTURES"):
            CAPTURES.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no capture {path}: BLINK_UPDATE_CAPTURES=1 makes it"
        assert text == path.read_text()

    return compare


@pytest.fixture
def tmux(need: Callable[[str], str], tmp_path: Path) -> Iterator[Tmux]:
    made = Tmux(need("tmux"), tmp_path)
    yield made
    made.close()


@pytest.fixture
def compiled(need: Callable[[str], str], tmp_path: Path) -> Callable[[str, str], str]:
    """Compiles a program of ours with debugging information; its path."""

    def build(text: str, compiler: str) -> str:
        suffix = {"gcc": "c", "g++": "cc"}[compiler]
        source = tmp_path / f"prog.{suffix}"
        source.write_text(text)
        target = tmp_path / "prog"
        subprocess.run([need(compiler), "-g", "-O0", "-o", target, source], check=True)
        return str(target)

    return build
