"""Source files, read once, with the kinds of their words."""

from __future__ import annotations

import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.tui.panel import Row

LIMIT = 4 << 20


class Sources:
    """Lines of source files; a file that is not there has none."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}
        self._rows: dict[str, list[Row]] = {}

    def lines(self, path: str) -> list[str]:
        """The lines of a file."""
        if path not in self._files:
            self._files[path] = _read(path)
        return self._files[path]

    def line(self, path: str, number: int) -> str:
        """One line, counted from 1; empty when there is none."""
        lines = self.lines(path)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def rows(self, path: str) -> list[Row]:
        """The lines in parts with styles."""
        if path not in self._rows:
            self._rows[path] = _colour(path, self.lines(path))
        return self._rows[path]


def _read(path: str) -> list[str]:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > LIMIT:
            return []
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n").expandtabs(4) for line in file]
    except OSError:
        return []


def _colour(path: str, lines: list[str]) -> list[Row]:
    """By Pygments, which Rich brings."""
    from pygments import lex
    from pygments.lexers import get_lexer_for_filename
    from pygments.util import ClassNotFound

    plain: list[Row] = [((line, ""),) for line in lines]
    if not lines or sum(map(len, lines)) > 200_000:
        return plain
    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=True)
    except ClassNotFound:
        return plain
    rows: list[list[tuple[str, str]]] = [[]]
    for kind, text in lex("\n".join(lines), lexer):
        names = _style(str(kind))
        for i, part in enumerate(io.StringIO(text).read().split("\n")):
            if i:
                rows.append([])
            if part:
                rows[-1].append((part, names))
    return [tuple(parts) for parts in rows]


def _style(kind: str) -> str:
    for word, style in (
        ("Comment", "comment"),
        ("Keyword", "mnemonic"),
        ("String", "string"),
        ("Number", "number"),
        ("Function", "symbol"),
    ):
        if word in kind:
            return style
    return ""
