"""The `blink` command."""

from __future__ import annotations

import sys

from blink import __version__


def main(argv: list[str] | None = None) -> int:
    """Runs the command line (without the program's name) and returns the exit status."""
    args = sys.argv[1:] if argv is None else argv
    if args and args[0] in ("-v", "--version"):
        print(f"blink {__version__}")
        return 0
    print("usage: blink [-v] PROGRAM [ARGS]", file=sys.stderr)
    return 2
