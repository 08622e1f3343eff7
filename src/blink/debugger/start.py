"""From a `start` request to a guest that stands before its first instruction."""

from __future__ import annotations

import fcntl
import termios

from blink.abi.encoding import decode, encode
from blink.debugger.errors import DebugError
from blink.debugger.wire import Message, bytes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.kernel.process import Options
    from blink.replay.runner import Runner
    from blink.roots.plan import Plan


def launch(message: Message, inherited: tuple[int, int] | None, checked: bool) -> Runner:
    """What runs the program of a request.  Raises DebugError, OSError."""
    from blink.loader import LoadError
    from blink.replay.live import LiveRunner

    if message.get("op") == "replay":
        return _replay(message)
    if message.get("op") != "start":
        raise DebugError("there is no program yet")
    if message.get("terminal"):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    options = _options(message.get("options") or {}, checked)
    arguments = (*_program(message, options), options, inherited)
    try:
        limit = (message.get("options") or {}).get("limit")
        recorded = bool(message.get("record"))
        runner = _record(limit, *arguments) if recorded else LiveRunner.launch(*arguments)
    except LoadError as error:
        raise DebugError(str(error)) from None
    if (message.get("options") or {}).get("calls"):
        from blink.debugger.call_list import follow

        follow(runner)
    return runner


def _program(message: Message, options: Options) -> tuple[bytes, list[bytes], list[bytes]]:
    """Its name, arguments and environment; the root goes into the options.  Raises DebugError."""
    from blink.roots.plan import Request

    program, argv, env = (
        bytes_of(message["program"]),
        [bytes_of(word) for word in message["argv"]],
        [bytes_of(word) for word in message["env"]],
    )
    given = message.get("options") or {}
    request = Request(**{name: given[name] for name in Request.__slots__ if given.get(name)})
    if request.is_chroot:
        options.root = encode(request.root)
    elif request.wanted:
        try:
            options.mounts = request.plan()
        except ValueError as error:
            raise DebugError(str(error)) from None
    if request.image and options.mounts is not None:
        argv, env = _image(request.image, argv, options.mounts, env)
    return program or argv[0], argv, env


def _image(
    name: str, argv: list[bytes], plan: Plan, env: list[bytes]
) -> tuple[list[bytes], list[bytes]]:
    from blink.images import ImageError
    from blink.images.run import prepare

    term = next((decode(v[5:]) for v in env if v.startswith(b"TERM=")), None)
    try:
        words, env = prepare(name, [decode(word) for word in argv], plan, term)
    except ImageError as error:
        raise DebugError(str(error)) from None
    return [encode(word) for word in words], env


def _record(limit: int | None, *arguments: Any) -> Runner:
    import os

    from blink.debugger.requests import RECORDED
    from blink.replay.log import LIMIT_REACHED, SPAN, Log, LogFull
    from blink.replay.recorder import Recorder

    try:
        log = RECORDED["log"] = Log.create(os.memfd_create("recording"), limit or SPAN)
        return Recorder.record(log, *arguments)
    except LogFull as full:
        if str(full) != LIMIT_REACHED:
            raise DebugError(f"the recording: {full}") from None
        raise DebugError("the limit is too small even for the program's own files") from None


def _replay(message: Message) -> Runner:
    """From the start of the recording in a descriptor."""
    from blink.replay.capsule import Capsule, CapsuleError

    try:
        return Capsule.open(f"/proc/self/fd/{message['log']}").replayer()
    except CapsuleError as error:
        raise DebugError(str(error)) from None


def _options(given: Message, checked: bool) -> Options:
    from blink.kernel.process import Options

    options = Options()
    options.checked = bool(given.get("checked")) or checked
    options.translate = bool(given.get("translate", True))
    options.cpu = given.get("cpu", "")
    if given.get("trace"):
        from blink.syscalls._trace import TraceOptions

        options.trace = TraceOptions(given["trace"])
    options.statistics = bool(given.get("statistics"))
    options.log_path = encode(given["log_path"]) if given.get("log_path") else None
    wants_log = options.trace is not None or options.statistics
    options.log_stderr = bool(given.get("log_stderr") or (wants_log and not options.log_path))
    return options
