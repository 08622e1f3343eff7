"""What a program wrote to its terminal, in pieces with their times: any screen of it, again."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from blink.tui.term.parser import Terminal


class Piece(NamedTuple):
    """`raw`: as the program wrote it; else as its terminal passed it on."""

    when: int
    data: bytes
    raw: bool = False


class Script:
    """The output of a recording or a branch, where no terminal has seen it."""

    def __init__(self, before: Iterable[Piece] = ()) -> None:
        self.pieces = list(before)
        self._began = len(self.pieces)

    @property
    def known(self) -> int:
        """How many pieces of its own it has."""
        return len(self.pieces) - self._began

    def until(self, time: int) -> list[Piece]:
        """What had been written by then."""
        return [piece for piece in self.pieces if piece.when <= time]


def feed(terminal: Terminal, piece: Piece) -> None:
    """Writes a piece; lines end where they would in a terminal, of which raw output says nothing:
    programs that have taken the whole screen do that themselves."""
    data = piece.data
    if piece.raw and not terminal.screen.alternate:
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    terminal.feed(data)
