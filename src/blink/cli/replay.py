"""`blink replay`: runs a recorded program again, from its capsule alone."""

from __future__ import annotations

import posix

from blink.cli.main import CANNOT_START, fail, say, show
from blink.cli.options import Option, UsageError
from blink.cli.tool import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.cli.options import CommandLine
    from blink.replay.capsule import Capsule
    from blink.replay.runner import Halt

USAGE = (
    "blink replay [--verify] FILE",
    "blink replay -s FILE",
    "blink replay --diff FILE OTHER",
    "blink replay -g [HOST:]PORT FILE",
)
ABOUT = """
Runs the program of a capsule again, from the capsule alone: nothing of it reaches the outside but
what it wrote to standard output and standard error, and its exit status.

The exit status is the program's; 48 for a wrong command line, 50 when the replay is not what was
recorded, 125 when the capsule cannot be replayed.
"""
OWN = (
    Option("g", "gdb", "wait for gdb, which can go both ways: (gdb) target remote :PORT,"
           " reverse-continue", "PORT", "a port"),
    Option("s", "strace", "print the system calls, as blink -s does, and no output of the program"),
    Option("d", "diff", "where two recordings part: the first different instruction (of the first"
           " million), system call and output; the exit status is 1 if there is any"),
    Option("V", "verify",
           "print no output of the program, but one line: whether all went as recorded"),
)  # fmt: skip
DIVERGED = 50
ENDED_EARLY = 0


def _main(line: CommandLine) -> int:
    chosen = [option.key for option in OWN if option.key in line]
    if len(chosen) > 1:
        raise UsageError(f"-{chosen[0]} does not go with -{chosen[1]}")
    if len(line.argv) != (2 if "d" in line else 1):
        raise UsageError("--diff needs two capsules" if "d" in line else "replay needs one capsule")
    if "V" in line or not chosen:
        return _run(line.argv[0], "V" in line)
    return _in_sessions(line)


def _in_sessions(line: CommandLine) -> int:
    """What takes a debugger's session of each capsule."""
    from blink.cli.recordings import difference, serve_gdb, system_calls
    from blink.debugger.errors import DebugError

    try:
        if "g" in line:
            return serve_gdb(line.argv[0], line.values["g"])
        return difference(*line.argv) if "d" in line else system_calls(*line.argv)
    except DebugError as error:
        return fail(str(error), CANNOT_START)


def _run(path: str, verify: bool) -> int:
    from blink.replay.capsule import Capsule, CapsuleError

    try:
        return _replay(Capsule.open(path), verify)
    except CapsuleError as error:
        return fail(f"{path}: {error}", CANNOT_START)
    except OSError as error:
        return fail(f"{path}: {error.strerror}", CANNOT_START)


def _replay(capsule: Capsule, verify: bool) -> int:
    replayer = capsule.replayer()
    if not verify:
        from blink.replay.echo import Echo

        Echo(replayer, _write)
    halt = replayer.run()
    if halt.reason == "diverged":
        say(f"the replay is not what was recorded: {halt.details['text']}")
        if reason := capsule.foreign():
            say(reason)
        return DIVERGED
    if halt.reason == "end" and not capsule.finished:
        say("the recording was not finished: its program, or blink, was killed")
    elif halt.reason == "end":
        say("the recording ends before the program does")
    if verify:
        return show(f"as recorded: {replayer.time} instructions, {_end(halt)}\n")
    if halt.reason == "killed":
        from blink import _engine

        _engine.sig_init(None)
        _engine.sig_die(halt.details["signo"])
    return int(halt.details.get("status", ENDED_EARLY))


def _end(halt: Halt) -> str:
    if halt.reason == "killed":
        return f"killed by signal {halt.details['signo']}"
    return f"exit status {halt.details['status']}" if halt.reason == "exit" else "no end"


def _write(stream: int, data: bytes) -> None:
    """Writes to stdout or stderr; a reader that has gone is no reason to stop."""
    try:
        while data:
            data = data[posix.write(stream, data) :]
    except OSError:
        return


TOOL = Tool("replay", USAGE, OWN, _main, ABOUT)
