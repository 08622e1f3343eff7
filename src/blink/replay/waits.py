"""Threads of a branch that wait: for a futex, or for a time.  Linux: kernel/futex/, futex(2)."""

from __future__ import annotations

from errno import EAGAIN, EFAULT, EINVAL, ENOSYS, ETIMEDOUT
from typing import NamedTuple

from blink.abi import sched
from blink.abi.structs import TIMESPEC, U32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task

SECOND = 1_000_000_000
_WAKE, _REQUEUE, _CMP_REQUEUE, _WAKE_BITSET = 1, 3, 4, 10
_ALL = 0xFFFFFFFF
_TIMER_ABSTIME = 1
_REALTIME_FLAG = 256
_OF_DAY = (0, 5, 11)  # CLOCK_REALTIME, _COARSE, CLOCK_TAI


class Wait(NamedTuple):
    """A thread waits: `word` is 0 for who only waits for a time; `until` is one of the monotonic
    clock, or None; `late` is the result when that has come."""

    word: int
    mask: int
    until: int | None
    late: int


class Waits:
    """Who waits, in the order of their coming.  `now(day)` is the time in nanoseconds; `done` is
    told who goes on, and with which result."""

    def __init__(self, now: Callable[[bool], int], done: Callable[[Task, int], None]) -> None:
        self._now = now
        self._done = done
        self.threads: dict[Task, Wait] = {}

    def end(self, task: Task, result: int) -> None:
        """A thread waits no more."""
        del self.threads[task]
        self._done(task, result)

    def first_time(self) -> tuple[Task, int] | None:
        """Whose time comes first, and when."""
        timed = [
            (wait.until, task) for task, wait in self.threads.items() if wait.until is not None
        ]
        if not timed:
            return None
        until, task = min(timed, key=lambda row: row[0])
        return task, until

    def wake(self, word: int, count: int, mask: int = _ALL) -> int:
        """Lets threads that wait for a futex go on; how many."""
        chosen = [t for t, w in self.threads.items() if w.word == word and w.mask & mask][:count]
        for task in chosen:
            self.end(task, 0)
        return len(chosen)

    # --- system calls: the result, or None for who waits ---

    def futex(self, task: Task, args: tuple[int, ...]) -> int | None:
        """futex(2) without priorities.  Raises NotImplementedError."""
        word, op, value = args[0], args[1] & 0xFFFFFFFF, args[2] & 0xFFFFFFFF
        command = op & sched.FUTEX_CMD_MASK
        if word & 3:
            return -EINVAL
        if command in (sched.FUTEX_WAIT, sched.FUTEX_WAIT_BITSET):
            return self._futex_wait(task, args, op)
        if command in (_WAKE, _WAKE_BITSET):
            return self.wake(word, value, args[5] if command == _WAKE_BITSET else _ALL)
        if command in (_REQUEUE, _CMP_REQUEUE):
            return self._requeue(task, args, command)
        if command > sched.FUTEX_LOCK_PI2:
            return -ENOSYS
        raise NotImplementedError

    def _futex_wait(self, task: Task, args: tuple[int, ...], op: int) -> int | None:
        bitset = op & sched.FUTEX_CMD_MASK == sched.FUTEX_WAIT_BITSET
        mask = args[5] & _ALL if bitset else _ALL
        if not mask:
            return -EINVAL
        until = None
        if args[3]:
            until = self._time(task, args[3], bitset, bool(op & _REALTIME_FLAG))
        if task.read_struct(args[0], U32)[0] != args[2] & _ALL:
            return -EAGAIN
        self.threads[task] = Wait(args[0], mask, until, -ETIMEDOUT)
        return None

    def _requeue(self, task: Task, args: tuple[int, ...], command: int) -> int:
        word, _, count, others, word2, expected = args
        if command == _CMP_REQUEUE and task.read_struct(word, U32)[0] != expected & _ALL:
            return -EAGAIN
        woken = self.wake(word, count & _ALL)
        moved = [t for t, w in self.threads.items() if w.word == word][: others & _ALL]
        for thread in moved:
            self.threads[thread] = self.threads.pop(thread)._replace(word=word2)
        return woken + (len(moved) if command == _CMP_REQUEUE else 0)

    def sleep(self, task: Task, at: int, absolute: bool = False, clock: int = 1) -> int | None:
        """nanosleep(2), clock_nanosleep(2)."""
        if not at:
            return -EFAULT
        until = self._time(task, at, absolute, clock in _OF_DAY)
        if until <= self._now(False):
            return 0
        self.threads[task] = Wait(0, 0, until, 0)
        return None

    def _time(self, task: Task, at: int, absolute: bool, day: bool) -> int:
        """A struct timespec, as a time of the monotonic clock."""
        seconds, rest = task.read_struct(at, TIMESPEC)
        given = seconds * SECOND + rest
        return given + self._now(False) - (self._now(day) if absolute else 0)


def absolute(flags: int) -> bool:
    """The flags of clock_nanosleep(2)."""
    return bool(flags & _TIMER_ABSTIME)
