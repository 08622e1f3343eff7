"""System calls that a branch answers by itself: (branch, thread, arguments) -> the result, None for
what needs the recording, or WAITS."""

from __future__ import annotations

from errno import EINVAL
from hashlib import blake2b
from struct import pack

from blink.replay.echo import WRITEV, written
from blink.replay.waits import SECOND, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task
    from blink.replay.branch import Branch

    Own = Callable[[Branch, Task, tuple[int, ...]], int | None]

WAITS = 1 << 81
"""In place of a result: the thread waits."""

_OF_DAY = (0, 5, 11)  # CLOCK_REALTIME, _COARSE, CLOCK_TAI


def write(branch: Branch, task: Task, number: int, args: tuple[int, ...]) -> int:
    """write(2) and its kin to standard output or error: kept."""
    length = _length(task, args) if number == WRITEV else args[2]
    data = written(task, (number, *args), length)
    branch.output.append((args[0], data))
    return len(data)


def _length(task: Task, args: tuple[int, ...]) -> int:
    """The bytes of all parts of a writev(2)."""
    rows = task.memory.read(args[1], 16 * min(args[2], 1024), force=True)
    return sum(int.from_bytes(rows[at + 8 : at + 16], "little") for at in range(0, len(rows), 16))


def _clock(branch: Branch, task: Task, args: tuple[int, ...]) -> int:
    which = args[0] & 0xFFFFFFFF
    if which > 11:
        return -EINVAL
    now = branch.now(which in _OF_DAY)
    task.memory.write(args[1], pack("<qq", *divmod(now, SECOND)))
    return 0


def _day(branch: Branch, task: Task, args: tuple[int, ...]) -> int:
    seconds, rest = divmod(branch.now(True), SECOND)
    if args[0]:
        task.memory.write(args[0], pack("<qq", seconds, rest // 1000))
    return 0


def _seconds(branch: Branch, task: Task, args: tuple[int, ...]) -> int:
    seconds = branch.now(True) // SECOND
    if args[0]:
        task.memory.write(args[0], pack("<q", seconds))
    return seconds


def _random(branch: Branch, task: Task, args: tuple[int, ...]) -> int:
    length = min(args[1], 256)
    seed = pack("<QQ", task.cpu.icount, args[0])
    data = b"".join(blake2b(seed + bytes([at])).digest() for at in range((length + 63) // 64))
    task.memory.write(args[0], data[:length])
    return length


def _yield(branch: Branch, task: Task, args: tuple[int, ...]) -> int:
    branch.end_turn()
    return 0


def _waited(result: int | None) -> int:
    return WAITS if result is None else result


def _futex(branch: Branch, task: Task, args: tuple[int, ...]) -> int | None:
    try:
        return _waited(branch.waits.futex(task, args))
    except NotImplementedError:
        return None


def _sleep(branch: Branch, task: Task, args: tuple[int, ...]) -> int:
    return _waited(branch.waits.sleep(task, args[0]))


def _clock_sleep(branch: Branch, task: Task, args: tuple[int, ...]) -> int:
    return _waited(branch.waits.sleep(task, args[2], absolute(args[1]), args[0]))


OWN: dict[str, Own] = {
    "clock_gettime": _clock, "gettimeofday": _day, "time": _seconds, "getrandom": _random,
    "gettid": lambda branch, task, args: task.tid,
    "getpid": lambda branch, task, args: branch.pid,
    "kill": lambda branch, task, args: branch.send(task, args[0], branch.pid, args[1]),
    "tkill": lambda branch, task, args: branch.send(task, branch.pid, args[0], args[1]),
    "tgkill": lambda branch, task, args: branch.send(task, *args[:3]),
    "sched_yield": _yield, "futex": _futex, "nanosleep": _sleep, "clock_nanosleep": _clock_sleep,
}  # fmt: skip
