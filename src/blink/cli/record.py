"""`blink record`: runs a program and keeps all that it takes to run it again."""

from __future__ import annotations

import posix

from blink.abi.encoding import decode
from blink.cli.main import CANNOT_START, fail, report_crash, run_rooted
from blink.cli.options import Option, UsageError
from blink.cli.tool import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.cli.options import CommandLine
    from blink.kernel.process import Options
    from blink.replay.log import Log
    from blink.replay.recorder import Recorder

ABOUT = """
Runs a program as `blink [OPTIONS] PROGRAM` does, and writes a capsule: a file from which `blink
replay` runs it again, on this machine or another.

One thread runs at a time.  Processes that the program starts run, but are not recorded; a program
that takes its process over (execve) is.
"""
OWN = (
    Option("o", "output", "where the capsule goes", "FILE", "a file"),
    Option("l", "limit", "at most so many bytes (K, M, G), then the recording ends and the program"
           " goes on; 16G without it", "SIZE", "a size"),
)  # fmt: skip
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_DEFAULT_LIMIT = "16G"


def _main(line: CommandLine) -> int:
    if "o" not in line:
        raise UsageError("record needs -o FILE")
    path, limit = line.values["o"], _size(line.values.get("l", _DEFAULT_LIMIT))
    try:
        return run_rooted(line, lambda *arguments: _record(path, limit, *arguments))
    except OSError as error:
        return fail(f"{decode(error.filename or path)}: {error.strerror}", CANNOT_START)


def _size(text: str) -> int:
    digits = text.rstrip("KMG")
    if not digits.isdecimal() or text[len(digits) :] not in _UNITS:
        raise UsageError(f"{text} is no size: a number, then K, M or G")
    return int(digits) * _UNITS[text[len(digits) :]]


def _record(
    path: str,
    limit: int,
    line: CommandLine,
    program: str | None,
    options: Options,
    env: list[bytes] | None,
) -> int:
    from blink.cli.launch import inherited_signals
    from blink.loader import LoadError
    from blink.replay.log import Log, LogFull
    from blink.replay.recorder import Recorder

    assert program is not None
    path = posix.getcwd() + "/" + path if not path.startswith("/") else path
    flags = posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
    fd = posix.open(path, flags, 0o666)
    try:
        log = Log.create(fd, limit)
    except (LogFull, OSError) as error:
        _discard(path, fd)
        return _cannot(error)
    if env is None:
        env = [name + b"=" + value for name, value in posix.environ.items()]
    try:
        recorder = Recorder.record(log, program, line.argv, env, options, inherited_signals())
    except (LoadError, LogFull) as error:
        _discard(path, log.fd)
        return _cannot(error)
    recorder.process.report = report_crash
    recorder.alone()
    recorder.serve(lambda: _control(recorder, log))
    return 0


def _discard(path: str, fd: int) -> None:
    """Removes a capsule with nothing in it; under a root the host may let us only empty it."""
    posix.ftruncate(fd, 0)
    try:
        posix.unlink(path)
    except PermissionError:
        return


def _cannot(error: Exception) -> int:
    from blink.loader import LoadError
    from blink.replay.log import LIMIT_REACHED

    if isinstance(error, LoadError):
        return fail(str(error), error.exit_status)
    if isinstance(error, OSError):
        return fail(f"the recording: {error.strerror}", CANNOT_START)
    if str(error) == LIMIT_REACHED:
        return fail("the limit is too small even for the program's own files", CANNOT_START)
    return fail(f"the recording: {error}", CANNOT_START)


def _control(recorder: Recorder, log: Log) -> None:
    """Lets the program run to its end, and completes the capsule before that."""
    from blink.replay.capsule import finish

    recorder.run()
    finish(log)
    recorder.run()


TOOL = Tool(
    "record", ["blink record -o FILE [OPTIONS] PROGRAM [ARGUMENTS]"], OWN, _main, ABOUT, runs="j"
)
