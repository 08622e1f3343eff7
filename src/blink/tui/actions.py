"""What the keys and commands do: each asks the driver, none waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blink.tui.code import Syntax
from blink.tui.deck import Deck
from blink.tui.panels.breakpoints import Breakpoints
from blink.tui.panels.calls import Calls
from blink.tui.panels.disassembly import Disassembly
from blink.tui.panels.frames import Frames
from blink.tui.panels.maps import Maps
from blink.tui.panels.memory import Memory
from blink.tui.panels.registers import Registers
from blink.tui.panels.stack import Stack
from blink.tui.panels.threads import Threads
from blink.tui.panels.vector import Vector
from blink.tui.screens import Help
from blink.tui.themes import DARK, LIGHT
from blink.tui.tools import Tools

if TYPE_CHECKING:
    from blink.debugger.session import Session
    from blink.tui.driver import Driver, Frame
    from blink.tui.panel import Panel
    from blink.tui.status import Status
    from blink.tui.term.pty import Pty


class Motions:
    """Actions that move the program."""

    driver: Driver
    frame: Frame | None
    status: Status
    session: Session
    trunks: list[Session]
    panels: dict[str, Panel]
    pty: Pty | None

    def action_move(self, name: str) -> None:
        self.follow_present()
        self.driver.move(name)

    def action_rewind(self, count: int = 1) -> None:
        self.in_time(-count)

    def action_replay(self, count: int = 1) -> None:
        self.in_time(count)

    def in_time(self, count: int) -> None:
        """So many instructions forwards, or backwards."""
        self.follow_present()
        if count < 0:
            self.driver.move("reverse_step", -count)
        else:
            self.driver.move("step", count)

    def action_start(self) -> None:
        self.driver.move("goto", 0)

    def action_end(self) -> None:
        if self.driver.busy and self.session.live:
            self.status.say("the program runs: this is the end of its history")
            return
        self.driver.move("goto", self.session.end)

    def action_go(self) -> None:
        self.follow_present()
        self._go(quiet=False)

    def action_go_quietly(self) -> None:
        self._go(quiet=True)

    def _go(self, quiet: bool) -> None:
        if self.driver.lasts:
            self.status.say("the program runs already; ctrl-C stops it")
            return
        self.driver.quiet = quiet
        self.driver.go()

    def action_interrupt(self) -> None:
        if self.driver.busy:
            self.driver.interrupt()
            self.status.say("stopping")
        else:
            self.status.say("the program is stopped; q quits")

    def action_turbo(self) -> None:
        self.driver.speed.turbo()
        self.status.speed = str(self.driver.speed)
        self.status.say(f"speed: {self.driver.speed}")

    def action_slower(self) -> None:
        self.driver.speed.slower()
        self.status.speed = str(self.driver.speed)
        self.status.say(f"speed: {self.driver.speed}")

    def action_restart(self) -> None:
        self.driver.interrupt()
        self.driver.call(self._restart)

    def _restart(self) -> None:
        """In the driver's thread."""
        while self.trunks:
            self.leave_branch()  # type: ignore[attr-defined]
        if self.session.replayed:
            self.driver.move("goto", 0)
            return
        if self.pty is not None:
            self.pty.restart()
        self.session.restart()
        self.driver.history.forget()
        self.call_later(self.status.say, "restarted")  # type: ignore[attr-defined]

    def follow_present(self) -> None:
        """Panels that looked elsewhere look at the present again."""
        code = self.panels["disassembly"]
        assert isinstance(code, Disassembly)
        code.pinned = None


