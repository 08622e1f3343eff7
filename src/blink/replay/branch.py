"""A branch: a replay whose state somebody has changed, which goes on by itself.

The recording cannot know what the changed program asks for.  So each system call is answered here:
what concerns private memory, signal actions and time is done; what is written to standard output
and standard error is collected; a call that the recording has next is answered as recorded, if what
was read lies where this call wants it.  Anything else stops the branch, in clear words.

All of it follows from the state and the log, so that a branch can be replayed, too: clocks go on
from the recording's by the instructions that have retired.
"""

from __future__ import annotations

import posix
from errno import EFAULT, EINVAL
from hashlib import blake2b
from struct import pack

from blink import _engine
from blink.abi import signals as sig
from blink.abi.errors import Interrupted
from blink.kernel.deliver import _handle
from blink.kernel.director import Director
from blink.kernel.loop import act
from blink.replay import log as records
from blink.replay import ops
from blink.replay.echo import PWRITE64, WRITE, WRITEV, written
from blink.replay.runner import FOREVER, Halt, ending_halt
from blink.syscalls._dispatch import dispatch
from blink.syscalls._spec import KEEP
from blink.syscalls._table import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task
    from blink.replay.log import Event
    from blink.replay.replayer import Replayer

# Done by the kernel layer: they concern nothing outside of the process's memory and signal state.
_ALIVE = frozenset(
    """
    brk munmap mprotect madvise mremap mincore rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    arch_prctl set_tid_address set_robust_list get_robust_list rseq uname sched_yield
""".split()
)
_INPUTS = ("clock_gettime", "gettimeofday", "time", "getrandom")  # done, if not recorded
_SENDING = (62, 200, 234)  # kill, tkill, tgkill
_OUTPUT = (WRITE, PWRITE64, WRITEV)
_QUIET = (_engine.STOP_NONE, _engine.STOP_INTERRUPT)
_ANSWERS = frozenset((ops.WRITE, ops.ZERO, ops.RESULT, ops.TASK))  # that need nothing else
_NEAR = 1 << 12  # what a call writes begins so near behind a pointer that it was given
_OF_DAY = (0, 5, 11)  # CLOCK_REALTIME, _COARSE, CLOCK_TAI
_SECOND = 1_000_000_000
_MAP_ANONYMOUS = 0x20


class Stuck(Exception):
    """The branch cannot go on; the message says why."""


class Ended(Exception):
    """The program ends: the Halt."""

    def __init__(self, halt: Halt) -> None:
        self.halt = halt


