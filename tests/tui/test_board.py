"""Rows drawn past Textual's compositor: the terminal shows what Textual would have it show."""

from __future__ import annotations

from typing import Any

import pyte
from rich.console import Console
from tests.tui.conftest import Stage, perform
from textual.widgets import Static

from blink.tui.board import RowCompositor, Rows
from blink.tui.panel import Content, Row


def console() -> Console:
    return Console(color_system="truecolor", force_terminal=True)


def compositor(stage: Stage) -> RowCompositor:
    found = stage.app.screen._compositor
    assert isinstance(found, RowCompositor)
    return found


def painted(stream: pyte.Stream, screen: pyte.Screen, stage: Stage) -> list[list[Any]]:
    """The whole screen, as Textual draws it."""
    size = stage.app.size
    for y, strip in enumerate(compositor(stage).render_strips(size)):
        stream.feed(f"\x1b[{y + 1};1H{strip.render(console())}")
    return cells(screen)


def cells(screen: pyte.Screen) -> list[list[Any]]:
    return [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]


def drawn(stage: Stage) -> Any:
    """What the compositor draws for what the panels have asked for."""
    screen = stage.app.screen
    screen._compositor.update_widgets(set(screen._compositor.visible_widgets))
    return screen._compositor.render_partial_update()


def show(stage: Stage, *rows: Row) -> None:
    stage.app.panels["disassembly"].show(Content(list(rows)))


ROWS: tuple[Row, ...] = (
    (("plain, ", ""), ("marked, ", "mark"), ("both", "mark current")),
    (("漢字" * 60, "string"),),
    (("a" + "漢字" * 60, "string"),),
    (("x" * 300, "number"), ("never seen", "mark")),
    (),
    (("selected to the end of the row", "selected"),),
)


def test_rows_are_what_textual_would_draw() -> None:
    async def body(stage: Stage) -> None:
        size = stage.app.size
        screen, expected = (pyte.Screen(size.width, size.height) for _ in range(2))
        stream, other = pyte.Stream(screen), pyte.Stream(expected)
        painted(stream, screen, stage)
        show(stage, *ROWS)
        stage.app.slider.time += 1
        update = drawn(stage)
        assert isinstance(update, Rows) and len(update.rows) > len(ROWS)
        stream.feed(update.render_segments(console()))
        assert cells(screen) == painted(other, expected, stage)

    for size in ((200, 60), (80, 25)):
        perform(body, size=size)


def test_rows_that_stay_are_not_drawn() -> None:
    async def body(stage: Stage) -> None:
        panel = stage.app.panels["disassembly"]
        show(stage, *ROWS)
        drawn(stage)
        show(stage, *ROWS[:2], (("another", ""),), *ROWS[3:])
        assert [(row[2], row[3]) for row in drawn(stage).rows] == [(panel, 2)]

    perform(body)


async def come_to_draw(stage: Stage, rows: bool) -> bool:
    """Whether new content is drawn as rows alone, or not, once the layout is what was asked for."""
    for turn in range(200):
        show(stage, *(ROWS if turn % 2 else reversed(ROWS)))
        if isinstance(drawn(stage), Rows) == rows:
            return True
        await stage.pilot.pause(0.05)
    return False


def test_with_other_widgets_all_is_textuals() -> None:
    async def body(stage: Stage) -> None:
        other = Static("a notification, say")
        await stage.app.screen.mount(other)
        assert await come_to_draw(stage, rows=False)
        await other.remove()
        assert await come_to_draw(stage, rows=True)

    perform(body)


def test_a_column_that_is_drawn_anew_is_textuals() -> None:
    async def body(stage: Stage) -> None:
        stage.app.decks[1].refresh()  # its borders belong to no row
        assert not isinstance(drawn(stage), Rows)

    perform(body)
