"""From a `start` request to a guest that stands before its first instruction."""

from __future__ import annotations

import fcntl
import termios

from blink.abi.encoding import encode
from blink.debugger.errors import DebugError
from blink.debugger.wire import Message, bytes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Options
    from blink.replay.live import LiveRunner


def launch(message: Message, inherited: tuple[int, int] | None, checked: bool) -> LiveRunner:
    """What runs the program of a request.  Raises DebugError, OSError."""
    from blink.loader import LoadError
    from blink.replay.live import LiveRunner

    if message.get("op") != "start":
        raise DebugError("there is no program yet")
    if message.get("terminal"):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        return LiveRunner.launch(
            bytes_of(message["program"]),
            [bytes_of(word) for word in message["argv"]],
            [bytes_of(word) for word in message["env"]],
            _options(message.get("options") or {}, checked),
            inherited,
        )
    except LoadError as error:
        raise DebugError(str(error)) from None


def _options(given: Message, checked: bool) -> Options:
    from blink.kernel.process import Options

    options = Options()
    options.checked = bool(given.get("checked")) or checked
    options.translate = bool(given.get("translate", True))
    options.cpu = given.get("cpu", "")
    options.root = encode(given["root"]) if given.get("root") else None
    if given.get("trace"):
        from blink.syscalls._trace import TraceOptions

        options.trace = TraceOptions(given["trace"])
    options.statistics = bool(given.get("statistics"))
    options.log_path = encode(given["log_path"]) if given.get("log_path") else None
    wants_log = options.trace is not None or options.statistics
    options.log_stderr = bool(given.get("log_stderr") or (wants_log and not options.log_path))
    return options
