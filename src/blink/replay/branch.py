"""A branch: a replay whose state somebody has changed, which goes on by itself.

The recording cannot know what the changed program asks for.  So each system call is answered here:
what concerns private memory, signal actions, threads and time is done; what is written to standard
output and standard error is collected; a call that the recording has next for that thread is
answered as recorded, if what was read lies where this call wants it.  Anything else stops the
branch, in clear words.

Threads take turns as they did while it was recorded, as long as each comes to its calls after as
many instructions; from the first difference on by themselves, a million instructions each.  Each
has its own place in the recording then.

All of it follows from the state and the log, so that a branch can be replayed, too: clocks go on
from the recording's by the instructions that have retired.
"""

from __future__ import annotations

import posix
from contextlib import contextmanager
from errno import EFAULT, EINTR
from struct import pack

from blink import _engine
from blink.abi import signals as sig
from blink.abi.errors import Interrupted, ThreadEnded
from blink.kernel.deliver import handle
from blink.kernel.director import Director
from blink.kernel.loop import SYSCALL_SIZE, act
from blink.replay import log as records
from blink.replay import ops
from blink.replay.answers import ALIVE, FILES, OUTPUT, THREADS, Answers
from blink.replay.cursor import QUIET, Cursor, is_call
from blink.replay.own_calls import OWN, WAITS, write
from blink.replay.runner import FOREVER, Halt, ending_halt
from blink.replay.waits import Waits
from blink.syscalls._dispatch import dispatch
from blink.syscalls._spec import KEEP
from blink.syscalls._table import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.kernel.task import Task
    from blink.replay.capture import Capture
    from blink.replay.replayer import Replayer

_WAITING = frozenset(("futex", "nanosleep", "clock_nanosleep"))
_INPUTS = ("clock_gettime", "gettimeofday", "time", "getrandom")  # done, if not recorded
_MAP_ANONYMOUS = 0x20
_CLONE_THREAD = 0x10000
_TURN = 1_000_000  # instructions, while other threads could run
_CALL_COST = 10_000  # of these, what a system call takes


class Stuck(Exception):
    """The branch cannot go on; the message says why."""


class Ended(Exception):
    """The program ends: the Halt, and what an END record says."""

    def __init__(self, halt: Halt, number: int, info: bytes = b"") -> None:
        self.halt = halt
        self.number = number
        self.info = info


