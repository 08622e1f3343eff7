"""`LiveRunner`: a program that runs, one thread at a time, and stops where it is told.

Guest threads are host threads as ever; they pass a baton around (`replay.baton`).  Who controls
them is one more host thread, which takes no signals.
"""

from __future__ import annotations

import _thread

from blink import _engine
from blink.abi import signals as sig
from blink.kernel import boot, host
from blink.kernel.director import Director
from blink.kernel.loop import act
from blink.kernel.process import Options
from blink.kernel.threads import live
from blink.replay.baton import Baton
from blink.replay.calls import BRIEF
from blink.replay.copies import call_and_exit
from blink.replay.runner import FOREVER, Halt, Runner, access_halt, call_halt, ending_halt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from blink.kernel.process import Process
    from blink.kernel.task import Task

QUANTUM = 1_000_000  # instructions, while other threads wait
STOP_COST = 10_000  # of these, what a system call takes
GRACE = 0.05  # seconds that a system call may take at the time that run() was told


class LiveRunner(Runner, Director):
    """See `Runner`.  Make one with `LiveRunner.launch`, then `serve`."""

    def __init__(self, process: Process, current: Task) -> None:
        super().__init__(process, current)
        self.baton = Baton()
        self.baton.full = self._is_full
        self.baton.hurry = self._hurry
        self.baton.taken = self._taken
        self.baton.paused = True
        self._goal: int | None = None
        self._halt: Halt | None = None
        self._noted: Halt | None = None  # the next one
        self._asked = False  # interrupt() was called
        self._hurried = False  # a thread waits that has just come back from a host call
        self._start = (0, 0)  # where run() began: a thread and its count
        self._start_time = 0
        self._turn_began = 0  # the current thread's count
        self._base = 0  # time less the current thread's count
        self._private: list[str] = []
        self._halted = _thread.allocate_lock()
        self._halted.acquire()

    @classmethod
    def launch(
        cls,
        name: bytes | str,
        argv: Sequence[bytes | str],
        env: Sequence[bytes | str],
        options: Options | None = None,
        inherited: tuple[int, int] | None = None,
    ) -> Self:
        """Loads a program: it stands before its first instruction.  Raises LoadError, OSError."""
        process = boot.new_process(options or Options())
        task = boot.load_program(process, name, argv, env, inherited)
        return cls(process, task)

    def serve(self, control: Callable[[], None]) -> None:
        """Runs `control` in a thread of its own, and the guest in this one; does not return."""
        process, task = self.process, self.current
        process.actions.tell_again(catch_fatal=True)
        host.lock = self.baton  # type: ignore[assignment]
        host.brief = BRIEF
        process.director = self
        task.cpu.counting = True
        task.cpu.native = False
        _engine.sig_setmask(sig.ALL_MASK)  # the new thread takes no signals
        _thread.start_new_thread(call_and_exit, (control,))
        task.set_sigmask(task.sigmask)
        live(task)

    def keep_private(self, name: str, fd: int) -> int:
        """Hides a descriptor of ours from the guest and its children; its new number."""
        self._private.append(name)
        return self.process.hidden.keep(name, fd)

    # --- the controlling thread's side ---

    def only(self, tid: int | None) -> None:
        self.baton.only = tid

    def run(self, until: int | None = None) -> Halt:
        if until is not None and self.time >= until:
            return Halt("until", self.current.tid)
        self._goal = until
        self._start = (self.current.tid, self.current.cpu.icount)
        self._start_time = self.time
        self._base = self._start_time - self.current.cpu.icount
        self._halt = None
        self.baton.resume()
        self._await()
        assert self._halt is not None
        self._asked = False
        return self._halt

    def interrupt(self) -> None:
        with self.baton.mutex:
            self._asked = True
            if self.baton.paused:
                return
            if self.baton.holder is None:
                self._halt_from_outside("interrupt")
            else:
                self._hurry()

    def _await(self) -> None:
        """Waits for the halt; a thread that waits in a call at the time of the goal halts, too."""
        waited = False
        while not self._halted.acquire(timeout=-1 if self._goal is None else GRACE):
            with self.baton.mutex:
                idle = self.baton.holder is None and not self.baton.paused and self._is_full()
                if idle and waited:
                    self._halt_from_outside("until")
                waited = idle

    def _halt_from_outside(self, reason: str) -> None:
        """All threads wait in system calls.  The caller has the mutex."""
        self._halt = Halt(reason, self.current.tid)
        self.baton.paused = True
        self._halted.release()

    # --- called by the baton, under its mutex ---

    def _now(self) -> int:
        return self._base + self.current.cpu.icount

    def _is_full(self) -> bool:
        return self._goal is not None and self._now() >= self._goal

    def _hurry(self) -> None:
        self._hurried = True
        self.current.cpu.interrupt()

    # --- the guest threads' side ---

    def guide(self, task: Task) -> None:
        self.baton.acquire()
        try:
            self._prepare(task)
            while self.process.director is self:
                self._settle(task)
                self._turn(task)
        finally:
            if self.process.director is self and self.tasks.get(task.tid) is not task:
                self._gone += task.cpu.icount  # it has ended
            host.lock.release()

    def _taken(self) -> None:
        """A thread has got the baton."""
        task = self.tasks.get(self.baton.holder or 0)
        if task is not None and task is not self.current:
            self._switch(task)
            self._turn_began = task.cpu.icount

    def _switch(self, task: Task) -> None:
        self._base = self.time - task.cpu.icount
        self.current = task

    def _settle(self, task: Task) -> None:
        """Before a turn: halts, if there is a reason; lets others go first, if it is their turn."""
        while (halt := self._reason(task)) is not None:
            self._stand(halt)
        if self.baton.wanted() and (self._hurried or self._budget(task) <= 0):
            self._hurried = False
            self.baton.yield_()
            self._turn_began = task.cpu.icount

    def _reason(self, task: Task) -> Halt | None:
        if self._noted is not None:
            halt, self._noted = self._noted, None
            return halt
        if self._asked:
            return Halt("interrupt", task.tid)
        if not self._is_full():
            return None
        stopped = task.cpu.rip in self.breakpoints and self._now() > self._start_time
        return Halt("breakpoint" if stopped else "until", task.tid)

    def _stand(self, halt: Halt) -> None:
        def tell() -> None:
            self._halt = halt
            self._halted.release()

        self.baton.stand(tell)

    def _budget(self, task: Task) -> int:
        """How many instructions the thread may run."""
        budget = FOREVER if self._goal is None else self._goal - self._now()
        if self.baton.wanted():
            budget = min(budget, self._turn_began + QUANTUM - task.cpu.icount)
        return budget

    def _turn(self, task: Task) -> None:
        budget = self._budget(task)
        if budget <= 0:
            return
        cpu = task.cpu
        stop = cpu.run(budget)
        if stop == _engine.STOP_BREAKPOINT:
            if (task.tid, cpu.icount) != self._start:
                self._noted = Halt("breakpoint", task.tid)
        elif stop == _engine.STOP_WATCHPOINT:
            self._noted = access_halt(task)
        elif stop == _engine.STOP_SYSCALL and "syscall" in self.caught:
            call = cpu.syscall_args()
            self._handle(task, stop)
            self._note(call_halt(task, call))
        elif stop != _engine.STOP_BUDGET:
            self._handle(task, stop)

    def _handle(self, task: Task, stop: int) -> None:
        self._charge()
        act(task, stop)

    def _charge(self) -> None:
        """A system call shortens a turn, too."""
        self._turn_began -= STOP_COST

    # --- what the kernel layer tells ---

    def _note(self, halt: Halt) -> None:
        """The next halt, if it is caught; of several at one time the first."""
        if halt.reason in self.caught and self._noted is None:
            self._noted = halt

    def signal(self, task: Task, signo: int, info: bytes) -> None:
        self._note(Halt("signal", task.tid, number=signo, siginfo=info))

    def note(self, task: Task, reason: str, number: int = 0) -> None:
        if reason != "exec":
            self._note(Halt(reason, task.tid, number=number))
            return
        image = self.process.image
        self._note(Halt(reason, task.tid, path=image.path if image is not None else b""))

    def ending(self, reason: str, number: int, info: bytes = b"") -> None:
        self._stand(ending_halt(reason, self.current.tid, number, info))

    def forked(self, task: Task) -> None:
        process = self.process
        process.director = None
        host.lock = _thread.allocate_lock()
        host.lock.acquire()
        host.brief = frozenset()
        for name in self._private:
            process.hidden.close(name)
        task.cpu.set_breakpoints([])
        task.cpu.set_watchpoints([])
        task.cpu.counting = False
        task.cpu.native = process.tracer is None
        process.actions.tell_again(catch_fatal=False)
