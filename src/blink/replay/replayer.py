"""`Replayer`: runs a program again from its log, in one host thread, and touches nothing outside.

It goes from event to event: runs the event's thread until it has retired as many instructions as
the log says, compares why it stopped, and repeats what the event did.
"""

from __future__ import annotations

import posix
from struct import error as StructError

from blink import _engine
from blink.kernel import boot
from blink.kernel.process import Options, Process
from blink.kernel.task import Task
from blink.replay import log as records
from blink.replay import ops
from blink.replay.branch import Branch, Ended, Stuck
from blink.replay.copies import close_others, fork_quietly
from blink.replay.cursor import QUIET
from blink.replay.files import MappedFiles
from blink.replay.log import Event, Log
from blink.replay.notes import NotedActions, NotedMemory, NotedSpace
from blink.replay.replica import Replica
from blink.replay.runner import FOREVER, Halt, access_halt, call_halt, ending_halt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PAGE = records.PAGE
NAMES = {getattr(_engine, n): n[5:].lower() for n in dir(_engine) if n.startswith("STOP_")}


ROOM = 1 << 20


def stops_itself(event: Event) -> bool:
    """Whether an instruction stops the Cpu where the event came."""
    if event.kind == records.STOP:
        return event.stop not in QUIET
    return event.kind in (records.CALL, records.PART)


# What a log that nobody has checked may lead to: an unfinished recording has no digest.
DAMAGE = (
    *(ValueError, KeyError, IndexError, OSError, OverflowError, MemoryError, StructError),
    _engine.MemoryFault,
)


class Diverged(Exception):
    """The program does not do what the log says.  The message tells both sides."""


