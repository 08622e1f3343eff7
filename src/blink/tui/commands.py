"""The command palette: every action of the key table, by its description."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from blink.tui.keys import KEYS, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTRA = (
    ("goto_address", "find a symbol"),
    ("goto_time", "go to a mark"),
    ("search", "search memory for text or bytes"),
    ("poke", "edit memory: in the past, that starts a branch"),
    ("set_register", "set a register: in the past, that starts a branch"),
    ("leave_branch", "leave the branch: back to the recording"),
    ("themes", "choose a theme"),
    ("screenshot_here", "save a picture of the screen"),
    ("show('registers')", "show the registers"),
    ("show('frames')", "show the frames"),
    ("show('maps')", "show the maps"),
    ("show('calls')", "show the system calls"),
    ("show('threads')", "show the threads"),
    ("show('terminal')", "show the program's terminal"),
    ("show('source')", "show the source"),
    ("show('stack')", "show the stack"),
)


def entries() -> Iterator[tuple[str, str, str]]:
    """(action, text, keys) of all commands."""
    for key in KEYS:
        if not key.action.startswith(("app.", "command_palette")):
            yield key.action, key.text, spelled(key.keys)
    for action, text in EXTRA:
        yield action, text, ""


class Commands(Provider):
    """What `:` offers."""

    async def discover(self) -> Hits:
        for action, text, keys in entries():
            yield DiscoveryHit(text, partial(self.app.run_action, action), help=keys or None)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action, text, keys in entries():
            score = matcher.match(text)
            if score > 0:
                run = partial(self.app.run_action, action)
                yield Hit(score, matcher.highlight(text), run, help=keys or None)
