"""What a debugger's session does with recordings: gdb, their system calls, where two part."""

from __future__ import annotations

from blink.cli.main import show
from blink.cli.options import UsageError
from blink.debugger.errors import DebugError
from blink.debugger.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.debugger.compare import Difference, Row

PAGE = 2000  # lines at a time
STREAMS = {1: "standard output", 2: "standard error"}


def serve_gdb(path: str, port: str) -> int:
    """Lets gdb debug a recording, both ways.  Raises UsageError, DebugError."""
    from blink.debugger.gdb.server import address_of, serve

    try:
        address_of(port)
    except DebugError as error:
        raise UsageError(str(error)) from None
    with Session.open(path) as session:
        return serve(session, port)


def system_calls(path: str) -> int:
    """A line each; with the thread, if there are several."""
    with Session.open(path) as session:
        rows = session.calls(first=0, count=1 << 60)
    many = len({row.tid for row in rows}) > 1
    for at in range(0, len(rows), PAGE):
        part = rows[at : at + PAGE]
        show("".join(f"[{row.tid}] {row.text}\n" if many else f"{row.text}\n" for row in part))
    return 0


def difference(path: str, other: str) -> int:
    """A line for each kind of difference; the exit status as diff(1)'s."""
    with Session.open(path) as one, Session.open(other) as two:
        found = one.differs(two)
        if found.instruction is not None:
            time, here, there = found.instruction
            places = _place(one, time, here), _place(two, time, there)
            show(f"instruction {time:,}: {places[0]}; {places[1]}\n")
        else:
            show(f"instructions: none of the first {found.compared:,}\n")
    show(_call(found) + _output(found))
    return int(bool(found))


def _place(session: Session, time: int, address: int) -> str:
    """What is at an address at that time."""
    if not address:
        return "the end"
    session.goto(time)
    session.wait()
    return f"{address:#x} {session.symbols.at(address)}".rstrip()


def _call(found: Difference) -> str:
    if found.call is None:
        return "system calls: none\n"
    number, here, there = found.call
    return f"system call {number}: {_line(here)}; {_line(there)}\n"


def _line(row: Row | None) -> str:
    return "no more" if row is None else row[2]


def _output(found: Difference) -> str:
    if found.output is None:
        return "output: none\n"
    stream, at, here, there = found.output
    return f"{STREAMS[stream]}, byte {at:,}: {here!r}; {there!r}\n"
