"""What a handled stop did, as operations that a replay repeats without knowing why.

The kernel layer runs while recording only: a replay repeats its effects on memory, mappings,
registers and on the tables that debuggers look at.  So a capsule does not depend on how a later
version of the kernel layer would do it, and nothing needs the host's answers twice.

An operation is code u16, attribute u16, size u32 of the whole, then words by code, then bytes.
"""

from __future__ import annotations

from struct import Struct

from blink.kernel.actions import Action
from blink.kernel.address_space import Vma
from blink.replay.runner import Halt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blink.kernel.task import Task
    from blink.replay.replica import Replica

(
    WRITE, ZERO, MAP, UNMAP, PROTECT, REMAP, RESET, DISCARD, INSERT, REMOVE, CLEAR, BRK, ACTION,
    TASK, STATE, RESULT, NEW, GONE, RENAME, IMAGE, SIGNAL, FORK, SHARE, SYNC,
) = range(1, 25)  # fmt: skip

_HEAD = Struct("<HHI")
_WORDS = [Struct(f"<{n}Q") for n in range(12)]
_COUNTS = {
    WRITE: 1, ZERO: 2, MAP: 7, UNMAP: 2, PROTECT: 3, REMAP: 4, RESET: 0, DISCARD: 2, INSERT: 4,
    REMOVE: 2, CLEAR: 0, BRK: 2, ACTION: 5, TASK: 7, STATE: 0, RESULT: 1, NEW: 1, GONE: 1,
    RENAME: 2, IMAGE: 0, SIGNAL: 1, FORK: 1, SHARE: 1,
    SYNC: 1,
}  # fmt: skip


def encode(code: int, *words: int, data: bytes = b"", attribute: int = 0) -> bytes:
    """One operation."""
    size = _HEAD.size + 8 * len(words) + len(data)
    padded = size + 7 & ~7
    head = _HEAD.pack(code, attribute | (padded - size) << 8, padded)
    return head + _WORDS[len(words)].pack(*words) + data + bytes(padded - size)


def insertion(vma: Vma) -> bytes:
    """For INSERT."""
    bits = vma.shared | vma.grows << 1 | vma.dont_fork << 2 | vma.sealed << 3 | vma.unfiled << 4
    data = vma.label if vma.name is None else vma.label + b"\0" + vma.name
    words = vma.start, vma.end, vma.prot, vma.origin
    return encode(INSERT, *words, data=data, attribute=bits)


def task_fields(task: Task) -> tuple[int, ...]:
    """What TASK sets."""
    stack = task.altstack
    return (
        task.sigmask, stack.sp, stack.flags, stack.size, task.clear_child_tid, *task.robust_list
    )  # fmt: skip


def decode(payload: memoryview) -> Iterator[tuple[int, int, tuple[int, ...], memoryview]]:
    """(code, attribute, words, data) of each operation.  Raises ValueError."""
    at = 0
    while at + _HEAD.size <= len(payload):
        code, attribute, size = _HEAD.unpack_from(payload, at)
        if not code:
            return
        if code not in _COUNTS or not _HEAD.size <= size <= len(payload) - at:
            raise ValueError(f"no operation: {code}, {size} bytes")
        words = _WORDS[_COUNTS[code]]
        first = at + _HEAD.size
        data = payload[first + words.size : at + size - (attribute >> 8)]
        yield code, attribute & 0xFF, words.unpack_from(payload, first), data
        at += size


# --- repeating ---


def apply(replica: Replica, task: Task, payload: memoryview) -> None:
    """Repeats all operations of an event of that thread."""
    for code, attribute, words, data in decode(payload):
        task = task or replica.current  # the first one makes it
        _APPLY[code](replica, task, attribute, words, data)


def apply_call(replica: Replica, payload: memoryview) -> int:
    """Repeats what a CALL or PART record says: its result.  Raises ValueError."""
    (result,) = _WORDS[1].unpack_from(payload, 0)
    for address, data in ranges(payload):
        replica.store(address, data)
    return int(result)


def ranges(payload: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Address and bytes of what a CALL or PART wrote.  Raises ValueError."""
    at = 8
    while at + 16 <= len(payload):
        address, length = _WORDS[2].unpack_from(payload, at)
        at += 16
        if length > len(payload) - at:
            raise ValueError(f"a range of {length} bytes")
        yield address, payload[at : at + length]
        at += length + 7 & ~7


def _write(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.store(words[0], data)


def _zero(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.store(words[0], bytes(words[1]))


def _map(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    start, length, prot, flags, offset, blob, size = words
    replica.mapped = bytes(data)
    replica.map(start, length, prot, flags, offset, blob, size)
    if data:
        replica.files.add(start, start + length, bytes(data), offset)


def _unmap(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.memory.unmap(*words)


def _protect(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.memory.protect(*words)


def _remap(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.memory.remap(*words)
    replica.files.move(words[0], words[2], words[3])


def _reset(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.memory.reset()
    replica.files.clear()


def _discard(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.discard(*words)


def _insert(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    vma = Vma(*words[:3], origin=words[3])
    vma.shared, vma.grows = bool(attribute & 1), bool(attribute & 2)
    vma.dont_fork, vma.sealed = bool(attribute & 4), bool(attribute & 8)
    vma.label, named, name = bytes(data).partition(b"\0")
    vma.name = name if named else None
    vma.unfiled = not vma.origin or bool(attribute & 16)
    replica.process.space.insert(vma)


def _remove(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.process.space.remove(*words)


def _clear(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.process.space.clear()


def _brk(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.process.space.brk_start, replica.process.space.brk = words


def _action(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    signo, handler, flags, restorer, mask = words
    replica.process.actions.rows[signo] = Action(handler, flags, restorer, mask)


def _task(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    task.sigmask = words[0]
    task.altstack.sp, task.altstack.flags, task.altstack.size = words[1:4]
    task.clear_child_tid = words[4]
    task.robust_list = words[5], words[6]


def _state(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    task.cpu.load(bytes(data))


def _result(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    task.cpu.set_result(words[0])


def _new(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.add_task(words[0], bytes(data))


def _gone(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.remove_task(words[0])


def _rename(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.rename_task(*words)


def _image(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    path, _, auxv = bytes(data).partition(b"\0")
    replica.set_image(path, auxv)


def _signal(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.note(Halt("signal", task.tid, number=words[0], siginfo=bytes(data)))


def _fork(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.note(Halt("fork", task.tid, number=words[0]))


def _share(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.share(words[0])


def _sync(
    replica: Replica, task: Task, attribute: int, words: tuple[int, ...], data: memoryview
) -> None:
    replica.sync(words[0], bytes(data))


_APPLY: dict[
    int, Callable[[Replica, Task, int, tuple[int, ...], memoryview], None]
] = {
    WRITE: _write, ZERO: _zero, MAP: _map, UNMAP: _unmap, PROTECT: _protect, REMAP: _remap,
    RESET: _reset, DISCARD: _discard, INSERT: _insert, REMOVE: _remove, CLEAR: _clear, BRK: _brk,
    ACTION: _action, TASK: _task, STATE: _state, RESULT: _result, NEW: _new, GONE: _gone,
    RENAME: _rename, IMAGE: _image, SIGNAL: _signal, FORK: _fork, SHARE: _share,
    SYNC: _sync,
}  # fmt: skip
