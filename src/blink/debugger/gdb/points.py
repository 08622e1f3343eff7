"""What GDB wants to stop at, kept so that it can be asked of another session, too."""

from __future__ import annotations

from blink.debugger.gdb.signals import from_gdb
from blink.debugger.session import Session

WATCHES = {"2": ("w", "watch"), "3": ("r", "rwatch"), "4": ("rw", "awatch")}
Key = tuple[str, int, int]  # type of the packet, address, length


class Points:
    """`watches`: the session's number -> GDB's name of a watchpoint's kind, and its address."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.watches: dict[int, tuple[str, int]] = {}
        self._points: dict[Key, int] = {}
        self._passed: set[int] = set()
        self._calls: list[str] | None = None  # none; all, or those
        self._execs = False
        self._catches: dict[str, int] = {}  # kind -> the session's number
        self._catch_signals()

    def move_to(self, session: Session) -> None:
        """The same of another session, which wants nothing yet."""
        self._session = session
        keys = list(self._points)
        self._points.clear()
        self.watches.clear()
        self._catches.clear()
        for key in keys:
            self._add(key)
        self._catch_signals()
        self._catch_calls()
        if self._execs:
            self.catch_exec()

    # --- breakpoints and watchpoints ---

    def insert(self, text: str) -> bool:
        """What stands behind `Z`; False for a kind that there is not.  Raises DebugError."""
        key = _key(text)
        if key[0] not in ("0", "1", *WATCHES):
            return False
        if key not in self._points:
            self._add(key)
        return True

    def _add(self, key: Key) -> None:
        kind, address, length = key
        if kind in WATCHES:
            access, name = WATCHES[kind]
            number = self._session.add_watchpoint(address, length, access).number
            self.watches[number] = name, address
        else:
            number = self._session.add_breakpoint(address).number
        self._points[key] = number

    def delete(self, text: str) -> None:
        """What stands behind `z`."""
        number = self._points.pop(_key(text), None)
        if number is not None:
            self._session.remove(number)
            self.watches.pop(number, None)

    # --- events ---

    def pass_signals(self, text: str) -> None:
        """QPassSignals: all others stop."""
        self._passed = {from_gdb(int(word, 16)) for word in text.split(";") if word}
        self._catch_signals()

    def _catch_signals(self) -> None:
        self._catch("signal", [str(n) for n in range(1, 65) if n not in self._passed] or None)

    def catch_calls(self, text: str) -> None:
        """QCatchSyscalls."""
        on, *numbers = text.split(";")
        self._calls = [str(int(number, 16)) for number in numbers] if on == "1" else None
        self._catch_calls()

    def _catch_calls(self) -> None:
        self._catch("syscall", self._calls)

    def catch_exec(self) -> None:
        """From here on an exec stops."""
        self._execs = True
        self._catch("exec", [])

    def _catch(self, kind: str, names: list[str] | None) -> None:
        """None: not at all; []: any."""
        if kind in self._catches:
            self._session.remove(self._catches.pop(kind))
        if names is not None:
            self._catches[kind] = self._session.catch(kind, names).number


def _key(text: str) -> Key:
    kind, address, length = text.partition(";")[0].split(",")
    return kind, int(address, 16), int(length, 16) if kind in WATCHES else 1
