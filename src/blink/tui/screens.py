"""Screens over the panels: help, questions, and dialogs that say what happened to the program."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.text import Text
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from blink.tui import keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual import events
    from textual.app import ComposeResult

    from blink.tui.faults import Report


class Help(ModalScreen[None]):
    """All keys, from the table that binds them."""

    BINDINGS = [Binding("escape,question_mark,q,f1,enter", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(help_text())

    def on_mount(self) -> None:
        self.query_one("#help").focus()


def help_text() -> Text:
    """The help screen's text."""
    text = Text()
    for heading, rows in keys.groups().items():
        text.append(f"{heading}\n", "bold")
        for key in rows:
            text.append(f"  {keys.spelled(key.keys):<12}", "bold cyan")
            text.append(f"{key.text}\n")
        text.append("\n")
    text.append("In panels\n", "bold")
    for name, words in keys.PANEL_KEYS:
        text.append(f"  {name:<12}", "bold cyan")
        text.append(f"{words}\n")
    return text


class Question(ModalScreen[str | None]):
    """One line from the user; None when they think better of it."""

    BINDINGS = [Binding("escape,ctrl+c", "dismiss(None)", "cancel")]

    def __init__(self, title: str, hint: str = "", value: str = "") -> None:
        super().__init__()
        self.title_text, self.hint, self.value = title, hint, value

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Label(self.title_text)
            yield Input(self.value, placeholder=self.hint, compact=True)

    async def key(self, key: str, bound: Callable[[str], Awaitable[bool]]) -> bool:
        """Does what a key is for, behind all that was typed before it; `bound` looks it up."""
        line, typed = self.query_one(Input), asyncio.Event()
        line.call_later(typed.set)
        await typed.wait()
        if key != "enter":
            return await bound(key)
        self.dismiss(line.value.strip() or None)
        return True


class Dialog(ModalScreen[str | None]):
    """Says what happened; the answer is what to do about it."""

    BINDINGS = [
        Binding("escape,ctrl+c", "dismiss(None)", "close"),
        Binding("b", "dismiss('back')", "go back"),
        Binding("r", "dismiss('restart')", "restart"),
        Binding("q", "dismiss('quit')", "quit"),
        Binding("left", "app.focus_previous"),
        Binding("right", "app.focus_next"),
    ]

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes=self.report.kind):
            yield Label(self.report.title, id="dialog-title")
            yield Static(Text(self.report.text))
            with Horizontal():
                yield Button("Close", id="close", compact=True)
                if self.report.can_go_back:
                    yield Button("Go back one instruction (b)", id="back", compact=True)
                yield Button("Restart (r)", id="restart", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        answer = event.button.id
        self.dismiss(None if answer == "close" else answer)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)
