"""The options that make a root: -C, --overlay, --upper, --bind, --tmpfs, --image, --no-mounts."""

from __future__ import annotations

from blink.abi.encoding import encode
from blink.cli.options import UsageError
from blink.roots.plan import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from blink.cli.options import CommandLine
    from blink.kernel.process import Options

    Run = Callable[[CommandLine, str | None, Options, list[bytes] | None], int]

# Letter of an option -> what `Request` calls it.
_ONE = {"C": "root", "O": "overlay", "I": "image", "U": "upper"}
_MANY = {"b": "binds", "T": "tmpfs"}


class RootError(Exception):
    """A root cannot be made; the message is one line for the user."""


def words(line: CommandLine) -> dict[str, Any]:
    """What a `Request` is made of.  Raises UsageError."""
    found: dict[str, Any] = {
        name: line.values[letter] for letter, name in _ONE.items() if letter in line
    }
    found |= {name: line.given[letter] for letter, name in _MANY.items() if letter in line.given}
    if "N" in line:
        found["bare"] = True
    try:
        Request(**found).plan()
    except ValueError as error:
        raise UsageError(str(error)) from None
    return found


def prepare(line: CommandLine, options: Options, run: Run) -> int:
    """Puts the root into the options and runs the program.  Raises UsageError, RootError."""
    request = Request(**words(line))
    if request.is_chroot:
        options.root = encode(request.root)
    else:
        options.mounts = request.plan()
    if not request.image:
        return run(line, line.program, options, None)
    from blink.images import ImageError
    from blink.images.run import prepare as prepare_image

    assert options.mounts is not None
    try:
        line.argv, env = prepare_image(request.image, line.argv, options.mounts)
    except ImageError as error:
        raise RootError(str(error)) from None
    return run(line, line.program or line.argv[0], options, env)
