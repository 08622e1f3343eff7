"""Draws the pictures of docs/guide: `python -m tests.tui.pictures`, from the root of the tree."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tui import programs
from textual.pilot import Pilot

from blink.debugger.session import Session
from blink.tui.app import Blinkenlights
from blink.tui.settings import Settings
from blink.tui.term.pty import Pty

PLACE = Path(__file__).parents[2] / "docs" / "guide" / "pictures"
TERM = {"TERM": "xterm-256color", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}


async def draw(
    name: str,
    argv: list[str],
    keys: list[str],
    size: tuple[int, int],
    breakpoints: tuple[str, ...] = (),
    light: bool = False,
) -> None:
    """Runs a program, presses keys, and keeps the screen."""
    pty = Pty(80, 24)
    session = Session.launch(argv, env=TERM, stdio=pty.slave, program=argv[0])
    for where in breakpoints:
        session.add_breakpoint(where, pending=True)
    app = Blinkenlights(session, pty, Settings(light=light))
    try:
        async with app.run_test(size=size) as pilot:
            await _rest(app, pilot)
            for key in keys:
                await _press(app, pilot, key)
            PLACE.mkdir(parents=True, exist_ok=True)
            (PLACE / f"{name}.svg").write_text(app.export_screenshot(title=f"blinkenlights {name}"))
    finally:
        session.close()
        pty.close()
    print(name, flush=True)


async def _press(app: Blinkenlights, pilot: Pilot[int], key: str) -> None:
    """A key, `wait`, `show PANEL`, or `type TEXT` into a question or the terminal."""
    word, _, rest = key.partition(" ")
    if word == "wait":
        await pilot.pause(float(rest))
    elif word == "show":
        app.action_show(rest)
        await pilot.pause(0.2)
    elif word == "type":
        await pilot.press(*rest, "enter")
        await pilot.pause(0.2)
    else:
        await pilot.press(key)
    waits = app.focused is app.panels["terminal"]  # the program, for its input
    await _rest(app, pilot, 3.0 if waits else 120.0)


async def _rest(app: Blinkenlights, pilot: Pilot[int], limit: float = 60.0) -> None:
    """Until nothing moves, or the limit: a program may wait for input."""
    while limit > 0 and not app.driver.idle:
        await pilot.pause(0.05)
        limit -= 0.05
    await pilot.pause(0.3)


def compiled(text: str, compiler: str, name: str) -> str:
    """Builds one of the programs; the names in pictures are short."""
    folder = Path(tempfile.gettempdir()) / "blinkenlights"
    folder.mkdir(exist_ok=True)
    source = folder / f"{name}.{'cc' if compiler == 'g++' else 'c'}"
    source.write_text(text.lstrip())
    subprocess.run([compiler, "-g", "-O0", "-o", folder / name, source], check=True)
    return str(folder / name)


def main(wanted: list[str]) -> None:
    sort = compiled(programs.SORT, "gcc", "sort")
    crash = compiled(programs.CRASH, "g++", "crash")
    pictures = {
        "sort": (sort, ["c", *"nnnn", "c", "s", "s", "s", "s"], (190, 54), ("main", "sort"), False),
        "crash": (crash, ["c"], (140, 42), (), False),
        "small": (sort, ["c", *"ssssssss"], (80, 25), ("sort",), True),
        "backwards": (
            *(sort, ["c", "wait 2", "escape", "W", "type after 4", "wait 4"], (150, 44), (), False),
        ),
        "help": (sort, ["question_mark"], (100, 60), (), False),
    }
    for name, (program, keys, size, stops, light) in pictures.items():
        if not wanted or name in wanted:
            asyncio.run(draw(name, [program], keys, size, stops, light))
    if not wanted or "vi" in wanted:
        keys = ["D", "wait 3", "type vi -u NONE /tmp/blinkenlights/sort.c", "wait 6"]
        shell = ["/bin/bash", "--norc"]
        asyncio.run(draw("vi", shell, keys, (160, 48)))


if __name__ == "__main__":
    main(sys.argv[1:])
