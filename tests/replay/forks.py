"""Run as a program: records a guest, stands still at each of some times, forks there, and says what
it sees and what the copies see as they replay from there.

    forks.py FD PROGRAM ARGS...
"""

import os
import sys

from blink.replay.log import Log
from blink.replay.recorder import Recorder
from blink.replay.replayer import Replayer

STEP, COUNT = 20_000, 4


def main() -> None:
    log = Log.create(os.memfd_create("log"))
    argv = sys.argv[2:]
    env = [f"{name}={value}" for name, value in os.environ.items()]
    recorder = Recorder.record(log, argv[0], argv, env)
    fd = recorder.keep_private("said", int(sys.argv[1]))
    gate_out, gate_in = (recorder.keep_private(f"gate{i}", end) for i, end in enumerate(os.pipe()))

    def say(*values: object) -> None:
        os.write(fd, (", ".join(map(repr, values)) + "\n").encode())

    def copy(replayer: Replayer) -> None:
        began = replayer.time
        say("copy", began, replayer.digest().hex())
        os.read(gate_out, 1)
        while replayer.time < COUNT * STEP:
            if replayer.run(replayer.time + STEP).reason != "until":
                break  # the recorder was killed
            say("copy", replayer.time, replayer.digest().hex())
        halt = replayer.run()
        say("end", began, halt.reason, halt.details)

    def control() -> None:
        copies = []
        for _ in range(COUNT):
            recorder.run(recorder.time + STEP)
            say("live", recorder.time, recorder.digest().hex())
            copies.append(recorder.fork(copy, (fd, gate_out)))
        halt = recorder.run()
        say("end", 0, halt.reason, halt.details)
        os.write(gate_in, b"x" * COUNT)  # whoever comes first takes one: wait for none in between
        for pid in copies:
            os.waitpid(pid, 0x40000000)  # __WALL
        recorder.run()

    recorder.serve(control)


main()
