"""What a recorded program wrote to its standard output and error, as it is replayed."""

from __future__ import annotations

from blink.abi.structs import IOVEC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task
    from blink.replay.replayer import Replayer

WRITE, CLOSE, PWRITE64, WRITEV, DUP, DUP2, FCNTL, DUP3, CLOSE_RANGE = (
    1,
    3,
    18,
    20,
    32,
    33,
    72,
    292,
    436,
)
F_DUPFD, F_DUPFD_CLOEXEC = 0, 1030
CALLS = frozenset((WRITE, CLOSE, PWRITE64, WRITEV, DUP, DUP2, FCNTL, DUP3, CLOSE_RANGE))


class Echo:
    """Follows which descriptors are those that were 1 and 2 at the start."""

    def __init__(self, replayer: Replayer, write: Callable[[int, bytes], None]) -> None:
        self.streams = {1: 1, 2: 2}
        self.write = write
        replayer.leave(CALLS)
        replayer.on_call = self.called

    def called(self, task: Task, call: tuple[int, ...], result: int) -> None:
        number, fd = call[0] & 0xFFFFFFFF, call[1] & 0xFFFFFFFF
        if number not in CALLS or result >= 1 << 63:
            return
        stream = self.streams.get(fd)
        if number in (WRITE, PWRITE64, WRITEV):
            if stream is not None:
                self.write(stream, written(task, call, result))
        elif number == CLOSE:
            self.streams.pop(fd, None)
        elif number == CLOSE_RANGE:
            self._close_range(fd, call[2] & 0xFFFFFFFF, call[3])
        elif number != FCNTL or call[2] & 0xFFFFFFFF in (F_DUPFD, F_DUPFD_CLOEXEC):
            self._duplicate(stream, result)

    def _duplicate(self, stream: int | None, new: int) -> None:
        if stream is None:
            self.streams.pop(new, None)
        else:
            self.streams[new] = stream

    def _close_range(self, first: int, last: int, flags: int) -> None:
        if not flags:
            self.streams = {fd: s for fd, s in self.streams.items() if not first <= fd <= last}


def written(task: Task, call: tuple[int, ...], length: int) -> bytes:
    """The first bytes of what a write(2), pwrite64(2) or writev(2) names."""
    if call[0] & 0xFFFFFFFF != WRITEV:
        return task.memory.read(call[2], length, force=True)
    data = b""
    for at in range(call[3] & 0xFFFFFFFF):
        if len(data) >= length:
            break
        base, size = IOVEC.unpack(task.memory.read(call[2] + 16 * at, 16, force=True))[:2]
        data += task.memory.read(base, min(size, length - len(data)), force=True)
    return data
