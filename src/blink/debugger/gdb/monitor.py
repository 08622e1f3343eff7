"""`monitor COMMAND` in GDB: what there is of time travel that GDB has no command for."""

from __future__ import annotations

from collections.abc import Callable

from blink.debugger.errors import DebugError
from blink.debugger.gdb.drive import Drive

Say = Callable[[bytes], None]
_HELP = """\
monitor time           where the program is: instructions since its start
monitor mark NAME      gives this moment a name
monitor marks          the names
monitor goto WHERE     goes to a time, a name, `start` or `end`
monitor leave          leaves a branch that a change in the past has begun
monitor save FILE      writes the recording, or the branch, as a capsule
"""
_STALE = """\
GDB has not noticed: maintenance flush register-cache, maintenance flush dcache, then frame.
"""


def answer(drive: Drive, line: str, say: Say) -> bytes:
    """Carries out a command; the reply.  What the user can mend is said in a line."""
    name, _, word = line.strip().partition(" ")
    command = _COMMANDS.get(name, _help)
    try:
        text = command(drive, word.strip())
    except DebugError as error:
        text = f"{error}\n"
    say(text.encode())
    return b"OK"


def _help(drive: Drive, word: str) -> str:
    return _HELP


def _time(drive: Drive, word: str) -> str:
    session = drive.session
    kind = "a branch" if drive.is_branch else "the recording"
    return f"{session.time} of {kind}, which goes from {session.first} to {session.end}\n"


def _mark(drive: Drive, word: str) -> str:
    if not word:
        raise DebugError("a mark has a name")
    drive.session.mark(word)
    return f"{word} is {drive.session.time}\n"


def _marks(drive: Drive, word: str) -> str:
    marks = drive.session.marks()
    return "".join(f"{name} {time}\n" for name, time in marks.items()) or "there are no marks\n"


def _goto(drive: Drive, word: str) -> str:
    session = drive.session
    places = {"start": session.first, "end": session.end} | session.marks()
    try:
        time = places[word] if word in places else int(word, 0)
    except ValueError:
        raise DebugError(f"{word or 'nothing'} is no time, and no mark") from None
    stop = drive.carry_out(lambda: session.goto(time))
    return f"{stop.time}: {stop.text}\n{_STALE}"


def _leave(drive: Drive, word: str) -> str:
    if not drive.is_branch:
        raise DebugError("this is no branch")
    drive.leave()
    return f"back in the recording, at {drive.session.time}\n{_STALE}"


def _save(drive: Drive, word: str) -> str:
    if not word:
        raise DebugError("save needs the name of a file")
    drive.session.save(word)
    return f"{word} is written\n"


_COMMANDS: dict[str, Callable[[Drive, str], str]] = {
    "time": _time, "mark": _mark, "marks": _marks, "goto": _goto, "leave": _leave, "save": _save,
}  # fmt: skip
