"""`blink replay`: runs a recorded program again, from its capsule alone."""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.replay.capsule import Capsule
    from blink.replay.runner import Halt

HELP = """\
usage: blink replay [--verify] FILE
       blink replay -s FILE
       blink replay --diff FILE OTHER
       blink replay -g [HOST:]PORT FILE

Runs the program of a capsule again, from the capsule alone: nothing of it reaches the outside but
what it wrote to standard output and standard error, and its exit status.

  -g, --gdb      wait for gdb, which can go both ways: (gdb) target remote :PORT, reverse-continue
  -s, --strace   print the system calls, as blink -s does, and no output of the program
  -d, --diff     where two recordings part: the first different instruction (of the first million),
                 system call and output; the exit status is 1 if there is any
  -V, --verify   print no output of the program, but one line: whether all went as recorded
  -h, --help     print this text

The exit status is the program's; 48 for a wrong command line, 50 when the replay is not what was
recorded, 125 when the capsule cannot be replayed.
"""
DIVERGED = 50
ENDED_EARLY = 0


def main(words: list[str]) -> int:
    """Runs the command; its exit status."""
    from blink.cli.main import CANNOT_START, refuse, say, show
    from blink.replay.capsule import Capsule, CapsuleError

    if words[:1] in (["-h"], ["--help"]):
        return show(HELP)
    if words[:1] in (["-s"], ["--strace"], ["-d"], ["--diff"]):
        return _in_sessions(words[0].lstrip("-")[0], words[1:])
    verify = words[:1] in (["-V"], ["--verify"])
    gdb = words[:1] in (["-g"], ["--gdb"])
    port, paths = words[1:2] if gdb else [], words[verify + 2 * gdb :]
    if len(paths) != 1 or paths[0].startswith("-"):
        return refuse("replay needs one capsule", "blink replay -h")
    try:
        if port:
            return _serve_gdb(paths[0], port[0])
        return _replay(Capsule.open(paths[0]), verify)
    except CapsuleError as error:
        say(f"{paths[0]}: {error}")
    except OSError as error:
        say(f"{paths[0]}: {error.strerror}")
    return CANNOT_START


def _in_sessions(letter: str, paths: list[str]) -> int:
    """What takes a debugger's session of each capsule."""
    from blink.cli.main import CANNOT_START, refuse, say
    from blink.debugger.errors import DebugError

    wanted = 2 if letter == "d" else 1
    if len(paths) != wanted or any(path.startswith("-") for path in paths):
        needs = "--diff needs two capsules" if letter == "d" else "replay needs one capsule"
        return refuse(needs, "blink replay -h")
    from blink.cli.recordings import difference, system_calls

    try:
        return difference(*paths) if letter == "d" else system_calls(*paths)
    except DebugError as error:
        say(str(error))
        return CANNOT_START


def _serve_gdb(path: str, port: str) -> int:
    from blink.cli.main import CANNOT_START, say
    from blink.debugger.errors import DebugError
    from blink.debugger.gdb.server import serve
    from blink.debugger.session import Session

    try:
        with Session.open(path) as session:
            return serve(session, port)
    except DebugError as error:
        say(str(error))
        return CANNOT_START


def _replay(capsule: Capsule, verify: bool) -> int:
    from blink.cli.main import say, show

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
