"""Where the native launcher (src/launcher/blink.c) enters Python."""

from __future__ import annotations

_inherited: tuple[int, int] | None = None


def inherited_signals() -> tuple[int, int] | None:
    """The (ignored, blocked) signal sets before Python started, bit n - 1 for signal n.

    None when Python was not started by the launcher: then CPython may have changed SIGPIPE, SIGXFSZ
    and SIGINT already, and what was inherited cannot be known.
    """
    return _inherited


def start(ignored: int, blocked: int) -> int:
    """Runs the `blink` command with sys.argv, given the inherited signal sets."""
    global _inherited
    _inherited = (ignored, blocked)
    from blink.cli.main import main

    return main()
