"""What the user wants to stop at: breakpoints, watchpoints, catchpoints, by number."""

from __future__ import annotations

import difflib
import re
from contextlib import suppress

from blink.abi.signals import NSIG
from blink.abi.signals import name as signal_name
from blink.debugger.errors import DebugError
from blink.debugger.modules import Symbols
from blink.debugger.stops import KINDS
from blink.syscalls._table import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WORD = re.compile(r"[A-Za-z_]\w*")
_QUOTED = re.compile(r"""["']([^"']+)["']""")
CATCHES = ("syscall", "signal", "exec", "fork", "clone", "load", "exit")


class Point:
    """One of them.

    number      for remove() and enable()
    kind        "breakpoint", "watchpoint" or "catch"
    where       as the user said it; an int is an address
    addresses   where it lies now; empty while it is pending
    length      of a watchpoint
    access      of a watchpoint: r, w, rw, change; of a catchpoint: what is caught
    names       of a catchpoint; empty for any
    condition   an expression, or None
    temporary   gone after its first stop
    ignore      hits that do not stop before one does
    hits        how often it was come by, ignored ones included
    """

    __slots__ = (
        *("access", "addresses", "condition", "enabled", "hits", "ignore", "kind", "length"),
        *("names", "number", "temporary", "where"),
    )

    def __init__(self, number: int, kind: str, where: int | str) -> None:
        self.number = number
        self.kind = kind
        self.where = where
        self.addresses: list[int] = []
        self.length = 0
        self.access = ""
        self.names: tuple[str, ...] = ()
        self.condition: str | None = None
        self.temporary = False
        self.ignore = 0
        self.hits = 0
        self.enabled = True

    @property
    def pending(self) -> bool:
        """Whether it waits for a file to be loaded."""
        return self.kind == "breakpoint" and not self.addresses

    @property
    def named(self) -> bool:
        """Whether its addresses depend on what is loaded."""
        return self.kind == "breakpoint" and not isinstance(self.where, int)

    def __repr__(self) -> str:
        where = hex(self.where) if isinstance(self.where, int) else self.where
        return f"<{self.kind} {self.number} {self.access} {where}>".replace("  ", " ")


def _unknown(access: str, names: tuple[str, ...]) -> str | None:
    """What is wrong with the names of system calls or signals, which may be numbers, too."""
    if access == "syscall":
        known = {name for _, name in index().values()}
    elif access == "signal":
        known = {signal_name(number) for number in range(1, NSIG + 1)}
    else:
        return None
    for name in names:
        if name not in known and not name.isdecimal():
            near = difflib.get_close_matches(name, sorted(known), 3)
            what = "system call" if access == "syscall" else "signal"
            return f"no {what} is called {name}" + (f"; near: {', '.join(near)}" if near else "")
    return None


