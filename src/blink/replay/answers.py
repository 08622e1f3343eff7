"""What a branch can take from the recording: each thread has a place in it, and there are answers
to its next system calls, its signals and its faults.
"""

from __future__ import annotations

from blink.replay import log as records
from blink.replay import ops
from blink.replay.cursor import Cursor
from blink.replay.echo import PWRITE64, WRITE, WRITEV
from blink.replay.own_calls import OWN
from blink.syscalls._table import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from blink.kernel.task import Task
    from blink.replay.log import Event

# Done by the kernel layer: they concern nothing outside of the process's memory and signal state.
ALIVE = frozenset(
    """
    brk munmap mprotect madvise mremap mincore rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    arch_prctl set_tid_address set_robust_list get_robust_list rseq uname
""".split()
)
THREADS = frozenset(("clone", "clone3", "exit"))  # done by it, too, but for processes
OUTPUT = (WRITE, PWRITE64, WRITEV)
ANSWERS = frozenset((ops.WRITE, ops.ZERO, ops.RESULT, ops.TASK))  # that need nothing else
FILES = ANSWERS | {ops.SHARE, ops.MAP, ops.INSERT, ops.REMOVE, ops.UNMAP}
_SENDING = (62, 200, 234)  # kill, tkill, tgkill
_BLOB = 5  # the word of MAP that says which file's bytes
_NEAR = 1 << 12  # what a call writes begins so near behind a pointer that it was given
_NEW_TIDS = 1 << 22  # above all that Linux gives


class Answers:
    """`start`: the place in the log where the branch leaves it; `threads`: those that there are;
    `repeat` lets an event happen."""

    def __init__(
        self, start: Cursor, threads: Iterable[int], repeat: Callable[[Event, Task], None]
    ) -> None:
        self._start = start
        self._repeat = repeat
        self._cursors = {tid: start.of(tid) for tid in threads}
        self._made = 0  # threads that the recording does not know

    # --- threads ---

    def new_thread(self, task: Task, taken: Container[int]) -> int:
        """The number that the thread which this one makes had while it was recorded; another one
        if it was not."""
        event = self._cursors[task.tid].call()
        rows = ops.decode(event.payload) if event is not None and event.kind == records.STOP else ()
        known = next((words[0] for code, _, words, _ in rows if code == ops.NEW), 0)
        if known and known not in taken:
            return known
        self._made += 1
        return _NEW_TIDS + self._made

    def begin_thread(self, number: int) -> None:
        """A new thread has its place, too."""
        if number not in self._cursors:
            known = self._start if number < _NEW_TIDS else self._start.behind()
            self._cursors[number] = known.of(number)

    # --- signals and faults ---

    def signal(self, task: Task) -> Event | None:
        """A thread's next event, if a signal came there."""
        return self._cursors[task.tid].signal()

    def due_signals(self, task: Task) -> Iterator[tuple[int, bytes]]:
        """Number and siginfo of the signals that came to a thread until where it is; each is
        passed by."""
        cursor = self._cursors[task.tid]
        while (event := cursor.signal()) is not None and event.icount <= task.cpu.icount:
            cursor.skip()
            for code, _, words, data in ops.decode(event.payload):
                if code == ops.SIGNAL:
                    yield words[0], bytes(data)

    def pass_fault(self, task: Task, stop: int) -> None:
        """The recording had it, too: what the kernel layer has done for it is done."""
        cursor = self._cursors[task.tid]
        event = None if cursor.signal() is not None else cursor.event
        if event is not None and event.kind == records.STOP and event.stop == stop:
            cursor.skip()

    # --- system calls ---

    def pass_call(self, task: Task, number: int) -> None:
        """The recording made the same call here: the next answer is behind it, and behind the
        signal that it sent."""
        cursor = self._cursors[task.tid]
        event = cursor.call()
        if event is None or event.number != number:
            return
        cursor.skip()
        sent = cursor.signal() if number in _SENDING else None
        if sent is not None and sent.icount <= event.icount:
            cursor.skip()

    def give(
        self,
        task: Task,
        number: int,
        args: tuple[int, ...],
        at_once: bool = False,
        allowed: frozenset[int] = ANSWERS,
    ) -> bool:
        """Answers with what the recording has next, if that is this call, in these buffers.
        Calls in between that need no answers are passed by, but not with `at_once`."""
        cursor = self._cursors[task.tid].copy()
        while (event := cursor.call()) is not None and event.number != number:
            if at_once or not _needs_nothing(event):
                break
            cursor.skip()
        if event is None or event.number != number or not _fits(event, args, allowed):
            return False
        self._repeat(event, task)
        cursor.skip()
        self._cursors[task.tid] = cursor
        return True


def _fits(event: Event, args: tuple[int, ...], allowed: frozenset[int]) -> bool:
    if event.kind == records.CALL:
        places = [start for start, _ in ops.ranges(event.payload)]
    else:
        rows = list(ops.decode(event.payload))
        if any(row[0] not in allowed for row in rows):
            return False
        places = [row[2][0] for row in rows if row[0] in (ops.WRITE, ops.ZERO)]
    return all(any(0 <= at - arg < _NEAR for arg in args if arg) for at in places)


def _needs_nothing(event: Event) -> bool:
    """Whether a branch makes such a call by itself."""
    call = find(event.number)
    if call is None:
        return False
    if call.name == "mmap" and event.kind == records.STOP:
        return all(row[0] != ops.MAP or not row[2][_BLOB] for row in ops.decode(event.payload))
    own = ALIVE | THREADS | OWN.keys()
    return call.name in own or event.number in OUTPUT