class Branch(Director):
    """Of a Replayer with one thread, from where it stands on.

    output    (descriptor, bytes) in order
    """

    __slots__ = ("_began", "_replayer", "_time_of_day", "output")

    def __init__(self, replayer: Replayer) -> None:
        if len(replayer.tasks) > 1:
            raise Stuck("a program with several threads leaves its recording here")
        self._replayer = replayer
        self.output: list[tuple[int, bytes]] = []
        self._began = replayer.current.cpu.icount
        elapsed = replayer.memory.clock
        self._time_of_day = posix.fstat(replayer.log.fd).st_mtime_ns - elapsed
        replayer.process.director = self
        replayer.current.cpu.set_tape(None)
        replayer.current.cpu.native = False

    # --- what the kernel layer tells ---

    def signal(self, task: Task, signo: int, info: bytes) -> None:
        self._replayer.note(Halt("signal", task.tid, number=signo, siginfo=info))

    def ending(self, reason: str, number: int, info: bytes = b"") -> None:
        raise Ended(ending_halt(reason, self._replayer.current.tid, number, info))

    # --- running ---

    def advance(self, task: Task, room: int) -> int:
        """Runs at most `room` instructions; why the Cpu stopped."""
        event = self._signal_ahead()
        if event is not None:
            room = min(room, event.icount - task.cpu.icount)
            if room <= 0:
                self._deliver(task, event)
                return _engine.STOP_BUDGET
        return task.cpu.run(min(room, FOREVER))

    def handle(self, task: Task, stop: int) -> None:
        """What follows a stop.  Raises Stuck, Ended."""
        if stop == _engine.STOP_SYSCALL:
            self._call(task)
        else:
            act(task, stop)

    def _signal_ahead(self) -> Event | None:
        """A signal that the recording has next: it comes on the branch as late, or later."""
        replayer = self._replayer
        while (event := replayer.event) is not None:
            if event.kind == records.RUN or event.kind == records.PART:
                replayer.skip()
            elif event.kind == records.STOP and event.stop in _QUIET:
                if any(row[0] == ops.SIGNAL for row in ops.decode(event.payload)):
                    return event
                replayer.skip()
            else:
                return None
        return None

    def _deliver(self, task: Task, event: Event) -> None:
        for code, _, words, data in ops.decode(event.payload):
            if code == ops.SIGNAL:
                _handle(task, words[0], bytes(data))
        self._replayer.skip()

    # --- system calls ---

    def _call(self, task: Task) -> None:
        replayer, cpu = self._replayer, task.cpu
        call = cpu.syscall_args()
        number, args = call[0] & 0xFFFFFFFF, call[1:]
        known = find(number)
        name = str(number) if known is None else known.name
        replayer.calling(task, call)
        if name not in _INPUTS or not self._as_recorded(task, number, args, at_once=True):
            result = self._own(task, name, number, args)
            if result is not None:
                self._pass_by(task, number)
            elif not self._as_recorded(task, number, args):
                raise Stuck(
                    f"the branch makes the system call {name}, which the recording cannot answer"
                )
            if result is not None and result is not KEEP:
                cpu.set_result(result)
        replayer.called(task, call)

    def _own(self, task: Task, name: str, number: int, args: tuple[int, ...]) -> int | None:
        """The result of a call that needs nothing from outside; None for others."""
        if name in ("exit", "exit_group"):
            raise Ended(Halt("exit", task.tid, status=args[0] & 0xFF))
        try:
            if number in _OUTPUT and args[0] in (1, 2):
                return self._write(task, number, args)
            if name in _OWN:
                return _OWN[name](self, task, args)
        except task.MemoryFault:
            return -EFAULT
        if name not in _ALIVE and not (name == "mmap" and args[3] & _MAP_ANONYMOUS):
            return None
        try:
            return dispatch(task, number, args)
        except Interrupted:
            raise Stuck(f"{name} is interrupted") from None

    def _write(self, task: Task, number: int, args: tuple[int, ...]) -> int:
        length = _length(task, args) if number == WRITEV else args[2]
        data = written(task, (number, *args), length)
        self.output.append((args[0], data))
        return len(data)

    def _clock(self, task: Task, args: tuple[int, ...]) -> int:
        which = args[0] & 0xFFFFFFFF
        if which > 11:
            return -EINVAL
        now = self._now(task, which in _OF_DAY)
        task.memory.write(args[1], pack("<qq", *divmod(now, _SECOND)))
        return 0

    def _now(self, task: Task, day: bool) -> int:
        """Nanoseconds: an instruction is taken for one."""
        base = task.memory.clock + task.cpu.icount - self._began
        return base + (self._time_of_day if day else 0)

    def _day(self, task: Task, args: tuple[int, ...]) -> int:
        seconds, rest = divmod(self._now(task, True), _SECOND)
        if args[0]:
            task.memory.write(args[0], pack("<qq", seconds, rest // 1000))
        return 0

    def _seconds(self, task: Task, args: tuple[int, ...]) -> int:
        seconds = self._now(task, True) // _SECOND
        if args[0]:
            task.memory.write(args[0], pack("<q", seconds))
        return seconds

    def _random(self, task: Task, args: tuple[int, ...]) -> int:
        length = min(args[1], 256)
        seed = pack("<QQ", task.cpu.icount, args[0])
        data = b"".join(blake2b(seed + bytes([at])).digest() for at in range((length + 63) // 64))
        task.memory.write(args[0], data[:length])
        return length

    def _tid(self, task: Task, args: tuple[int, ...]) -> int:
        return task.tid

    def _kill(self, task: Task, args: tuple[int, ...]) -> int | None:
        """A signal to itself: abort(3), raise(3)."""
        *where, signo = args[:3]
        if any(number & 0xFFFFFFFF != task.tid for number in where) or not 0 < signo < 65:
            raise Stuck("the branch sends a signal to another process")
        task.cpu.set_result(0)
        action = task.process.actions[signo]
        if task.sigmask & sig.bit(signo):
            raise Stuck(f"the branch sends itself {sig.name(signo)}, which is blocked")
        if action.handler == sig.SIG_DFL and signo not in sig.DEFAULT_IGNORED:
            self.ending("killed", signo)
        info = pack("<iii4xii", signo, 0, -6, task.tid, 0).ljust(128, b"\0")
        _handle(task, signo, info)
        return KEEP

    # --- what the recording knows ---

    def _next_call(self) -> Event | None:
        replayer = self._replayer
        if self._signal_ahead() is not None:
            return None
        event = replayer.event
        is_call = event is not None and (
            event.kind == records.CALL or event.stop == _engine.STOP_SYSCALL
        )
        return event if is_call else None

    def _pass_by(self, task: Task, number: int) -> None:
        """The recording made the same call here: the next answer is behind it, and behind the
        signal that it sent."""
        event = self._next_call()
        if event is None or event.number != number:
            return
        self._replayer.skip()
        sent = self._signal_ahead() if number in _SENDING else None
        if sent is not None and sent.icount <= event.icount:
            self._replayer.skip()

    def _as_recorded(
        self, task: Task, number: int, args: tuple[int, ...], at_once: bool = False
    ) -> bool:
        """Answers with what the recording has next, if that is this call, in these buffers.
        Calls in between that need no answers are passed by, but not with `at_once`."""
        replayer = self._replayer
        place = replayer.place()
        while (event := self._next_call()) is not None and event.number != number:
            if at_once or not _needs_nothing(event.number):
                break
            replayer.skip()
        if event is None or event.number != number or not self._fits(event, args):
            replayer.go_to(place)
            return False
        replayer.repeat()
        return True

    def _fits(self, event: Event, args: tuple[int, ...]) -> bool:
        if event.kind == records.CALL:
            places = [start for start, _ in ops.ranges(event.payload)]
        else:
            rows = list(ops.decode(event.payload))
            if any(row[0] not in _ANSWERS for row in rows):
                return False
            places = [row[2][0] for row in rows if row[0] in (ops.WRITE, ops.ZERO)]
        return all(any(0 <= at - arg < _NEAR for arg in args if arg) for at in places)


def _needs_nothing(number: int) -> bool:
    call = find(number)
    return call is not None and (call.name in _ALIVE or call.name in _OWN or number in _OUTPUT)


def _length(task: Task, args: tuple[int, ...]) -> int:
    """The bytes of all parts of a writev(2)."""
    rows = task.memory.read(args[1], 16 * min(args[2], 1024), force=True)
    return sum(int.from_bytes(rows[at + 8 : at + 16], "little") for at in range(0, len(rows), 16))


_OWN: dict[str, Callable[[Branch, Task, tuple[int, ...]], int | None]] = {
    "clock_gettime": Branch._clock, "gettimeofday": Branch._day, "time": Branch._seconds,
    "getrandom": Branch._random, "gettid": Branch._tid, "getpid": Branch._tid,
    "kill": lambda self, task, args: self._kill(task, (args[0], args[1])),
    "tkill": lambda self, task, args: self._kill(task, (args[0], args[1])),
    "tgkill": lambda self, task, args: self._kill(task, args[:3]),
}  # fmt: skip
