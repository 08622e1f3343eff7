"""What a user of the debugger can mend: one line of text, no traceback."""

from __future__ import annotations


class DebugError(Exception):
    """A request that cannot be served; the message is one line that says what and why."""
