"""How tests move a session."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blink.debugger.session import Session
from blink.debugger.stop import Stop

LONG = 100.0


def go(session: Session, motion: str, *words: int, **fields: int) -> Stop:
    """Begins a motion; where it ended."""
    getattr(session, motion)(*words, **fields)
    return session.wait(LONG)


@contextmanager
def ended(
    source: str, folder: Path, need: Callable[[str], str], *flags: str
) -> Iterator[tuple[Session, bytes]]:
    """A program that has read "five\\n" and ended with status 5, and what it wrote."""
    program = folder / "program"
    command = [need("gcc"), "-g", "-w", *flags, "-xc", "-", "-o", str(program)]
    subprocess.run(command, input=source.encode(), check=True, timeout=60)
    (folder / "five").write_bytes(b"five\n")
    with (folder / "five").open() as given, (folder / "out").open("w") as out:
        stdio = given.fileno(), out.fileno(), out.fileno()
        with Session.launch([str(program)], env={}, stdio=stdio) as session:
            assert go(session, "cont").text == "the program has ended with status 5"
            yield session, (folder / "out").read_bytes()
