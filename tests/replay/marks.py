"""Run as a program: replays a capsule, and says the digest at each of N marks, and how it ended.

marks.py CAPSULE N
"""

import sys

from blink.replay.capsule import Capsule


def main() -> None:
    replayer = Capsule.open(sys.argv[1]).replayer()
    count = int(sys.argv[2])
    for mark in range(1, count + 1):
        halt = replayer.run(replayer.end * mark // (count + 1))
        print(repr(halt.reason), replayer.time, repr(replayer.digest().hex()), sep=", ")
    halt = replayer.run()
    print(repr(halt.reason), repr(halt.details), replayer.time, sep=", ")


main()
