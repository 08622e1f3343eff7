"""When which thread ran, as the log tells: no replay is needed to know."""

from __future__ import annotations

from blink.replay import log as records
from blink.replay import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blink.replay.replayer import Replayer

    Stretch = tuple[int, int, int]

_BYTES = (records.META, records.BLOB)


def before_last(ran: Iterable[Stretch], tid: int, count: int, limit: int) -> tuple[int | None, int]:
    """The time before a thread's last `count` instructions before `limit`, and 0.  Where it has
    fewer: the time before its first one, or None, and how many are missing."""
    mine = []
    for who, time, length in ran:
        if time >= limit:
            break
        if who == tid:
            mine.append((time, min(length, limit - time)))
    for time, length in reversed(mine):
        if length >= count:
            return time + length - count, 0
        count -= length
    return (mine[0][0] if mine else None), count


def stretches(replayer: Replayer) -> Iterator[Stretch]:
    """(thread, time, instructions) of each turn, from where the replay stands on."""
    counts = {number: task.cpu.icount for number, task in replayer.tasks.items()}
    time = replayer.time
    for event in _events(replayer):
        length = event.icount - counts.get(event.tid, 0)
        if length > 0:
            yield event.tid, time, length
            time += length
            counts[event.tid] = event.icount
        if event.kind == records.STOP:
            _rename(counts, event)


def _events(replayer: Replayer) -> Iterator[records.Event]:
    event, at, _ = replayer.place()
    while True:
        if event is None and (found := replayer.log.read(at)) is not None:
            event, at = found
        if event is None:
            return
        if event.kind not in _BYTES:
            yield event
        event = None


def _rename(counts: dict[int, int], event: records.Event) -> None:
    """Numbers that mean another thread from here on."""
    for code, _, words, _ in ops.decode(event.payload):
        if code in (ops.NEW, ops.GONE):
            counts[words[0]] = 0
        elif code == ops.RENAME:
            counts[words[1]] = counts.pop(words[0], 0)