class Actions(Motions, Tools):
    """All actions of the application."""

    decks: list[Deck]

    # --- stops ----------------------------------------------------------------------------------

    def action_breakpoint_here(self) -> None:
        frame = self.frame
        if frame is None or frame.stop_rip is None:
            self.status.say("the program has ended", bad=True)
            return
        code = self.panels["disassembly"]
        assert isinstance(code, Disassembly)
        self.toggle_breakpoint(code.pinned or frame.stop_rip)

    def toggle_breakpoint(self, where: int | str) -> None:
        """Sets a breakpoint, or removes the one that is there."""

        def toggle() -> None:
            points = self.session.breakpoints()
            there = [
                p for p in points if p.kind == "breakpoint" and where in (*p.addresses, p.where)
            ]
            if there:
                for point in there:
                    self.session.remove(point.number)
            else:
                self.session.add_breakpoint(where)

        self.driver.call(toggle)

    def action_pop_breakpoint(self) -> None:
        def pop() -> None:
            points = self.session.breakpoints()
            if points:
                self.session.remove(points[-1].number)

        self.driver.call(pop)

    # --- view -----------------------------------------------------------------------------------

    async def action_help(self) -> None:
        await self.push_screen(Help())  # type: ignore[attr-defined]

    def action_turn(self, by: int) -> None:
        """The next tab of the group that has the focus."""
        focused = self.focused  # type: ignore[attr-defined]
        deck = self._deck_of(focused)
        if deck is not None:
            deck.turn(focused, by).focus()

    def _deck_of(self, panel: Any) -> Deck | None:
        return next((deck for deck in self.decks if panel in deck.panels), None)

    def action_show(self, name: str) -> None:
        """Brings a panel to the front and gives it the focus."""
        panel = self.panels[name]
        deck = self._deck_of(panel)
        if deck is not None:
            deck.display = True
            deck.pick(panel)
        panel.focus()

    def action_go_terminal(self) -> None:
        self.action_show("terminal")
        self.action_go()

    def action_zoom(self) -> None:
        screen = self.screen  # type: ignore[attr-defined]
        focused = self.focused  # type: ignore[attr-defined]
        if screen.maximized is not None:
            screen.minimize()
        elif focused is not None:
            screen.maximize(focused, container=False)
        self.call_after_refresh(self.driver.look)  # type: ignore[attr-defined]

    def action_home(self) -> None:
        self.follow_present()
        self.action_show("disassembly")
        self.driver.look()

    def action_syntax(self) -> None:
        self.status.say(f"{Syntax.toggle()} syntax")
        self.driver.look()

    def action_vector(self, what: str) -> None:
        panel = self.panels["vector"]
        assert isinstance(panel, Vector)
        change = {"type": panel.next_type, "size": panel.next_size, "radix": panel.next_radix}
        self.status.say(change[what]())

    def action_column(self, name: str) -> None:
        deck = self.query_one(f"#{name}", Deck)  # type: ignore[attr-defined]
        deck.display = not deck.display
        self.call_after_refresh(self.driver.look)  # type: ignore[attr-defined]

    def action_dark(self) -> None:
        self.theme = (LIGHT if self.theme == DARK.name else DARK).name  # type: ignore[has-type]

    def action_themes(self) -> None:
        self.search_themes()  # type: ignore[attr-defined]

    def action_redraw(self) -> None:
        self.refresh(layout=True)  # type: ignore[attr-defined]
        self.driver.look()

    def action_screenshot_here(self) -> None:
        self.status.say(f"saved {self.save_screenshot()}")  # type: ignore[attr-defined]

    # --- rows that were opened ------------------------------------------------------------------

    def chosen(self, panel: Panel, target: Any, what: str) -> None:
        """A row was clicked or entered."""
        code = self.panels["disassembly"]
        assert isinstance(code, Disassembly)
        if what == "breakpoint":
            self.toggle_breakpoint(target)
        elif isinstance(panel, Frames):
            code.look_at(target)
        elif isinstance(panel, Threads):
            self.driver.call(lambda: self.session.select(target))
        elif isinstance(panel, Calls):
            self.driver.move("goto", target)
        elif isinstance(panel, Maps) or (isinstance(panel, Stack) and target is not None):
            self.show_memory(target)
        elif isinstance(panel, Registers):
            self.driver.call(lambda: self._show_address(hex(target)))
        elif isinstance(panel, Breakpoints):
            self._change_stop(target, what)

    def show_memory(self, address: int) -> None:
        """Shows an address in the first memory panel."""
        panel = self.panels["memory-code"]
        assert isinstance(panel, Memory)
        self.action_show("memory-code")
        panel.look_at(address)

    def _change_stop(self, number: int, what: str) -> None:
        def change() -> None:
            if what == "delete":
                self.session.remove(number)
                return
            point = next(p for p in self.session.breakpoints() if p.number == number)
            self.session.enable(number, not point.enabled)

        self.driver.call(change)

    def answered(self, answer: str | None) -> None:
        """A dialog was closed."""
        if answer == "back":
            self.in_time(-1)
        elif answer == "restart":
            self.action_restart()
        elif answer == "quit":
            self.exit(0)  # type: ignore[attr-defined]
