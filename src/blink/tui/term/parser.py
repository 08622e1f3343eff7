"""A terminal's screen: pyte's, with what today's programs need besides.

Added: the alternate screen, REP, SU and SD, save and restore by CSI, answers to queries, and a
filter for sequences that pyte would print or misread.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import pyte
from pyte.screens import Margins

ALTERNATE = {47, 1047, 1049}
MOUSE = {1000, 1002, 1003}
# What no terminal of this kind answers or does: strings (DCS, APC, PM, SOS) and CSI with a private
# marker or an intermediate byte, except for ? with h and l, which set modes, and !p, a soft reset.
_STRING = re.compile(rb"\x1b[PX^_].*?(?:\x1b\\|\x07)", re.DOTALL)
_PRIVATE = re.compile(
    rb"\x1b\[(?:[<=>][0-9;:]*[ -/]*[@-~]|\?[0-9;]*[ -/]+[@-~]"
    rb"|\?[0-9;]*[a-gi-km-z]|[0-9;]*[ -/]+[@-~])"
)
_SUBPARAMETERS = re.compile(rb"\x1b\[[0-9;:]*:[0-9;:]*m")
_UNFINISHED = re.compile(
    rb"\x1b(?:\[[<=>?]?[0-9;:]*[ -/]*|[PX^_\]][^\x07\x1b]{0,4096}\x1b?|)$", re.DOTALL
)
_QUERY = re.compile(rb"\x1b\[>[0-9]*c")
_PLAIN = re.compile(rb"[^\x1b\x0e\x0f\x0b\x0c\x08\x84\x85\x88\x8d\x9b]*")


class Screen(pyte.Screen):
    """The cells of a terminal; `answer` is called with what it says to the program."""

    def __init__(self, columns: int, lines: int, answer: Callable[[bytes], None]) -> None:
        self._answer = answer
        self._primary: tuple[Any, Any] | None = None
        self._last = " "
        self._saved: Any = None
        self.title_text = ""
        super().__init__(columns, lines)

    def write_process_input(self, data: str) -> None:
        self._answer(data.encode())

    def draw(self, data: str) -> None:
        super().draw(data)
        self._last = data[-1:] or self._last

    def repeat(self, count: int = 1) -> None:
        """REP: the last character again."""
        super().draw(self._last * min(count or 1, self.columns * self.lines))

    def scroll_up(self, count: int = 1) -> None:
        """SU."""
        self._in_region(count, self.index, bottom=True)

    def scroll_down(self, count: int = 1) -> None:
        """SD."""
        self._in_region(count, self.reverse_index, bottom=False)

    def _in_region(self, count: int, move: Callable[[], None], bottom: bool) -> None:
        top, low = self.margins or Margins(0, self.lines - 1)
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = low if bottom else top
        for _ in range(min(count or 1, self.lines)):
            move()
        self.cursor.x, self.cursor.y = x, y

    def save_by_csi(self, *_: int) -> None:
        """SCOSC."""
        self._saved = (self.cursor.x, self.cursor.y)

    def restore_by_csi(self, *_: int) -> None:
        """SCORC."""
        if self._saved is not None:
            self.cursor.x, self.cursor.y = self._saved

    def set_mode(self, *modes: int, **names: Any) -> None:
        if names.get("private") and ALTERNATE.intersection(modes):
            self._enter_alternate()
        super().set_mode(*modes, **names)

    def reset_mode(self, *modes: int, **names: Any) -> None:
        super().reset_mode(*modes, **names)
        if names.get("private") and ALTERNATE.intersection(modes):
            self._leave_alternate()

    def _enter_alternate(self) -> None:
        if self._primary is None:
            lines = {y: dict(line) for y, line in self.buffer.items()}
            self._primary = (lines, (self.cursor.x, self.cursor.y, self.cursor.attrs))
            self.erase_in_display(2)

    def _leave_alternate(self) -> None:
        if self._primary is None:
            return
        lines, (x, y, attributes) = self._primary
        self._primary = None
        self.erase_in_display(2)
        for row, cells in lines.items():
            self.buffer[row].update(cells)
        self.cursor.x, self.cursor.y, self.cursor.attrs = x, y, attributes
        self.ensure_hbounds()
        self.ensure_vbounds()
        self.dirty.update(range(self.lines))

    @property
    def alternate(self) -> bool:
        """Whether the other screen is shown, as by an editor."""
        return self._primary is not None

    def has_mode(self, number: int) -> bool:
        """Whether a DEC private mode is set."""
        return number << 5 in self.mode


class Stream(pyte.ByteStream):
    """pyte's parser with more control sequences."""

    csi = {
        **pyte.Stream.csi,
        "b": "repeat",
        "S": "scroll_up",
        "T": "scroll_down",
        "s": "save_by_csi",
        "u": "restore_by_csi",
    }
    events = frozenset(
        itertools.chain(
            pyte.Stream.basic.values(),
            pyte.Stream.escape.values(),
            pyte.Stream.sharp.values(),
            csi.values(),
            ["define_charset", "set_icon_name", "set_title", "draw", "debug"],
        )
    )


