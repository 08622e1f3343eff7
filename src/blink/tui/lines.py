"""Widgets that draw fast: they have neither borders nor padding, so their lines are their rows.

Whatever changes on the screen, Textual asks each widget in between for all of its lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style

Row = tuple[tuple[str, str], ...]  # texts, each with the names of its styles
ELLIPSIS = "…"
PICTURES = {i: 0x2400 + i for i in range(32)} | dict.fromkeys(range(0x7F, 0xA0), 0x2421)


def filtered(widget: Widget, strip: Strip) -> Strip:
    """A line as the application's filters leave it."""
    for each in widget.get_line_filters():
        if each.enabled:
            strip = strip.apply_filter(each, widget.background_colors[1])
    return strip


def cropped(strips: list[Strip], crop: Region, width: int) -> list[Strip]:
    """What is wanted of lines of a widget's width."""
    whole = crop.x == 0 and crop.right == width
    return strips if whole else [strip.crop(crop.x, crop.right) for strip in strips]


class Kept(Widget):
    """Keeps its lines until it is refreshed; `render_line` makes them."""

    _kept: dict[int, Strip] | None = None
    _kept_width = 0

    def refresh(self, *regions: Region, **how: Any) -> Kept:
        self._kept = None
        super().refresh(*regions, **how)
        return self

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._kept = None

    def render_lines(self, crop: Region) -> list[Strip]:
        width = self.size.width
        if self._kept is None or self._kept_width != width:
            self._kept, self._kept_width = {}, width
        for y in crop.line_range:
            if y not in self._kept:
                self._kept[y] = filtered(self, self.render_line(y))
        return cropped([self._kept[y] for y in crop.line_range], crop, width)

    def text_of(self, y: int, console: Console) -> str:
        """A row as the terminal gets it."""
        return self.render_lines(Region(0, y, self.size.width, 1))[0].render(console)


class Blank(Widget):
    """Nothing of its own to see: what it contains covers it."""

    _blank: Strip | None = None

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._blank = None

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._blank is None or self._blank.cell_length != crop.width:
            self._blank = filtered(self, Strip.blank(crop.width, self.rich_style))
        return [self._blank] * crop.height


def line(parts: list[tuple[str, Style]], width: int, fill: Style) -> Strip:
    """Texts that fit as a line of some width; neighbours of one style are one segment."""
    segments: list[Segment] = []
    text, last = "", None
    for more, style in parts:
        if style is not last:
            if text:
                segments.append(Segment(text, last))
            text, last = "", style
        text += more
    if text:
        segments.append(Segment(text, last))
    length = sum(segment.cell_length for segment in segments)
    if length < width:
        segments.append(Segment(" " * (width - length), fill))
    return Strip(segments, max(length, width))


def fitted(parts: Row, width: int) -> tuple[Row, int]:
    """A row that is no wider, and its width; `…` says that there is more.  What would tell the
    terminal something (ESC in the name of a file, say) is a picture of itself."""
    if not all(text.isprintable() for text, _ in parts):
        parts = tuple((text.translate(PICTURES), names) for text, names in parts)
    cells = [_cells(text) for text, _ in parts]
    length = sum(cells)
    if length <= width:
        return parts, length
    if _cells("".join(text for text, _ in parts).rstrip()) <= width:
        return _cut(parts, cells, width), width
    kept = _cut(parts, cells, width - 1)
    return (*kept, (ELLIPSIS, kept[-1][1] if kept else "")), width


def _cut(parts: Row, cells: list[int], room: int) -> Row:
    kept: list[tuple[str, str]] = []
    for (text, names), size in zip(parts, cells, strict=True):
        kept.append((text if size <= room else set_cell_size(text, room), names))
        room -= size
        if room <= 0:
            break
    return tuple(kept)


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
