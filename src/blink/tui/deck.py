"""How panels share the screen: groups with a row of tabs, in decks that show one group or all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.segment import Segment
from textual.containers import Container, Vertical
from textual.message import Message
from textual.strip import Strip

from blink.tui.lines import Blank, Kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from blink.tui.panel import Panel

LEAST = 12  # columns in which a part of a note says something


class Tabs(Kept, can_focus=False):
    """One row: the names of panels, the one in front bold, and what it says of itself."""

    COMPONENT_CLASSES = {"tabs--front", "tabs--back", "tabs--note", "tabs--focused"}

    class Picked(Message):
        """A tab was clicked."""

        def __init__(self, panel: Panel) -> None:
            super().__init__()
            self.panel = panel

    def __init__(self, panels: Sequence[Panel]) -> None:
        super().__init__()
        self.panels = panels
        self.front = panels[0]
        self._ends: list[int] = []
        self._said: object = None

    def update(self) -> None:
        """Draws it again if it says something else than before."""
        said = (self.front, self.front.has_focus, self.front.content.note)
        if said != self._said:
            self._said = said
            self.refresh()

    def render_line(self, y: int) -> Strip:
        segments, self._ends, x = [], [], 0
        short = sum(len(panel.title) + 2 for panel in self.panels) > self.size.width
        for panel in self.panels:
            front = panel is self.front
            name = "focused" if front and panel.has_focus else "front" if front else "back"
            text = f" {panel.short if short else panel.title} "
            x += len(text)
            self._ends.append(x)
            segments.append(Segment(text, self.get_component_rich_style(f"tabs--{name}")))
        text = _fitted(self.front.content.note, self.size.width - x)
        style = self.get_component_rich_style("tabs--note")
        if text:
            room = self.size.width - x - cell_len(text)
            segments += [Segment(" " * room, style), Segment(text, style)]
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        for end, panel in zip(self._ends, self.panels, strict=False):
            if event.x < end:
                self.post_message(self.Picked(panel))
                return


def _fitted(note: str, room: int) -> str:
    """A note, its end if it is too long, nothing where that would say nothing."""
    text = f" {note} "
    if not note or (len(text) > room and room < LEAST):
        return ""
    return text if len(text) <= room else f" …{text[3 - room - 1 :]}"


class Group(Blank, Vertical):
    """Panels of which one is seen."""

    def __init__(self, *panels: Panel, least: int = 5, **names: Any) -> None:
        super().__init__(**names)
        self.panels = panels
        self.least = least  # rows that it needs to be of use
        self.front = panels[0]
        self.tabs = Tabs(panels)

    def compose(self) -> ComposeResult:
        yield self.tabs
        yield from self.panels

    def on_mount(self) -> None:
        self.pick(self.front)

    def pick(self, panel: Panel) -> None:
        """Brings a panel to the front."""
        self.front = self.tabs.front = panel
        for other in self.panels:
            other.display = other is panel
        self.tabs.refresh()


class Columns(Blank, Container):
    """Decks side by side."""


class Deck(Vertical):
    """A column of groups.

    With room for all of them, each is there.  With less, the first is, and the others share what is
    left; with little, or when `compact`, one panel is seen and the tabs name all.
    """

    def __init__(self, *groups: Group, **names: Any) -> None:
        super().__init__(**names)
        self.groups = groups
        self.compact = False
        self.panels = [panel for group in groups for panel in group.panels]
        self.others = [panel for group in groups[1:] for panel in group.panels]
        self.all_tabs = Tabs(self.panels)
        self.other_tabs = Tabs(self.others)
        self.front = self.panels[0]
        self.other = self.others[0]
        self._height = 0
        for group in groups[1:]:
            group.add_class("other")

    def compose(self) -> ComposeResult:
        yield self.all_tabs
        yield self.groups[0]
        yield self.other_tabs
        yield from self.groups[1:]

    def on_mount(self) -> None:
        self.lay_out()

    def fit(self, height: int, compact: bool) -> None:
        """So many rows are there."""
        self._height, self.compact = height, compact
        self.lay_out()

    @property
    def shared(self) -> bool:
        """Whether the groups behind the first share their place."""
        return self._height < sum(group.least for group in self.groups)

    def lay_out(self) -> None:
        """Shows the groups and rows of tabs that there is room for."""
        self.all_tabs.front, self.other_tabs.front = self.front, self.other
        self.all_tabs.display = self.compact
        self.other_tabs.display = not self.compact and self.shared
        self.set_class(self.other_tabs.display, "shared")
        for i, group in enumerate(self.groups):
            if self.compact:
                group.display = self.front in group.panels
                group.tabs.display = False
            else:
                group.display = i == 0 or not self.shared or self.other in group.panels
                group.tabs.display = i == 0 or not self.shared
        self.refresh_tabs()

    def on_tabs_picked(self, message: Tabs.Picked) -> None:
        message.stop()
        self.pick(message.panel)
        message.panel.focus()

    def pick(self, panel: Panel) -> None:
        """Brings a panel to the front."""
        self.front = panel
        if panel in self.others:
            self.other = panel
        for group in self.groups:
            if panel in group.panels:
                group.pick(panel)
        self.lay_out()
        panel.stale()

    def turn(self, panel: Panel | None, by: int) -> Panel:
        """Brings the next tab to the front, of those among which the focus is."""
        group = next((g for g in self.groups if panel in g.panels), self.groups[0])
        panels, current = list(group.panels), group.front
        if self.compact:
            panels, current = self.panels, self.front
        elif self.shared and panel in self.others:
            panels, current = self.others, self.other
        chosen = panels[(panels.index(current) + by) % len(panels)]
        self.pick(chosen)
        return chosen

    def refresh_tabs(self) -> None:
        """What panels say of themselves has changed."""
        for tabs in (self.all_tabs, self.other_tabs, *(group.tabs for group in self.groups)):
            tabs.update()
