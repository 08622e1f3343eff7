"""Blinkenlights: the application. What keys do is in `actions`; the work is the driver's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import termios
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App
from textual.message import Message

from blink.debugger.errors import DebugError
from blink.tui import faults, keys
from blink.tui.actions import Actions
from blink.tui.board import Board
from blink.tui.commands import Commands
from blink.tui.deck import Columns, Deck, Group, Tabs
from blink.tui.driver import Driver, Frame
from blink.tui.panel import Panel
from blink.tui.panels.breakpoints import Breakpoints
from blink.tui.panels.calls import Calls
from blink.tui.panels.disassembly import Disassembly
from blink.tui.panels.frames import Frames
from blink.tui.panels.maps import Maps
from blink.tui.panels.memory import Memory
from blink.tui.panels.profile import Profile
from blink.tui.panels.registers import Registers
from blink.tui.panels.source import Source
from blink.tui.panels.stack import Stack
from blink.tui.panels.terminal import LEAVE, ProgramTerminal
from blink.tui.panels.threads import Threads
from blink.tui.panels.vector import Vector
from blink.tui.panels.x87 import X87
from blink.tui.screens import Dialog, Help, Question
from blink.tui.slider import Slider
from blink.tui.status import Status
from blink.tui.stoplog import log_stop
from blink.tui.themes import DARK, LIGHT, Plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.await_complete import AwaitComplete
    from textual.filter import LineFilter

    from blink.debugger.session import Session
    from blink.tui.settings import Settings
    from blink.tui.term.pty import Pty

NARROW, COMPACT_WIDTH, COMPACT_HEIGHT = 190, 120, 36


class Blinkenlights(Actions, App[int], inherit_bindings=False):
    """Watches one session; the return value is the exit status of the command."""

    TITLE = "Blinkenlights"
    CSS_PATH = "style.tcss"
    BINDINGS: ClassVar[list[Any]] = keys.bindings()
    COMMANDS = {Commands}
    COMMAND_PALETTE_BINDING = "colon"
    ENABLE_COMMAND_PALETTE = True

    class Framed(Message):
        """The driver has a new frame."""

        def __init__(self, frame: Frame) -> None:
            super().__init__()
            self.frame = frame

    def __init__(self, session: Session, pty: Pty | None, settings: Settings) -> None:
        super().__init__()
        self.session = session
        self.pty = pty
        self.settings = settings
        self.trunks: list[Session] = []
        self.frame: Frame | None = None
        self.panels: dict[str, Panel] = {}
        self.decks: list[Deck] = []
        self.slider, self.status = Slider(), Status()
        self.driver = Driver(
            session, self.seen_panels, self._post_frame, self._set_terminal_time, self._fail
        )
        self._told: object = None
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = (LIGHT if settings.light else DARK).name
        self._make_panels()

    def get_default_screen(self) -> Board:
        return Board(id="_default")

    # --- layout ---------------------------------------------------------------------------------

    def _make_panels(self) -> None:
        made: list[Panel] = [
            Disassembly(id="disassembly"), Source(id="source"), Stack(id="stack"),
            Registers(id="registers"), Vector(id="vector"), X87(id="x87"),
            *(Memory(kind, id=f"memory-{kind}") for kind in ("code", "read", "write", "stack")),
            Breakpoints(id="breakpoints"), Maps(id="maps"), Frames(id="frames"),
            Threads(id="threads"), Calls(id="calls"), Profile(id="profile"),
            ProgramTerminal(self.pty, id="terminal"),
        ]  # fmt: skip
        self.panels = {str(panel.id): panel for panel in made}

    def compose(self) -> ComposeResult:
        self.decks = self._make_decks()
        with Columns(id="columns"):
            yield from self.decks
        yield self.slider
        yield self.status

    def _make_decks(self) -> list[Deck]:
        p = self.panels
        return [
            Deck(
                Group(p["disassembly"], least=12, id="code-group"),
                Group(p["source"], p["stack"], least=10, id="source-group"),
                id="left",
            ),
            Deck(
                Group(p["frames"], p["calls"], p["maps"], p["profile"], least=8, id="frames-group"),
                Group(p["breakpoints"], p["threads"], id="breakpoints-group"),
                Group(p["terminal"], least=20, id="terminal-group"),
                id="middle",
            ),
            Deck(
                Group(p["registers"], least=21, id="registers-group"),
                Group(p["vector"], p["x87"], least=9, id="vector-group"),
                *(Group(p[f"memory-{kind}"]) for kind in ("code", "read", "write", "stack")),
                id="right",
            ),
        ]

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [Plain()] if self.no_color else super().get_line_filters()

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        compact = width < COMPACT_WIDTH or height < COMPACT_HEIGHT
        self.screen_stack[0].set_class(compact, "compact")
        self.screen_stack[0].set_class(width < NARROW, "narrow")
        for deck in self.decks:
            deck.fit(height - 2, compact)
        self.call_after_refresh(self.driver.look)

    def on_mount(self) -> None:
        self._heed_signals()
        if self.settings.zoom:
            for panel in self.panels.values():
                if isinstance(panel, Memory):
                    panel.level = min(8, self.settings.zoom)
        self.panels["disassembly"].focus()
        if self.pty is not None:
            self.pty.changed = self.terminal_changed
            self.pty.start()
        if self.settings.calls:
            self.action_show("calls")
        self.call_after_refresh(self.driver.start)

    def _heed_signals(self) -> None:
        """SIGTERM and SIGHUP end it as `q` does: the terminal is left as it was found, the program
        ends, too."""
        heed = asyncio.get_running_loop().add_signal_handler
        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
            heed(signal.SIGTERM, self.exit, 128 + signal.SIGTERM)
            heed(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        """Where the terminal is gone, Textual would wait for it for ever."""
        if self._has_terminal():
            self.exit(128 + signal.SIGHUP)
            return
        for session in (self.session, *self.trunks):
            session.close()
        os._exit(128 + signal.SIGHUP)

    def _has_terminal(self) -> bool:
        try:
            termios.tcgetattr(0)
        except termios.error:
            return False
        return True

    def on_unmount(self) -> None:
        self.driver.close()
        for branch in [*self.trunks[1:], self.session][: len(self.trunks)]:
            branch.close()

    def seen_panels(self) -> list[Panel]:
        """The panels that can be seen; for the driver."""
        if len(self.screen_stack) > 1:
            return [p for p in self.panels.values() if p.display and p.size.height]
        return [panel for panel in self.panels.values() if panel.wanted]

    # --- frames ---------------------------------------------------------------------------------

    def _post_frame(self, frame: Frame) -> None:
        if not self.post_message(self.Framed(frame)):
            self.driver.drawn()

    def _fail(self, error: Exception) -> None:
        """The driver's thread has ended by an error of ours: so does the interface, and tells."""
        self.call_later(self._handle_exception, error)

    def _set_terminal_time(self, time: int) -> None:
        """In the driver's thread, before each look."""
        session, pty = self.session, self.pty
        if pty is None:
            return
        if session.replayed:
            with contextlib.suppress(DebugError):
                pieces, more = session.writes(pty.known(), time)
                pty.add(pieces)
                if more:
                    self.driver.look()
        now = not session.replayed and (session.live or time >= session.end)
        if pty.at(time, now):
            self.terminal_changed()

    def terminal_changed(self) -> None:
        """The program wrote; from the terminal's thread."""
        terminal = self.panels["terminal"]
        assert isinstance(terminal, ProgramTerminal)
        terminal.changed()

    def on_blinkenlights_framed(self, message: Framed) -> None:
        frame = self.frame = message.frame
        for panel, content in frame.contents.items():
            panel.show(content)
        self.slider.time, self.slider.end = frame.time, frame.end
        self.slider.growing = frame.exit_status is None and frame.live
        self.slider.set_marks(frame.marks)
        self.status.set_frame(frame, str(self.driver.speed))
        for deck in self.decks:
            deck.refresh_tabs()
        self.call_after_refresh(self.driver.drawn)
        if frame.arrived:
            self._tell(frame)

    def pop_screen(self) -> AwaitComplete:
        """A screen that goes takes with it what was to be called behind its next refresh: the
        driver would wait for its frame for ever."""
        self.driver.drawn()
        return super().pop_screen()

    def _tell(self, frame: Frame) -> None:
        """A line of the log, and a dialog for what needs more than that, once."""
        if frame.stop is None or frame.stop is self._told:
            return
        self._told = frame.stop
        if self.settings.log is not None:
            log_stop(self.settings.log, frame.stop)
        if not self.settings.dialogs:
            return
        report = faults.report(frame.stop, frame.probe, self.session.reversible)
        if report is not None and len(self.screen_stack) == 1:
            self.push_screen(Dialog(report), self.answered)

    # --- messages of panels ---------------------------------------------------------------------

    def on_panel_stale(self, message: Panel.Stale) -> None:
        if isinstance(message, Disassembly.Wheel):
            self.in_time(message.steps if not self.settings.natural else -message.steps)
        else:
            self.driver.look()

    on_disassembly_wheel = on_panel_stale

    def on_panel_chosen(self, message: Panel.Chosen) -> None:
        self.chosen(message.panel, message.target, message.what)

    def on_tabs_picked(self, message: Tabs.Picked) -> None:
        message.panel.focus()

    def on_slider_moved(self, message: Slider.Moved) -> None:
        self.driver.move("goto", message.time)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for deck in self.decks:
            deck.refresh_tabs()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded:
            self.status.set_key(keys.spelled(event.key))
            if event.key == LEAVE and self.focused is self.panels["terminal"]:
                self.action_show("disassembly")
                self.set_focus(self.panels["disassembly"])  # now: the next key is on its way
                return
            if await self._at_once(event):
                return
        await super().on_event(event)

    async def _at_once(self, event: events.Key) -> bool:
        """Does what a key is bound to before the next key is looked at.

        Textual has it climb from the focused widget up first, and the next key goes to where the
        focus still is: of `W after Enter c` typed fast, the question would get the `c`.
        """
        screen = self.screen
        if isinstance(screen, Question):
            return not event.is_printable and await screen.key(event.key, self._check_bindings)
        if isinstance(self.focused, Panel) and self.focused.takes(event.key):
            return False
        ours = len(self.screen_stack) == 1 or isinstance(screen, (Dialog, Help))
        return ours and await self._check_bindings(event.key)

    def refuse(self, error: DebugError | ValueError | str) -> None:
        """Says what was not possible."""
        self.status.say(str(error), bad=True)
