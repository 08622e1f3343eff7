"""When which thread ran, as the log tells: no replay is needed to know."""

from __future__ import annotations

from blink.replay import log as records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.replay.replayer import Replayer


def time_before(replayer: Replayer, tid: int, count: int) -> int | None:
    """The last time before a thread's instruction number `count` (the first is 1), from where the
    replay stands on.  None when it has run already, or never does."""
    counts = {number: task.cpu.icount for number, task in replayer.tasks.items()}
    time = replayer.time
    if counts.get(tid, 0) >= count:
        return None
    if replayer.off is not None:  # one thread, and no log
        return time + count - 1 - counts.get(tid, 0)
    event, at, _ = replayer.place()
    if event is None and (found := replayer.log.read(at)) is not None:  # it has grown since
        event, at = found
    while event is not None:
        before = counts.get(event.tid, 0)
        if event.tid == tid and before < count <= event.icount:
            return time + count - 1 - before
        if event.kind not in (records.META, records.BLOB):
            time += max(event.icount - before, 0)
            counts[event.tid] = max(event.icount, before)
        found = replayer.log.read(at)
        event, at = found if found is not None else (None, at)
    return None
