"""Actions that ask the user for a line first: where, what, when."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blink.debugger.errors import DebugError
from blink.tui.screens import Question

if TYPE_CHECKING:
    from textual.widget import AwaitMount

    from blink.debugger.session import Session
    from blink.tui.driver import Driver, Frame
    from blink.tui.panel import Panel
    from blink.tui.status import Status
    from blink.tui.term.pty import Pty

KINDS = ("w", "r", "rw", "change")


class Tools:
    """Questions and what follows from their answers."""

    driver: Driver
    frame: Frame | None
    status: Status
    session: Session
    panels: dict[str, Panel]
    trunks: list[Session]  # what was left for the branch that is shown
    pty: Pty | None

    def ask(self, title: str, hint: str, use: Callable[[str], None]) -> AwaitMount:
        """Asks, and has the driver's thread use the answer; its errors go to the status line.

        Who waits for what is returned has the next key go to the question.
        """

        def answered(line: str | None) -> None:
            if line is not None:
                self.driver.call(lambda: use(line))

        shown: AwaitMount = self.push_screen(Question(title, hint), answered)  # type: ignore[attr-defined]
        return shown

    def value(self, text: str) -> int:
        """A number, a register, a symbol or a sum of those.  Raises DebugError."""
        total, text = 0, text.replace("-", "+-")
        for part in filter(None, (word.strip() for word in text.split("+"))):
            sign = -1 if part.startswith("-") else 1
            total += sign * self._term(part.lstrip("- "))
        return total & (1 << 64) - 1

    def _term(self, word: str) -> int:
        try:
            return int(word.lstrip("*"), 0)
        except ValueError:
            pass
        registers = self.session.registers()
        if word.lstrip("$%").lower() in registers:
            return int(registers[word.lstrip("$%").lower()])
        return int(self.session.symbols.resolve(word)[0])

    # --- stops ----------------------------------------------------------------------------------

    def action_breakpoint(self) -> AwaitMount:
        return self.ask(
            "Breakpoint at", "main   file.c:12   0x401000   main if rdi == 2", self._break
        )

    def _break(self, line: str) -> None:
        where, _, condition = line.partition(" if ")
        self.session.add_breakpoint(where.strip(), condition=condition.strip() or None)

    def action_watch(self) -> AwaitMount:
        return self.ask("Watch", "ADDRESS [LENGTH] [w|r|rw|change]   rsp+8 8 change", self._watch)

    def _watch(self, line: str) -> None:
        words = line.split()
        kind = words.pop() if words[-1] in KINDS else "w"
        length = int(words.pop(), 0) if len(words) > 1 else 8
        self.session.add_watchpoint(self.value(" ".join(words)), length, kind)

    def action_catch(self) -> AwaitMount:
        hint = "syscall [NAMES]   signal [NAMES]   exec   fork   load"
        return self.ask("Catch", hint, self._catch)

    def _catch(self, line: str) -> None:
        kind, *names = line.split()
        self.session.catch(kind, names)

    def action_run_to(self) -> AwaitMount | None:
        pinned = getattr(self.panels["disassembly"], "pinned", None)
        if pinned is None:
            return self.ask("Run to", "main   0x401000", self._run_to)
        self.driver.move("until", pinned)
        return None

    def _run_to(self, line: str) -> None:
        self.driver.move("until", self.value(line))

    # --- time -----------------------------------------------------------------------------------

    def action_goto_time(self) -> AwaitMount:
        return self.ask("Go to time", "12345   +100   -100   50%   a mark", self._goto)

    def _goto(self, line: str) -> None:
        marks = dict(self.session.marks())
        if line in marks:
            self.driver.move("goto", marks[line])
            return
        number = line.replace(",", "").replace("_", "")
        try:
            if number.endswith("%"):
                time = int(self.session.end * float(number[:-1]) / 100)
            else:
                time = int(number, 0) + (self.session.time if number[0] in "+-" else 0)
        except ValueError:
            known = f"; marks: {', '.join(marks)}" if marks else ""
            raise DebugError(f"{line!r} is no time and no mark{known}") from None
        self.driver.move("goto", max(0, time))

    def action_mark(self) -> AwaitMount:
        return self.ask("Name this time", "before the crash", self.session.mark)

    def action_who_wrote(self) -> AwaitMount:
        hint = "ADDRESS [LENGTH]   rbp-16 8"
        return self.ask("Who wrote last to", hint, self._who_wrote)

    def _who_wrote(self, line: str) -> None:
        words = line.split()
        length = int(words.pop(), 0) if len(words) > 1 else 1
        self.driver.move("last_write", self.value(" ".join(words)), length)

    # --- places ---------------------------------------------------------------------------------

    def action_goto_address(self) -> AwaitMount:
        return self.ask("Show", "main   0x401000   rip+32   rsp", self._show_address)

    def _show_address(self, line: str) -> None:
        address = self.value(line)
        mapping = next((m for m in self.session.maps() if m.start <= address < m.end), None)
        if mapping is None:
            raise DebugError(f"nothing is mapped at {address:#x}")
        name = "disassembly" if mapping.prot & 4 else "memory-code"
        panel: Any = self.panels[name]
        self.call_later(self.action_show, name)  # type: ignore[attr-defined]
        self.call_later(panel.look_at, address)  # type: ignore[attr-defined]

    def action_search(self) -> AwaitMount:
        return self.ask(
            "Search memory for", 'text   0xdeadbeef (8 bytes)   b"\\x7fELF"', self._search
        )

    def _search(self, line: str) -> None:
        found = self.session.search(pattern_of(line), limit=100)
        if not found:
            raise DebugError(f"{line} is nowhere in memory")
        here: Any = self.panels["memory-code"]
        later = [address for address in found if address > (here.pinned or -1)]
        address = (later or found)[0]
        self.call_later(self.show_memory, address)  # type: ignore[attr-defined]
        many = f"{len(found)} places" if len(found) > 1 else "one place"
        self.call_later(self.status.say, f"found at {many}; this is {address:#x}")  # type: ignore[attr-defined]

    # --- changes --------------------------------------------------------------------------------

    def action_poke(self) -> AwaitMount:
        return self.ask("Write memory", 'ADDRESS = 0x1234 (8 bytes), text or b"..."', self._poke)

    def _poke(self, line: str) -> None:
        where, equals, what = line.partition("=")
        if not equals:
            raise DebugError("write it as ADDRESS = VALUE")
        address = self.value(where)
        self._changeable().write(address, pattern_of(what.strip()))

    def action_set_register(self) -> AwaitMount:
        return self.ask("Set register", "rax = 12", self._set_register)

    def _set_register(self, line: str) -> None:
        name, equals, what = line.partition("=")
        if not equals:
            raise DebugError("write it as NAME = VALUE")
        value = self.value(what)
        self._changeable().set_register(name.strip().lower(), value)

    # --- branches ---

    def _changeable(self) -> Session:
        """The session to change: in the past, a branch that begins here, unless it just has."""
        trunk = self.session
        if trunk.live or (self.trunks and trunk.changeable):
            if self.trunks:
                self._leave_screen()
                self._begin_screen(trunk.time)
            return trunk
        branch = trunk.branch()
        for point in trunk.breakpoints():
            if point.kind == "breakpoint":
                branch.add_breakpoint(point.where, point.condition, pending=True)
        self.trunks.append(trunk)
        self._stand_on(branch, "a branch begins here; `leave the branch` in : goes back")
        self._begin_screen(branch.time)
        return branch

    def _begin_screen(self, time: int) -> None:
        """The terminal goes on from what it showed at the start of the branch."""
        if self.pty is not None:
            self.pty.branch(time)

    def _leave_screen(self) -> None:
        if self.pty is not None:
            self.pty.leave()

    def action_leave_branch(self) -> None:
        self.driver.call(self.leave_branch)

    def leave_branch(self) -> None:
        """In the driver's thread: what was left shows where it stood."""
        if not self.trunks:
            raise DebugError("this is no branch")
        branch = self.session
        self._leave_screen()
        self._stand_on(self.trunks.pop(), "back on the recording")
        branch.close()

    def _stand_on(self, session: Session, said: str) -> None:
        self.session = self.driver.session = session
        self.call_later(self.status.say, said)  # type: ignore[attr-defined]

    def action_save(self) -> AwaitMount:
        return self.ask("Save the recording as", "bug.cap", self._save)

    def _save(self, line: str) -> None:
        session: Any = self.session
        if not hasattr(session, "save"):
            raise DebugError("this session has no recording")
        session.save(line)
        self.call_later(self.status.say, f"saved {line}")  # type: ignore[attr-defined]


def pattern_of(text: str) -> bytes:
    """Bytes of a Python literal, a number of eight bytes, or the text itself."""
    if text[:2] in ('b"', "b'"):
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            raise DebugError(f"{text} is no bytes literal") from None
        return bytes(value)
    try:
        return (int(text, 0) & (1 << 64) - 1).to_bytes(8, "little")
    except ValueError:
        return text.strip("\"'").encode()
