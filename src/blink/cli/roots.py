"""The options that make a root: -C, --overlay, --upper, --bind, --tmpfs, --image, --no-mounts."""

from __future__ import annotations

import posix

from blink.abi.encoding import encode
from blink.cli.options import MOUNTED, UsageError
from blink.roots import plan as plans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.cli.options import CommandLine
    from blink.kernel.process import Options

    Run = Callable[[CommandLine, str | None, Options, list[bytes] | None], int]

OVERLAYS = b"BLINK_OVERLAYS"


class RootError(Exception):
    """A root cannot be made; the message is one line for the user."""


def prepare(line: CommandLine, options: Options, run: Run) -> int:
    """Puts the root into the options and runs the program.  Raises UsageError, RootError."""
    if _is_bare(line):
        options.root = encode(line.values["C"])
        return run(line, line.program, options, None)
    options.mounts = _plan(line)
    if "I" not in line.values:
        return run(line, line.program, options, None)
    from blink.images import ImageError
    from blink.images.run import start

    try:
        return start(line, options, run)
    except ImageError as error:
        raise RootError(str(error)) from None


def _is_bare(line: CommandLine) -> bool:
    """`-C ROOT --no-mounts` and nothing more is chroot(1)."""
    return "N" in line and "C" in line.values and not any(x in line.values for x in MOUNTED)


def _plan(line: CommandLine) -> plans.Plan:
    made = plans.Plan()
    named = [letter for letter in "COI" if letter in line.values]
    if len(named) > 1:
        raise UsageError("-C, --overlay and --image each name the root: give one of them")
    if "C" in line.values:
        made.layers = [encode(line.values["C"])]
    elif "O" in line.values:
        made.layers = plans.overlays(encode(line.values["O"]))
    elif "I" not in line.values:
        made.layers = plans.overlays(posix.environ.get(OVERLAYS, b""))
    if "U" in line.values:
        made.upper = encode(line.values["U"])
    made.bare = "N" in line
    try:
        made.binds = [plans.bind(encode(text)) for text in line.given.get("b", ())]
        made.tmpfs = [plans.point(encode(text), "--tmpfs") for text in line.given.get("T", ())]
    except ValueError as error:
        raise UsageError(str(error)) from None
    return made
