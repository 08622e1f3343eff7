"""Keys as they were typed: Textual's parser drops Alt, or an ESC just before, from many of them."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver


class Parser(XTermParser):
    """Says `alt+colon` for ESC and a colon in one read, as it says `alt+x`: vi must get both."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        for event in super()._sequence_to_key_events(sequence, alt):
            if alt and not event.key.startswith("alt+"):
                yield events.Key(f"alt+{event.key}", event.character)
            else:
                yield event


def install() -> None:
    """Has Textual's driver for terminals use it."""
    vars(linux_driver)["XTermParser"] = Parser
