"""Where two sessions part: a branch and what it left, two branches, or two recordings."""

from __future__ import annotations

from array import array
from itertools import zip_longest
from typing import NamedTuple

from blink.debugger.errors import DebugError
from blink.debugger.link import Link
from blink.debugger.timeline import CALLS, Timeline
from blink.debugger.wire import bytes_of

CHUNK = 20_000  # instructions of one request
INSTRUCTIONS = 1_000_000  # that are compared one by one, if nobody says another number
_BYTES = 1 << 20
_AROUND = 40  # bytes of output that are shown
Row = tuple[int, int, str]


class Difference(NamedTuple):
    """What is different first; None for what is not.  Times count from the start of the run.

    instruction   (time, address, the other's): the instruction behind `time` is another one; 0 for
                  the address where a side has ended
    call          (number, line, the other's): of the system calls behind the common start; None for
                  a line where a side makes no further call
    output        (stream, offset, bytes, the other's)
    compared      how many instructions were looked at, one by one
    """

    instruction: tuple[int, int, int] | None
    call: tuple[int, Row | None, Row | None] | None
    output: tuple[int, int, bytes, bytes] | None
    compared: int

    def __bool__(self) -> bool:
        return any((self.instruction, self.call, self.output))


def compare(one: Timeline, other: Timeline, most: int) -> Difference:
    """From the later of their starts on.  Raises DebugError."""
    start = max(one.first, other.first)
    instruction, compared = _on_copies(one, other, start, lambda a, b: _paths(a, b, start, most))
    call, output = _on_copies(one, other, start, _effects)
    return Difference(instruction, call, output, compared)


def _on_copies(one: Timeline, other: Timeline, start: int, work):  # type: ignore[no-untyped-def]
    copies = [one.copy_at(start)]
    try:
        copies.append(other.copy_at(start))
        return work(*copies)
    finally:
        for copy in copies:
            copy.close()


def _paths(
    one: Link, other: Link, start: int, most: int
) -> tuple[tuple[int, int, int] | None, int]:
    done = 0
    while done < most:
        ours, theirs = _path(one, min(CHUNK, most - done)), _path(other, min(CHUNK, most - done))
        if ours != theirs:
            pairs = zip_longest(ours, theirs, fillvalue=0)
            at, (here, there) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
            return (start + done + at, here, there), done + at + 1
        done += len(ours)
        if len(ours) < CHUNK:
            break
    return None, done


def _path(link: Link, count: int) -> array[int]:
    return array("Q", bytes_of(link.ask("path", count=count)["path"]))


def _effects(
    one: Link, other: Link
) -> tuple[tuple[int, Row | None, Row | None] | None, tuple[int, int, bytes, bytes] | None]:
    rows = [all_calls(link) for link in (one, other)]
    pairs = enumerate(zip_longest(*rows))
    call = next(((i, a, b) for i, (a, b) in pairs if a is None or b is None or a[2] != b[2]), None)
    outputs = (_output_differs(one, other, stream) for stream in (1, 2))
    return call, next(filter(None, outputs), None)


def all_calls(link: Link, known: int = 0) -> list[Row]:
    """The rows of a replay from number `known` on; it runs to its end for them."""
    rows: list[Row] = []
    while True:
        reply = link.ask("calls", first=known + len(rows), count=CALLS)
        rows += [(time, tid, text) for time, tid, text in reply["rows"]]
        if not reply["more"]:
            return rows


def _output_differs(one: Link, other: Link, stream: int) -> tuple[int, int, bytes, bytes] | None:
    at = 0
    while True:
        ours, theirs = (
            bytes_of(link.ask("output", stream=stream, first=at, count=_BYTES)["data"])
            for link in (one, other)
        )
        if ours != theirs:
            pairs = enumerate(zip_longest(ours, theirs))
            same = next(i for i, (a, b) in pairs if a != b)
            parts = (data[same : same + _AROUND] for data in (ours, theirs))
            return (stream, at + same, *parts)  # type: ignore[return-value]
        if not ours:
            return None
        at += len(ours)


def written(timeline: Timeline, stream: int) -> bytes:
    """All that goes to a stream from the start on.  Raises DebugError."""
    if stream not in (1, 2):
        raise DebugError(f"standard output is 1, standard error 2; not {stream!r}")
    copy = timeline.copy_at(timeline.first)
    try:
        all_calls(copy)
        data = b""
        while more := bytes_of(
            copy.ask("output", stream=stream, first=len(data), count=_BYTES)["data"]
        ):
            data += more
        return data
    finally:
        copy.close()