class Branch(Director):
    """Of a Replayer, from where it stands on; `reached` are its threads that stand in system calls.

    output    (descriptor, bytes) in order
    waits     the threads that wait
    ran       (thread, time, instructions) of each turn
    edits     (address, length) of the memory that was changed at the start
    """

    def __init__(self, replayer: Replayer, reached: dict[Task, int]) -> None:
        self._replayer = replayer
        self._reached = reached
        self.pid: int = replayer.pid
        self.output: list[tuple[int, bytes]] = []
        self.ran: list[tuple[int, int, int]] = []
        self.edits: list[tuple[int, int]] = []
        self.began = replayer.time
        self._idle = 0  # nanoseconds in which all threads waited
        self._time_of_day = posix.fstat(replayer.log.fd).st_mtime_ns - replayer.memory.clock
        self.waits = Waits(self.now, self._woken)
        self._calls: dict[Task, tuple[int, ...]] = {}  # of those who wait
        self._sent: dict[Task, list[tuple[int, bytes]]] = {}  # signals that come next
        self._turn_ends = replayer.current.cpu.icount + _TURN
        event, at, _ = replayer.place()
        self._plan: Cursor | None = Cursor(replayer.log, event, at, replayer.log.used, None)
        self._answers = Answers(self._plan.copy(), replayer.tasks, replayer.repeat)
        self._room = FOREVER  # until the plan has to be looked at again
        self._planned = False  # the call that is made now is the plan's
        self.capture: Capture | None = None  # who writes it down
        replayer.process.director = self

    def now(self, day: bool) -> int:
        """Nanoseconds: an instruction is taken for one."""
        replayer = self._replayer
        base = replayer.memory.clock + replayer.time - self.began + self._idle
        return base + (self._time_of_day if day else 0)

    # --- what the kernel layer tells ---

    def signal(self, task: Task, signo: int, info: bytes) -> None:
        self._add(ops.encode(ops.SIGNAL, signo, data=info))
        self._replayer.note(Halt("signal", task.tid, number=signo, siginfo=info))

    def _add(self, operation: bytes) -> None:
        if self.capture is not None:
            self.capture.add(operation)

    def ending(self, reason: str, number: int, info: bytes = b"") -> None:
        tid = self._replayer.current.tid
        raise Ended(ending_halt(reason, tid, number, info), number, info)

    def new_thread(self, task: Task) -> int:
        """The number that it had while this was recorded, if it was."""
        return self._answers.new_thread(task, self._replayer.tasks)

    def note(self, task: Task, reason: str, number: int = 0) -> None:
        assert reason == "clone"
        self._answers.begin_thread(number)
        self._replayer.begin_thread(number)
        self._add(ops.encode(ops.NEW, number, data=self._replayer.tasks[number].cpu.state()))

    def wake(self, task: Task, address: int) -> None:
        self.waits.wake(address, 1)

    # --- turns ---

    def next_task(self) -> Task:
        """Who goes on.  Raises Stuck, Ended."""
        while self._plan is not None:
            task = self._planned_task(self._plan)
            if task is not None:
                return task
        self._room = FOREVER
        return self._free_task()

    def _planned_task(self, plan: Cursor) -> Task | None:
        """As it was recorded; None when the plan has come further, or does not hold any more."""
        event = plan.event
        task = None if event is None else self._replayer.tasks.get(event.tid)
        if event is None or task is None or event.kind == records.END:
            return self._leave_plan()
        left = event.icount - task.cpu.icount
        if left < 0 or (left and task in self._reached):
            return self._leave_plan()
        if left:
            self._room = left
            return task
        if event.kind in (records.RUN, records.PART):
            plan.skip()
            return None
        if event.kind == records.STOP and event.stop in QUIET:
            plan.skip()
            self._deliver_due(task)
            return None
        if task not in self._reached:
            self._room = 1  # the instruction that stops it
            return task
        number = task.cpu.syscall_args()[0] & 0xFFFFFFFF
        if is_call(event) and number != event.number:
            return self._leave_plan()
        plan.skip()
        self._planned = True
        return task

    def _leave_plan(self) -> Task | None:
        """From here on threads take turns by themselves: no thread is the plan's."""
        self._plan = None
        self.end_turn(False)
        return None

    def end_turn(self, others_first: bool = True) -> None:
        """The current thread lets others run."""
        count = self._replayer.current.cpu.icount
        self._turn_ends = count if others_first else count + _TURN

    def _free_task(self) -> Task:
        replayer = self._replayer
        while True:
            current = replayer.current
            tasks = list(replayer.tasks.values())
            able = [task for task in tasks if task not in self.waits.threads]
            if current in able and current.cpu.icount < self._turn_ends:
                return current
            if able:
                return self._begin_turn(able, tasks.index(current) if current in tasks else -1)
            self._pass_time()

    def _begin_turn(self, able: list[Task], place: int) -> Task:
        tasks = list(self._replayer.tasks.values())
        row = tasks[place + 1 :] + tasks[: place + 1]
        chosen = next(task for task in row if task in able)
        self._turn_ends = chosen.cpu.icount + _TURN
        return chosen

    def _pass_time(self) -> None:
        """All threads wait: until the first one's time has come."""
        first = self.waits.first_time()
        if first is None:
            raise Stuck("all threads of the branch wait for each other")
        task, until = first
        self._idle += max(until - self.now(False), 0)
        self.waits.end(task, self.waits.threads[task].late)

    # --- running ---

    def advance(self, task: Task, room: int) -> int:
        """Runs at most `room` instructions; why the Cpu stopped."""
        room = min(room, self._room, FOREVER)
        if self._plan is None:
            if self._deliver_due(task):
                return _engine.STOP_BUDGET
            room = min(room, max(self._turn_ends - task.cpu.icount, 1))
        event = self._answers.signal(task)
        if event is not None and event.icount > task.cpu.icount:
            room = min(room, event.icount - task.cpu.icount)
        before, time = task.cpu.icount, self._replayer.time
        stop = task.cpu.run(room)
        self._note_turn(task, time, task.cpu.icount - before)
        return stop

    def _note_turn(self, task: Task, time: int, count: int) -> None:
        if not count:
            return
        if self.ran and self.ran[-1][0] == task.tid:
            count += self.ran[-1][2]
            self.ran[-1] = task.tid, self.ran[-1][1], count
        else:
            self.ran.append((task.tid, time, count))

    def handle(self, task: Task, stop: int) -> None:
        """What follows a stop.  Raises Stuck, Ended."""
        planned, self._planned = self._planned, False
        if self._plan is not None and not planned:
            self._leave_plan()
        self._turn_ends -= _CALL_COST
        with self._written(task, stop):
            try:
                self._handle(task, stop, planned)
            except ThreadEnded:
                self._add(ops.encode(ops.GONE, task.tid))
                self._replayer.end_thread(task)
                self.end_turn()

    def _handle(self, task: Task, stop: int, planned: bool) -> None:
        if stop == _engine.STOP_SYSCALL:
            self._call(task, planned)
        else:
            act(task, stop)
            self._answers.pass_fault(task, stop)

    @contextmanager
    def _written(self, task: Task, stop: int) -> Iterator[None]:
        """What happens in it becomes an event, if somebody writes the branch down."""
        capture = self.capture
        if capture is None or not capture.begin(task, stop):
            yield
            return
        try:
            yield
        except Ended as ended:
            capture.finish(task)
            capture.end(task, ended)
            raise
        if task in self.waits.threads:
            capture.wait()
        else:
            capture.finish(task)

    # --- signals ---

    def _deliver_due(self, task: Task) -> bool:
        """Signals that the recording has come by, and those that the branch itself has sent."""
        came = False
        for signo, info in self._answers.due_signals(task):
            self._interrupt(task, signo, info)
            came = True
        for signo, info in self._sent.get(task, ()):
            if not task.sigmask & sig.bit(signo):
                self._sent[task].remove((signo, info))
                self._interrupt(task, signo, info)
                return True
        return came

    def _interrupt(self, task: Task, signo: int, info: bytes) -> None:
        again = 0
        if task in self.waits.threads:
            again = self._replayer.process.actions[signo].flags & sig.SA_RESTART
            number = self._calls[task][0]
            self.waits.end(task, number if again else -EINTR)
        with self._written(task, _engine.STOP_NONE):
            if again:
                task.cpu.rip -= SYSCALL_SIZE
            handle(task, signo, info)

    def send(self, task: Task, group: int, tid: int, signo: int) -> int | None:
        """A signal within the process: abort(3), raise(3), pthread_kill(3)."""
        target = self._replayer.tasks.get(tid & 0xFFFFFFFF)
        if group & 0xFFFFFFFF != self.pid or target is None or not 0 < signo < 65:
            raise Stuck("the branch sends a signal to another process")
        info = pack("<iii4xii", signo, 0, -6, self.pid, 0).ljust(128, b"\0")
        if target is not task:
            return self._send_to(target, signo, info)
        task.cpu.set_result(0)
        if task.sigmask & sig.bit(signo):
            raise Stuck(f"the branch sends itself {sig.name(signo)}, which is blocked")
        self._act_on(task, signo, info)
        return KEEP

    def _act_on(self, task: Task, signo: int, info: bytes) -> None:
        action = self._replayer.process.actions[signo]
        if action.handler == sig.SIG_DFL and signo not in sig.DEFAULT_IGNORED:
            self.ending("killed", signo)
        self._interrupt(task, signo, info)

    def _send_to(self, target: Task, signo: int, info: bytes) -> int:
        if self._plan is not None:
            return 0  # it comes when it came
        action = self._replayer.process.actions[signo]
        if action.handler in (sig.SIG_DFL, sig.SIG_IGN):
            self._act_on(target, signo, info)
        elif target in self.waits.threads and not target.sigmask & sig.bit(signo):
            self._interrupt(target, signo, info)
        else:
            self._sent.setdefault(target, []).append((signo, info))
        return 0

    # --- system calls ---

    def _call(self, task: Task, planned: bool) -> None:
        replayer, cpu = self._replayer, task.cpu
        call = cpu.syscall_args()
        number, args = call[0] & 0xFFFFFFFF, call[1:]
        known = find(number)
        name = str(number) if known is None else known.name
        replayer.calling(task, call)
        if self._recorded_first(task, name, number, args, planned):
            replayer.called(task, call)
            return
        result = self._own(task, name, number, args)
        if result == WAITS:
            self._calls[task], self._plan = call, None
            return
        if result is not None:
            self._answers.pass_call(task, number)
        elif not self._answers.give(task, number, args):
            raise Stuck(
                f"the branch makes the system call {name}, which the recording cannot answer"
            )
        if result is not None and result is not KEEP:
            cpu.set_result(result)
        replayer.called(task, call)

    def _recorded_first(
        self, task: Task, name: str, number: int, args: tuple[int, ...], planned: bool
    ) -> bool:
        """Answers a call as recorded, though it could be done."""
        if name in _WAITING and planned:
            return self._answers.give(task, number, args, at_once=True)
        if name == "mmap" and planned and not args[3] & _MAP_ANONYMOUS:
            return self._answers.give(task, number, args, at_once=True, allowed=FILES)
        return name in _INPUTS and self._answers.give(task, number, args, at_once=True)

    def _woken(self, task: Task, result: int) -> None:
        """Who waited goes on."""
        call = self._calls.pop(task)
        if self.capture is not None:
            self.capture.resume(task)
        task.cpu.set_result(result)
        self._answers.pass_call(task, call[0] & 0xFFFFFFFF)
        self._replayer.called(task, call)
        if self.capture is not None:
            self.capture.finish(task)

    def _own(self, task: Task, name: str, number: int, args: tuple[int, ...]) -> int | None:
        """The result of a call that needs nothing from outside; None for others."""
        if name == "exit_group":
            raise Ended(Halt("exit", task.tid, status=args[0] & 0xFF), args[0] & 0xFF)
        try:
            if number in OUTPUT and args[0] in (1, 2):
                return write(self, task, number, args)
            if name in OWN:
                return OWN[name](self, task, args)
        except task.MemoryFault:
            return -EFAULT
        if not self._is_alive(task, name, args):
            return None
        try:
            return dispatch(task, number, args)
        except Interrupted:
            raise Stuck(f"{name} is interrupted") from None

    def _is_alive(self, task: Task, name: str, args: tuple[int, ...]) -> bool:
        """Whether the kernel layer can do it here."""
        if name == "mmap":
            return bool(args[3] & _MAP_ANONYMOUS)
        if name in ("clone", "clone3"):
            flags = args[0] if name == "clone" else task.memory.read(args[0], 8, force=True)
            flags = flags if isinstance(flags, int) else int.from_bytes(flags, "little")
            return bool(flags & _CLONE_THREAD)
        return name in ALIVE or name in THREADS
