"""What the screen looks like: captures of every panel, and of the whole at two sizes.

BLINK_UPDATE_CAPTURES=1 writes the captures anew; look at them before they are committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tui.conftest import Stage, perform
from tests.tui.fake_session import MESSAGE, FakeSession

from blink.tui.app import Blinkenlights
from blink.tui.panel import Panel
from blink.tui.panels.memory import Memory
from blink.tui.screens import Dialog
from blink.tui.settings import Settings

Check = Callable[[str, str], None]
PANELS = (
    "disassembly source stack registers vector x87 memory-code memory-read memory-write "
    "memory-stack breakpoints maps frames threads calls profile"
).split()
SOURCE = "".join(f"int line_{i} = {i}; /* a comment */\n" for i in range(1, 16))


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    """One that has source, by a name that is the same everywhere."""
    monkeypatch.chdir(tmp_path)
    Path("sum.c").write_text(SOURCE)
    return FakeSession("sum.c")


async def play(stage: Stage) -> None:
    """To the third instruction of sum, with a breakpoint and a mark."""
    stage.session.add_breakpoint("sum")
    stage.session.add_watchpoint(MESSAGE, 4, "rw")
    await stage.press("c", "s", "s")
    stage.session.mark("here")
    stage.app.pty and os.write(stage.app.pty.slave, b"\x1b[31mhello\x1b[0m world\r\n$ ")
    await stage.until(lambda: "hello" in "".join(stage.app.pty.look()[0].screen.display))  # type: ignore[union-attr]
    stage.app.status.set_key("")
    stage.app.driver.look()
    await stage.settle()


@pytest.mark.parametrize("size", [(80, 25), (200, 60)], ids=["80x25", "200x60"])
def test_the_whole_screen(size: tuple[int, int], session: FakeSession, check: Check) -> None:
    async def scene(stage: Stage) -> None:
        await play(stage)
        check(f"screen-{size[0]}x{size[1]}", stage.text())

    perform(scene, size, session)


def test_of_groups_that_share_their_place_one_has_all_of_it(session: FakeSession) -> None:
    async def scene(stage: Stage) -> None:
        deck = stage.app.decks[2]
        assert deck.shared
        await stage.settle()
        assert deck.groups[1].region.bottom == deck.region.bottom
        assert stage.rows("vector")[16].startswith(" xmm15")
        assert "xmm15" in stage.text()

    perform(scene, (140, 44), session)


def test_a_long_message_has_the_whole_line(session: FakeSession) -> None:
    async def scene(stage: Stage) -> None:
        assert "? help" in stage.text()
        stage.app.status.say("no symbol is called " + "x" * 36)
        await stage.settle()
        assert stage.text().splitlines()[-1].endswith("x" * 36)
        assert "? help" not in stage.text()

    perform(scene, (80, 25), session)


def test_every_panel(session: FakeSession, check: Check) -> None:
    async def scene(stage: Stage) -> None:
        await play(stage)
        for name in PANELS:
            stage.app.action_show(name)
            await stage.pilot.pause()
            stage.app.panels["disassembly"].focus()
            stage.app.driver.look()
            await stage.settle()
            check(name, "\n".join(stage.rows(name)))

    perform(scene, (200, 60), session)


@pytest.mark.ci
def test_memory_zooms_scrolls_and_shows_glyphs(session: FakeSession, check: Check) -> None:
    async def scene(stage: Stage) -> None:
        await play(stage)
        stage.app.action_show("memory-code")
        panel = stage.app.panels["memory-code"]
        assert isinstance(panel, Memory)
        panel.look_at(MESSAGE)
        await stage.settle()
        assert stage.rows("memory-code")[0].endswith("Hello, b")
        await stage.press("down")
        assert stage.rows("memory-code")[0].endswith("linkenli")
        await stage.press("h")
        assert "ghts" in "".join(stage.rows("memory-code")[:3])
        await stage.press("0", "minus", "minus", "minus")
        assert panel.level == 3
        check("memory-zoomed", "\n".join(stage.rows("memory-code")))
        panel.look_at(0x402F00)
        await stage.settle()
        assert stage.styles("memory-code", "∙" * panel.cells)
        await stage.press("plus", "plus", "plus", "h")
        assert panel.level == 0

    perform(scene, (200, 60), session)


def test_what_changed_was_read_and_written_is_marked(session: FakeSession) -> None:
    async def scene(stage: Stage) -> None:
        await stage.press(*"ssssss")  # into sum: the return address was written
        assert stage.styles("memory-write", "19")[0] == "write"
        await stage.press("s")
        assert "read" in stage.styles("memory-read", "48")
        assert stage.styles("registers", "0000000000000048") == ["changed"]
        assert "changed" not in stage.styles("registers", "0000000000000005")

    perform(scene, (200, 60), session)


def test_visits_are_counted_while_stepping(session: FakeSession) -> None:
    async def scene(stage: Stage) -> None:
        for _ in range(30):
            stage.app.driver.move("step")
            await stage.settle()
        row = next(r for r in stage.rows("disassembly") if "00401030" in r)
        assert row.split("─→")[-1].split()[0] == "3"

    perform(scene, (240, 60), session)


@pytest.mark.parametrize("dialogs", [True, False])
def test_a_fault_is_a_dialog_unless_they_are_off(dialogs: bool, check: Check) -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("c")
        assert isinstance(stage.app.screen, Dialog) == dialogs
        if dialogs:
            lines = [line for line in stage.text().splitlines() if "│" in line or "╭" in line]
            check("dialog", "\n".join(line.partition("│")[2] for line in lines if "│" in line))
        else:
            assert stage.message.startswith("signal at 0x401024")

    perform(scene, (80, 25), settings=Settings(dialogs=dialogs))


@pytest.mark.ci
def test_every_size_has_a_place_for_the_code(session: FakeSession) -> None:
    """Resized in any state, down to nearly nothing."""

    async def scene(stage: Stage) -> None:
        await stage.press("s", "s")
        for width, height in [(40, 10), (200, 60), (10, 3), (120, 36), (80, 25), (300, 100)]:
            await stage.pilot.resize_terminal(width, height)
            await stage.settle()
            assert len(stage.text().splitlines()) == height
        assert any("▶" in row for row in stage.rows("disassembly"))
        await stage.press("c")
        await stage.pilot.resize_terminal(60, 20)
        await stage.settle()
        assert "Segmentation fault" in stage.text()

    perform(scene, (80, 25), session)


@pytest.mark.ci
def test_a_panel_alone(session: FakeSession) -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("z")
        assert stage.app.screen.maximized is not None
        assert "Registers" not in stage.text()
        await stage.press("z")
        assert stage.app.screen.maximized is None

    perform(scene, (120, 40), session)


def test_without_colour_reverse_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene(stage: Stage) -> None:
        await stage.press("s", "s")
        assert stage.app.no_color
        assert stage.app.panels["registers"].style_of("changed").reverse
        assert stage.app.panels["disassembly"].style_of("current").reverse

    perform(scene, (80, 25))


def test_the_selected_thread_and_missing_things_are_words() -> None:
    async def scene(stage: Stage) -> None:
        assert any("no source" in row for row in stage.rows("source"))
        assert any("none: b sets one" in row for row in stage.rows("breakpoints"))
        assert any("▶" in row and "100" in row for row in stage.rows("threads"))

    async def all_panels(stage: Stage) -> None:
        for name in ("source", "breakpoints", "threads"):
            stage.app.action_show(name)
            await stage.settle()
        await scene(stage)

    perform(all_panels, (200, 60))


def test_panels_are_named_by_their_class_once() -> None:
    names = [cls.TITLE for cls in Panel.__subclasses__()]
    assert len(names) == len(set(names))
    assert Blinkenlights.TITLE == "Blinkenlights"