class Terminal:
    """Bytes in, cells out.

    Bytes that only scroll away are not parsed: what `yes` writes costs no more than a screenful.
    """

    def __init__(
        self, columns: int, lines: int, answer: Callable[[bytes], None] = lambda data: None
    ) -> None:
        self._answer = answer
        self.screen = Screen(columns, lines, answer)
        self.stream = Stream(self.screen)
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Takes output of the program."""
        data, self._rest = self._rest + data, b""
        if _QUERY.search(data):
            self._answer(b"\x1b[>1;100;0c")
        if unfinished := _UNFINISHED.search(data):
            data, self._rest = data[: unfinished.start()], data[unfinished.start() :]
        data = _PRIVATE.sub(b"", _STRING.sub(b"", data))
        data = _SUBPARAMETERS.sub(_without_subparameters, data)
        self.stream.feed(self._visible(data))

    def _visible(self, data: bytes) -> bytes:
        """Without the lines that plain text pushes out of the screen at once."""
        screen = self.screen
        if len(data) < 4096 or screen.margins is not None:
            return data
        plain = _PLAIN.fullmatch(data)
        if plain is None or data.count(b"\n") <= 2 * screen.lines:
            return data
        kept = data.rsplit(b"\n", 2 * screen.lines)
        return b"\r\n" + b"\n".join(kept[1:])

    def resize(self, columns: int, lines: int) -> None:
        """A new size; what was at the bottom stays at the bottom."""
        screen = self.screen
        lost = screen.cursor.y + 1 - lines
        if lost > 0:
            screen.margins = None
            x, y = screen.cursor.x, screen.cursor.y
            screen.cursor.y = screen.lines - 1
            for _ in range(lost):
                screen.index()
            screen.cursor.x, screen.cursor.y = x, y - lost
            kept = {row: dict(screen.buffer[row]) for row in range(lines)}
            cursor = (x, y - lost)
            screen.resize(lines, columns)
            for row, cells in kept.items():
                screen.buffer[row].clear()
                screen.buffer[row].update({c: v for c, v in cells.items() if c < columns})
            screen.cursor.x, screen.cursor.y = min(cursor[0], columns - 1), cursor[1]
        else:
            screen.resize(lines, columns)
        screen.dirty.update(range(lines))


def _without_subparameters(match: re.Match[bytes]) -> bytes:
    """`4:3` (a curly underline) is `4`; `38:2::r:g:b` is `38;2;r;g;b`."""
    parts = []
    for part in match[0][2:-1].split(b";"):
        if part.startswith((b"38:2:", b"48:2:")):
            numbers = [p for p in part.split(b":") if p]
            parts.append(b";".join([*numbers[:2], *numbers[-3:]]))
        elif part.startswith((b"38:5:", b"48:5:")):
            parts.append(part.replace(b":", b";"))
        else:
            parts.append(part.partition(b":")[0])
    return b"\x1b[" + b";".join(parts) + b"m"