class Points:
    """The list.  `version` grows with each change."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._points: dict[int, Point] = {}
        self._next = 1
        self.version = 1

    def __iter__(self) -> Any:
        return iter(list(self._points.values()))

    def __getitem__(self, number: int) -> Point:
        try:
            return self._points[number]
        except KeyError:
            raise DebugError(f"there is no breakpoint {number}") from None

    def add_breakpoint(self, where: int | str, pending: bool) -> Point:
        """Raises DebugError for a symbol that there is not, unless it may be pending."""
        if not isinstance(where, (int, str)):
            raise DebugError(f"a breakpoint is at an address or a name, not {where!r}")
        point = Point(self._next, "breakpoint", where)
        try:
            point.addresses = self._resolve(where)
        except DebugError:
            if not pending:
                raise
        return self._enter(point)

    def add_watchpoint(self, address: int, length: int, access: str) -> Point:
        """Raises DebugError for a kind or a length that there is not."""
        if access not in KINDS:
            raise DebugError(f"a watchpoint is one of {', '.join(KINDS)}, not {access}")
        if not isinstance(address, int) or not isinstance(length, int):
            raise DebugError(
                f"a watchpoint has an address and a length, not {address!r}, {length!r}"
            )
        if length < 1:
            raise DebugError("a watchpoint has at least one byte")
        point = Point(self._next, "watchpoint", address)
        point.addresses, point.length, point.access = [address], length, access
        return self._enter(point)

    def add_catch(self, access: str, names: tuple[str, ...]) -> Point:
        """Raises DebugError for what cannot be caught."""
        if access not in CATCHES:
            raise DebugError(f"what can be caught: {', '.join(CATCHES)}; not {access}")
        if problem := _unknown(access, names):
            raise DebugError(problem)
        point = Point(self._next, "catch", " ".join(names))
        point.access, point.names = access, names
        return self._enter(point)

    def _enter(self, point: Point) -> Point:
        self._points[point.number] = point
        self._next += 1
        self.version += 1
        return point

    def remove(self, number: int) -> None:
        """Raises DebugError when there is none."""
        del self._points[self[number].number]
        self.version += 1

    def enable(self, number: int, on: bool) -> None:
        """Raises DebugError when there is none."""
        self[number].enabled = on
        self.version += 1

    def _resolve(self, where: int | str) -> list[int]:
        if isinstance(where, int):
            return [where]
        text = where.strip()
        if text.startswith("*"):
            text = text[1:].strip()
        with suppress(ValueError):
            return [int(text, 0)]
        return self._symbols.resolve(text)

    def resolve_again(self, all_of_them: bool, symbols: Symbols | None = None) -> None:
        """Files have come: looks for pending names, or, in a new program, for all; from here on
        among these symbols."""
        self._symbols = symbols or self._symbols
        for point in self:
            if not point.named or not (all_of_them or point.pending):
                continue
            try:
                found = self._resolve(point.where)
            except DebugError:
                found = []
            if found != point.addresses:
                point.addresses = found
                self.version += 1

    @property
    def any_named(self) -> bool:
        """Whether some change with the program that runs."""
        return any(p.named for p in self)

    @property
    def any_pending(self) -> bool:
        """Whether a file that is loaded may concern one."""
        return any(p.pending and p.enabled for p in self)

    def wire(self) -> dict[str, Any]:
        """All enabled ones, for the target."""
        catches: dict[str, dict[str, list[int]]] = {}
        rows: dict[str, list[dict[str, Any]]] = {"breakpoint": [], "watchpoint": []}
        for point in self:
            if not point.enabled:
                continue
            if point.kind == "catch":
                by_name = catches.setdefault(point.access, {})
                for name in point.names or ("",):
                    by_name.setdefault(name, []).append(point.number)
                continue
            rows[point.kind] += [self._row(point, address) for address in point.addresses]
        if self.any_pending:
            catches.setdefault("load", {}).setdefault("", []).append(0)
        catches.setdefault("exec", {}).setdefault("", []).append(0)
        return {
            "breakpoints": rows["breakpoint"],
            "watchpoints": rows["watchpoint"],
            "catches": catches,
        }

    def _row(self, point: Point, address: int) -> dict[str, Any]:
        row = {
            "number": point.number,
            "address": address,
            "condition": point.condition,
            "symbols": self._named(point.condition),
            "ignore": point.ignore,
        }
        if point.kind == "watchpoint":
            row |= {"length": point.length, "kind": point.access}
        return row

    def _named(self, condition: str | None) -> dict[str, int]:
        """The addresses of the symbols in a condition: all words of it that are symbols."""
        if not condition:
            return {}
        words = set(_WORD.findall(condition)) | set(_QUOTED.findall(condition))
        found = ((word, self._symbols.find(word)) for word in words)
        return {word: addresses[0] for word, addresses in found if addresses}

    def count(self, hits: dict[str, int]) -> None:
        """What a motion came by."""
        for number, times in hits.items():
            point = self._points.get(int(number))
            if point is not None:
                point.hits += times
                point.ignore = max(point.ignore - times, 0)

    def stopped(self, numbers: list[int]) -> None:
        """Temporary ones that stopped are gone."""
        for number in numbers:
            if number in self._points and self._points[number].temporary:
                self.remove(number)
