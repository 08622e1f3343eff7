"""Run as a program: launches a guest under a runner and writes what each step gave.

    drive.py FD STEPS PROGRAM ARGS...

STEPS is Python, run with `r`, the runner, and `say`, which writes a value's repr as a line to FD.
"""

import os
import sys

from blink.replay.live import LiveRunner


def main() -> None:
    steps, *argv = sys.argv[2:]
    env = [f"{name}={value}" for name, value in os.environ.items()]
    runner = LiveRunner.launch(argv[0], argv, env)
    fd = runner.keep_private("said", int(sys.argv[1]))

    def say(*values: object) -> None:
        os.write(fd, (", ".join(map(repr, values)) + "\n").encode())

    runner.serve(lambda: exec(steps, {"r": runner, "say": say}))


main()
