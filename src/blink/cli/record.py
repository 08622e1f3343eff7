"""`blink record`: runs a program and keeps all that it takes to run it again."""

from __future__ import annotations

import posix

from blink.abi.encoding import decode
from blink.cli.options import LONG, WITH_VALUE, CommandLine, UsageError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Options
    from blink.replay.log import Log
    from blink.replay.recorder import Recorder

HELP = """\
usage: blink record -o FILE [OPTIONS] PROGRAM [ARGUMENTS]

Runs a program as `blink [OPTIONS] PROGRAM` does, and writes a capsule: a file from which `blink
replay` runs it again, on this machine or another.

  -o, --output FILE     where the capsule goes
  -l, --limit SIZE      at most so many bytes (K, M, G), then the recording ends and the program
                        goes on; 16G without it

and -e, -L, -j, -m, -0, -M and what makes a root as in blink -h.  One thread runs at a time.
Processes that the program starts run, but are not recorded; a program that takes its process over
(execve) is.
"""
_LONG = {**LONG, "--output": "-o", "--limit": "-l"}
_WITH_VALUE = {**WITH_VALUE, "o": "a file", "l": "a size"}
_FIT = frozenset("hejm0LMolNCIOUbT")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_DEFAULT_LIMIT = 16 << 30


def main(words: list[str]) -> int:
    """Runs the command; returns an exit status when the program was not started."""
    from blink.cli.main import CANNOT_START, refuse, run_rooted, say, show

    try:
        line = parse(words, _LONG, _WITH_VALUE)
        if "h" in line:
            return show(HELP)
        path, limit = _checked(line)
    except UsageError as error:
        return refuse(str(error), "blink record -h")
    try:
        return run_rooted(line, lambda *arguments: _record(path, limit, *arguments))
    except OSError as error:
        say(f"{decode(error.filename or path)}: {error.strerror}")
        return CANNOT_START


def _checked(line: CommandLine) -> tuple[str, int]:
    """Where the capsule goes, and its limit.  Raises UsageError."""
    if line.program is None and "I" not in line.values:
        raise UsageError("no program was named")
    if "o" not in line.values:
        raise UsageError("record needs -o FILE")
    for name, letter in _LONG.items():
        given = letter[1:] in line or letter[1:] in line.values
        if given and letter[1:] not in _FIT:
            raise UsageError(f"{name} is not for record")
    return line.values["o"], _size(line.values["l"]) if "l" in line.values else _DEFAULT_LIMIT


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
    from blink.cli.main import report_crash
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
    from blink.cli.main import CANNOT_START, say
    from blink.loader import LoadError
    from blink.replay.log import LIMIT_REACHED

    if isinstance(error, LoadError):
        say(str(error))
        return error.exit_status
    if isinstance(error, OSError):
        say(f"the recording: {error.strerror}")
    elif str(error) == LIMIT_REACHED:
        say("the limit is too small even for the program's own files")
    else:
        say(f"the recording: {error}")
    return CANNOT_START


def _control(recorder: Recorder, log: Log) -> None:
    """Lets the program run to its end, and completes the capsule before that."""
    from blink.replay.capsule import finish

    recorder.run()
    finish(log)
    recorder.run()
