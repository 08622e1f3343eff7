"""Checkpoints: copies of a recording that stand still, and replay from there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from replay.support import parse
from replay.test_record import ENV

SCRIPT = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo $i; x=$(echo hi); exit 4"


def test_copies_see_what_the_recorder_saw() -> None:
    with tempfile.TemporaryFile() as said:
        program = str(Path(__file__).parent / "forks.py")
        done = subprocess.run(
            [sys.executable, program, str(said.fileno()), "/bin/sh", "-c", SCRIPT],
            pass_fds=(said.fileno(),),
            env=ENV,
            capture_output=True,
            timeout=100,
            check=False,
        )
        said.seek(0)
        rows = [parse(line) for line in said.read().decode().splitlines()]
    assert (done.returncode, done.stdout) == (4, b"300\n"), done.stderr
    live = {row[1]: row[2] for row in rows if row[0] == "live"}
    seen = [(row[1], row[2]) for row in rows if row[0] == "copy"]
    assert len(live) == 4
    assert len(seen) == 4 + 3 + 2 + 1
    assert all(live[time] == digest for time, digest in seen)
    ends = [row[2:] for row in rows if row[0] == "end"]
    assert ends == [["exit", {"status": 4}]] * 5
