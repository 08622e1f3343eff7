"""Run as a program: replays a capsule, and says the digest at each of N marks, and how it ended.

marks.py CAPSULE N [back]

With `back` a debugger's session goes from the end to each mark, the latest first; what is said is
in the order of time all the same.
"""

import sys

from blink.debugger.session import Session
from blink.replay.capsule import Capsule


def forwards(path: str, count: int) -> None:
    replayer = Capsule.open(path).replayer()
    for mark in range(1, count + 1):
        halt = replayer.run(replayer.end * mark // (count + 1))
        print(repr(halt.reason), replayer.time, repr(replayer.digest().hex()), sep=", ")
    halt = replayer.run()
    print(repr(halt.reason), repr(halt.details), replayer.time, sep=", ")


def backwards(path: str, count: int) -> None:
    with Session.open(path) as session:
        session.cont()
        stop = session.wait()
        said = [(stop.reason, stop.details, stop.time)]
        for mark in range(count, 0, -1):
            session.goto(session.end * mark // (count + 1))
            reached = session.wait()
            reason = {"step": "until"}.get(reached.reason, reached.text)
            said.append((reason, reached.time, session.digest()))
    for row in reversed(said):
        print(*map(repr, row), sep=", ")


def main() -> None:
    path, count = sys.argv[1], int(sys.argv[2])
    if sys.argv[3:] == ["back"]:
        backwards(path, count)
    else:
        forwards(path, count)


main()
