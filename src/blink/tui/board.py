"""The screen of panels: what changes is drawn row by row, past Textual's compositor.

Nothing on it overlaps: so a row of a widget that has changed is the text that the terminal gets,
and no line needs to be put together from pieces of all widgets that share it.  Textual's own way is
taken for everything else: a new layout, a notification on top, another screen in front.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from textual._compositor import Compositor, CompositorUpdate
from textual.screen import Screen

from blink.tui.deck import Deck
from blink.tui.lines import Blank, Kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console, ConsoleOptions, RenderResult
    from textual.geometry import Region
    from textual.widget import Widget

    Row = tuple[int, int, Kept, int]  # line and column on the screen, the widget, its line
    Places = list[list[tuple[Region, Kept]]]  # what each line of the screen consists of


class Rows(CompositorUpdate):
    """Whole rows of widgets."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = sorted(rows, key=lambda row: row[:2])

    def render_segments(self, console: Console) -> str:
        return "".join(
            f"\x1b[{y + 1};{x + 1}H{widget.text_of(line, console)}"
            for y, x, widget, line in self.rows
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        raise NotImplementedError  # Textual asks for the text


class RowCompositor(Compositor):
    """Draws rows alone where it can."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: object = None
        self._places: Places | None = None

    def render_partial_update(self) -> Any:
        places = self._layout()
        rows = None if places is None else _rows(places, self._dirty_regions)
        if rows is None:
            return super().render_partial_update()
        self._dirty_regions.clear()
        return Rows(rows) if rows else None

    def _layout(self) -> Places | None:
        """What is where; None if something covers something else."""
        visible = self.visible_widgets  # another one after each layout
        if visible is not self._seen:
            self._seen = visible
            self._places = _places(visible, self.size.height)
        return self._places


def _places(visible: dict[Widget, tuple[Region, Region]], height: int) -> Places | None:
    drawn: list[tuple[Region, Kept]] = []
    for widget, (region, clip) in visible.items():
        if isinstance(widget, Kept) and clip.contains_region(region):
            drawn.append((region, widget))
        elif isinstance(widget, Kept) or not isinstance(widget, (Blank, Deck, Screen)):
            return None
    if any(a.overlaps(b) for (a, _), (b, _) in combinations(drawn, 2)):
        return None
    places: Places = [[] for _ in range(height)]
    for region, widget in drawn:
        for y in region.line_range:
            places[y].append((region, widget))
    return places


def _rows(places: Places, dirty: Iterable[Region]) -> set[Row] | None:
    """The rows that are to be drawn; None if something else is."""
    found: set[Row] = set()
    for region in dirty:
        for y in region.line_range:
            rows = list(_row(places[y], region, y))
            if sum(covered for covered, _ in rows) < region.width:
                return None  # the line between two columns, say
            found.update(row for _, row in rows)
    return found


def _row(there: list[tuple[Region, Kept]], dirty: Region, y: int) -> Iterator[tuple[int, Row]]:
    """The rows in a region of one line, and how much of it each of them is."""
    for place, widget in there:
        covered = min(place.right, dirty.right) - max(place.x, dirty.x)
        if covered > 0:
            yield covered, (y, place.x, widget, y - place.y)


class Board(Screen[Any]):
    """Panels side by side."""

    def __init__(self, **names: Any) -> None:
        super().__init__(**names)
        self._compositor = RowCompositor()