class Replayer(Replica):
    """See `Runner`; `log` is what it follows.  `on_call` is called behind system calls (those of
    `leave`, at least) with the thread, number and arguments, and RAX."""

    def __init__(self, log: Log, process: Process, current: Task | None, at: int) -> None:
        super().__init__(log, process, current)
        self.event: Event | None = None  # the next one
        self._at = at  # where the one behind it is
        self._event_at = at
        address = _engine.buffer_address(log.view)
        self._tape = _engine.Tape(address, log.limit, False, bytes(512))
        self._only: int | None = None
        self.on_call: Callable[[Task, tuple[int, ...], int], None] | None = None
        self.on_begin: Callable[[Task, tuple[int, ...]], None] | None = None
        self.off: Branch | None = None  # it has left the recording
        self._asked = False
        self._over = False
        self._start = (0, 0)

    @classmethod
    def open(cls, log: Log, cpu: str, checked: bool) -> Replayer:
        """At the start of a log's program."""
        options = Options()
        options.cpu, options.checked = cpu, checked
        process = boot.new_process(options, NotedMemory, NotedSpace)
        assert isinstance(process.memory, NotedMemory)
        process.actions = NotedActions(process.memory)
        replayer = cls(log, process, None, PAGE)
        replayer.process.memory.clock = 1
        replayer._next()
        for _ in range(2):  # the thread, then its program
            replayer._repeat()
        return replayer

    @property
    def end(self) -> int:
        return self.log.end if self.off is None else self.time

    def only(self, tid: int | None) -> None:
        """Has no meaning here: the log says who runs."""
        self._only = tid

    def interrupt(self) -> None:
        self._asked = True
        self.current.cpu.interrupt()

    def serve(self, control: Callable[[], None]) -> None:
        control()
        posix._exit(0)

    def fork(self, control: Callable[[Replayer], None], keep: Iterable[int] = ()) -> int:
        """Starts a copy of this process, in which `control` is called with a copy of this; its
        number.  It has no descriptors but those in `keep`."""
        kept = (*keep, self.log.fd)

        def child(shared: dict[int, int]) -> None:
            self.shared.fds = shared
            close_others((*kept, *shared.values()))
            control(self)

        return fork_quietly(self, child)

    def take_over(self, pid: int, gone: int, inside: Iterable[Task], files: MappedFiles) -> None:
        """In a copy of a recording process `pid`: `gone` instructions are those of threads that
        have ended, and the threads `inside` wait in system calls."""
        self.pid, self._gone, self.files = pid, gone, files
        self._reached = dict.fromkeys(inside, _engine.STOP_SYSCALL)
        image = self.process.image
        self.image, self.auxv = (b"?", b"") if image is None else (image.path, image.auxv)
        for task in self.tasks.values():
            task.cpu.set_breakpoints([])
            task.cpu.set_watchpoints([])
        self._next()

    # --- running ---

    def run(self, until: int | None = None) -> Halt:
        self._start = (self.current.tid, self.current.cpu.icount)
        began = self.time
        if self.event is None and not self._over:
            self._next()  # the log may have grown
        for task in self.tasks.values():
            self._attach(task)
        goal = FOREVER if until is None else until
        try:
            halt = self._run(goal) if self.off is None else self._run_off(self.off, goal)
        except Ended as ended:
            self._over = True
            halt = ended.halt
        except (Stuck, Diverged) as error:
            self._over = True
            halt = Halt("diverged", self.current.tid, text=str(error))
        except DAMAGE as error:
            self._over = True
            halt = Halt("diverged", self.current.tid, text=f"the log makes no sense: {error!r}")
        if (
            halt.reason in ("until", "end")  # a live program may stand there
            and self.time > began
            and self.current.cpu.rip in self.breakpoints
        ):
            halt = Halt("breakpoint", self.current.tid)
        self._asked = False
        return halt

    def _run(self, until: int) -> Halt:
        time = self.time
        while True:
            if (halt := self._reason()) is not None:
                return halt
            event = self.event
            if self._over or event is None:
                return Halt("end", self.current.tid)
            task = self._task(event)
            cpu = task.cpu
            left = event.icount - cpu.icount
            if left > 0:
                if time >= until:
                    return Halt("until", self.current.tid)
                before = cpu.icount
                halt = self._approach(task, left, until - time)
                time += cpu.icount - before
                if halt is not None:
                    return halt
            elif left < 0:
                raise Diverged(self._difference(task, "no stop"))
            elif self._is_due(task, event):
                if (halt := self._meet(task, event)) is not None:
                    return halt
                time = self.time
            elif time >= until:
                return Halt("until", self.current.tid)
            else:
                if (halt := self._attempt(task)) is not None:
                    return halt

    # --- leaving the recording ---

    def edited(self, address: int = 0, length: int = 0) -> None:
        """Somebody has changed registers, or memory there: from here on it is a branch."""
        if self.off is None:
            self.off = Branch(self, self._reached)
        if length:
            self.off.edits.append((address, length))

    def _run_off(self, branch: Branch, until: int) -> Halt:
        while not self._over:
            if (halt := self._reason()) is not None:
                return halt
            last, self.current = self.current, branch.next_task()
            task = self.current
            if task is not last and branch.capture is not None:
                branch.capture.switch(last)
            if task in self._reached:
                branch.handle(task, self._reached.pop(task))
                continue
            room = until - self.time
            if room <= 0:
                return Halt("until", task.tid)
            halt = self._look(task, branch.advance(task, room))
            if halt is not None:
                return halt
        return Halt("end", self.current.tid)

    def begin_thread(self, tid: int) -> None:
        """Of a branch: a thread is there."""
        self.note(Halt("clone", self.current.tid, number=tid))
        task = self.tasks[tid]
        self._prepare(task)
        self._attach(task)

    def end_thread(self, task: Task) -> None:
        """Of a branch: a thread has left its process."""
        self._gone += task.cpu.icount
        task.cpu.retire()
        self.current = next(iter(self.tasks.values()))

    def place(self) -> tuple[Event | None, int, int]:
        """Where it is in the log: the next event, where the one behind it is, and where it is."""
        return self.event, self._at, self._event_at

    def calling(self, task: Task, call: tuple[int, ...]) -> None:
        """A system call begins."""
        if self.on_begin is not None:
            self.on_begin(task, call)

    def _reason(self) -> Halt | None:
        """To halt for what has happened so far."""
        if self._noted is not None:
            halt, self._noted = self._noted, None
            return halt
        return Halt("interrupt", self.current.tid) if self._asked else None

    def _task(self, event: Event) -> Task:
        task = self.tasks.get(event.tid)
        if task is None:
            raise Diverged(f"the log has an event of thread {event.tid}, which does not exist")
        self.current = task
        return task

    def _is_due(self, task: Task, event: Event) -> bool:
        """Whether an event needs no further instruction."""
        if event.kind == records.CALL or (event.kind == records.STOP and event.stop not in QUIET):
            return task in self._reached
        return True

    def _attach(self, task: Task) -> None:
        """Lets the engine replay the calls that it recorded, if nobody wants to see them."""
        seen = "syscall" in self.caught or self.watchpoints
        task.cpu.set_tape(None if seen else self._tape, task.tid)
        task.cpu.native = not seen
        if self.off is not None:
            task.cpu.set_tape(None)
            task.cpu.native = False

    def leave(self, numbers: frozenset[int]) -> None:
        """These system calls come to `called`, others need not."""
        flags = bytes(number in numbers for number in range(512))
        address = _engine.buffer_address(self.log.view)
        self._tape = _engine.Tape(address, self.log.limit, False, flags)

    def _approach(self, task: Task, left: int, room: int) -> Halt | None:
        """Runs a thread towards its next event, `left` instructions away; at most `room`."""
        if task in self._reached:
            raise Diverged(self._difference(task, NAMES[self._reached[task]]))
        cpu = task.cpu
        cpu.tape_end = min(cpu.icount + room, FOREVER)
        self._tape.at = self._event_at
        assert self.event is not None
        if stops_itself(self.event):
            left += ROOM  # so that the code in between is translated
        stop = cpu.run(min(left, room))
        if self._tape.at != self._event_at:
            self._at = self._tape.at
            self._next()
        return self._look(task, stop)

    def _attempt(self, task: Task) -> Halt | None:
        """The event's instruction: it stops without being retired."""
        before = task.cpu.icount
        stop = task.cpu.run(1)
        if task.cpu.icount != before:
            raise Diverged(self._difference(task, NAMES[stop]))
        return self._look(task, stop)

    def _look(self, task: Task, stop: int) -> Halt | None:
        if stop in (_engine.STOP_BUDGET, _engine.STOP_INTERRUPT):
            return None
        if stop == _engine.STOP_BREAKPOINT:
            if (task.tid, task.cpu.icount) == self._start:
                return None
            return Halt("breakpoint", task.tid)
        if stop == _engine.STOP_WATCHPOINT:
            return access_halt(task)
        self._reached[task] = stop
        return None

    # --- events ---

    def _next(self) -> None:
        """Goes to the next event that is not just bytes."""
        while (found := self.log.read(self._at)) is not None:
            self._event_at = self._at
            event, self._at = found
            if event.kind not in (records.META, records.BLOB):
                self.event = event
                return
        self.event = None
        self._event_at = self._at

    def _meet(self, task: Task, event: Event) -> Halt | None:
        """The thread is where the event came."""
        if event.kind == records.END:
            self._over = True
            reason = ("exit", "killed")[event.stop]
            return ending_halt(reason, task.tid, event.number, bytes(event.payload))
        if event.kind == records.RUN:
            self._next()
            return None
        call = None
        if event.kind == records.CALL or event.stop not in QUIET:
            call = self._check(task, event)
            if call is not None:
                self.calling(task, call)
        self._repeat()
        if call is not None:
            self.called(task, call)
        return None

    def _check(self, task: Task, event: Event) -> tuple[int, ...] | None:
        """Compares the thread's stop with the event's; a system call's number and arguments."""
        stop = self._reached.pop(task)
        call = task.cpu.syscall_args()
        said = _engine.STOP_SYSCALL if event.kind == records.CALL else event.stop
        is_call = stop == _engine.STOP_SYSCALL
        if stop != said or (is_call and call[0] & 0xFFFFFFFF != event.number):
            raise Diverged(self._difference(task, NAMES[stop]))
        return call if is_call else None

    def _repeat(self) -> None:
        """Does what the next event says."""
        event = self.event
        assert event is not None
        self.repeat(event, self.tasks.get(event.tid, self.current))
        self._next()

    def repeat(self, event: Event, task: Task) -> None:
        """The effects of an event happen."""
        self.memory.clock = event.clock if self.off is None else max(event.clock, self.memory.clock)
        if event.kind == records.STOP:
            ops.apply(self, task, event.payload)
        else:
            result = ops.apply_call(self, event.payload)
            if event.kind == records.CALL:
                task.cpu.set_result(result)

    def called(self, task: Task, call: tuple[int, ...]) -> None:
        """A system call has come back."""
        if self.on_call is not None:
            self.on_call(task, call, task.cpu.get("rax"))
        if "syscall" in self.caught:
            self.note(call_halt(task, call))

    def _difference(self, task: Task, found: str) -> str:
        event = self.event
        assert event is not None
        said = NAMES.get(event.stop, "?") if event.kind == records.STOP else "a switch"
        if event.kind == records.CALL or event.stop == _engine.STOP_SYSCALL:
            said = f"system call {event.number}"
        if found == "syscall":
            found = f"system call {task.cpu.syscall_args()[0]}"
        foreign = "; it shares memory with a child" if self.foreign else ""
        return (
            f"thread {task.tid}: recorded was {said} after {event.icount} instructions; "
            f"now there is {found} after {task.cpu.icount}, at {task.cpu.rip:#x}"
            f"{foreign}"
        )
