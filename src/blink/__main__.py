"""`python -m blink`: the `blink` command, through the native launcher where it is installed."""

from __future__ import annotations

import os
import signal
import sys

# CPython ignores these at its start and takes SIGINT; a program that we execute would inherit it.
CHANGED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def launcher() -> str | None:
    """The launcher of this installation: beside the interpreter, or beside the package's lib."""
    package = os.path.dirname(os.path.abspath(__file__))
    folders = (os.path.dirname(sys.executable), os.path.join(package, "../../../../bin"))
    for folder in folders:
        path = os.path.join(folder, "blink")
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return None


def signal_sets() -> tuple[int, int]:
    """The (ignored, blocked) signals, bit n - 1 for n, as if CPython had changed none."""
    ignored = blocked = 0
    for signo in range(1, signal.NSIG):
        if signal.getsignal(signo) == signal.SIG_IGN and signo not in CHANGED_BY_PYTHON:
            ignored |= 1 << signo - 1
    for signo in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        blocked |= 1 << signo - 1
    return ignored, blocked


def main() -> int:
    """Becomes the launcher; without one, runs the command here."""
    path = launcher()
    if path:
        for signo in CHANGED_BY_PYTHON:
            signal.signal(signo, signal.SIG_DFL)
        os.execv(path, ["blink", *sys.argv[1:]])
    from blink.cli.launch import start

    return start(*signal_sets())


if __name__ == "__main__":
    sys.exit(main())
