"""How many frames a second the interface shows while a program runs: `./dev bench --only frames`.

The interface runs in a terminal of its own that takes all it writes, with living panels, first at
one speed and then at the next; a frame counts when its panels are drawn.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

from bench.inputs import ROOT, Folder
from bench.machine import processor
from bench.records import Frames

SIZES = ((80, 25), (200, 60))
LONG = "while True: sorted(str(i) for i in range(1000))"
LIMIT = 300.0


def measure(quick: bool = False) -> list[Frames]:
    """All speeds at all sizes.  Raises RuntimeError."""
    here = processor()
    return [
        Frames(name, columns, lines, load=os.getloadavg()[0], machine=here, **entry)
        for name, words in _programs().items()
        for columns, lines in SIZES
        for entry in _watch(columns, lines, words, quick)
    ]


def _programs() -> dict[str, list[str]]:
    """Programs that run longer than anyone waits: one small, and one with all that panels show."""
    fib = str(Folder(ROOT / "build" / "bench").program("fib"))
    return {"fib": [fib, "70"], "CPython": ["/usr/bin/python3", "-c", LONG]}


def _watch(columns: int, lines: int, words: list[str], quick: bool) -> list[dict[str, Any]]:
    """Runs the interface in a terminal of this size; what it counted."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report")
        command = [sys.executable, "-m", "bench.watched", str(report), str(int(quick)), *words]
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        child = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=env,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        said = _drain(master, child)
        if child.wait(10) or not report.exists():
            raise RuntimeError(f"the interface ended: {said[-2000:].decode(errors='replace')}")
        return list(json.loads(report.read_text()))


def _drain(master: int, child: subprocess.Popen[bytes]) -> bytes:
    """Takes what is written until the child ends; the last of it."""
    end = time.monotonic() + LIMIT
    last = b""
    try:
        while time.monotonic() < end:
            if select.select([master], [], [], 0.5)[0]:
                last = (last + os.read(master, 1 << 16))[-10_000:]
            elif child.poll() is not None:
                break
    except OSError:  # nobody has the other side any more
        pass
    finally:
        os.close(master)
        if child.poll() is None and time.monotonic() >= end:
            child.kill()
    return last
