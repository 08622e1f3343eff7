"""What a stop did, as the operations of one event: from what was noted, and from the registers."""

from __future__ import annotations

from blink.replay import ops
from blink.replay.bounds import trimmed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task
    from blink.replay.notes import NotedMemory, Notes

_RAX = slice(0, 8)  # in what Cpu.state() gives
Fields = dict["Task", tuple[int, ...]]


def effects(
    memory: NotedMemory, notes: Notes, task: Task, stop: int, number: int, before: bytes | None
) -> list[bytes]:
    """Takes the notes.  `before` is the thread's state then; None: nobody knows."""
    payload, notes.done = notes.done, []
    after = task.cpu.state()
    plain = before is not None and after[8:] == before[8:]  # else a signal's frame is there, too
    ranges = trimmed(notes.ranges, stop, number, task) if plain else notes.ranges
    for address, length in ranges:
        for at, data in memory.contents(address, length):
            payload.append(ops.encode(ops.WRITE, at, data=data))
    notes.ranges.clear()
    if not plain:
        payload.append(ops.encode(ops.STATE, data=after))
    elif before is not None and after[_RAX] != before[_RAX]:
        payload.append(ops.encode(ops.RESULT, int.from_bytes(after[_RAX], "little")))
    return payload


def add_fields(known: Fields, task: Task, payload: list[bytes]) -> None:
    """What else belongs to a thread, if it is not as the log knows it."""
    fields = ops.task_fields(task)
    if known.get(task) != fields:
        known[task] = fields
        payload.append(ops.encode(ops.TASK, *fields))
