"""Running guest code so that it stops exactly: what debuggers, recordings and replays share.

`LiveRunner` (replay.live) runs a program; a `Recorder` (replay.recorder) also notes what replays
need; a `Replayer` (replay.replayer) runs from what was noted.
"""

from __future__ import annotations

from blink.replay.digest import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from blink import _engine
    from blink.kernel.process import Process
    from blink.kernel.task import Task

REASONS = frozenset(
    (
        *("until", "breakpoint", "watchpoint", "interrupt", "syscall", "signal", "exec", "clone"),
        *("fork", "load", "exit", "killed", "end", "diverged"),
    )
)
CATCHABLE = frozenset(("syscall", "signal", "exec", "clone", "fork", "load"))
FOREVER = 1 << 62
_PF_WRITE = 2


class Halt:
    """Why run() came back: one of REASONS, the thread that it concerns, and details by name.

    breakpoint  -
    watchpoint  address, size, write: the access that the instruction at RIP is about to make; or,
                with call=True, that a system call has made
    syscall     number, args, result (None when it set the registers itself)
    signal      number, siginfo; the thread is at the start of its handler, if it has one
    exec        path
    clone, fork number: the new thread or process
    load        path, start, end: a file was mapped to be executed
    exit        status: the process is about to end; run() once more, and it is gone
    killed      signo: as exit; of a fault also code and address, as in siginfo_t
    diverged    text: what the recording says, and what happened
    """

    __slots__ = ("details", "reason", "tid")

    def __init__(self, reason: str, tid: int, **details: Any) -> None:
        assert reason in REASONS
        self.reason = reason
        self.tid = tid
        self.details = details

    def __repr__(self) -> str:
        said = "".join(f", {name}={value!r}" for name, value in self.details.items())
        return f"Halt({self.reason}, tid={self.tid}{said})"


class Runner:
    """A program that stands still, unless run() is at work.

    process   the guest's process
    tasks     its threads, by number
    current   the thread that runs or ran last
    """

    def __init__(self, process: Process, current: Task) -> None:
        self.process = process
        self.current = current
        self.breakpoints: frozenset[int] = frozenset()
        self.watchpoints: list[tuple[int, int, int]] = []
        self.caught: frozenset[str] = frozenset()
        self._gone = 0  # instructions of threads that have ended

    # --- looking ---

    @property
    def memory(self) -> _engine.Memory:
        return self.process.memory

    @property
    def tasks(self) -> dict[int, Task]:
        return self.process.tasks

    @property
    def time(self) -> int:
        """Instructions that all threads have retired.  Exact while nothing runs."""
        return self._gone + sum(task.cpu.icount for task in self.tasks.values())

    @property
    def end(self) -> int:
        """The last time that is known."""
        return self.time

    def digest(self) -> bytes:
        """A hash of all registers and memory.

        The status flags do not count: some instructions leave them undefined.
        """
        return digest(self.process)

    # --- asking ---

    def set_breakpoints(self, addresses: Iterable[int]) -> None:
        """Replaces all.  run() halts before the instruction; not where it started."""
        self.breakpoints = frozenset(addresses)
        for task in self.tasks.values():
            task.cpu.set_breakpoints(sorted(self.breakpoints))

    def set_watchpoints(self, ranges: Iterable[tuple[int, int, int]]) -> None:
        """Replaces all: (start, length, WATCH_READ | WATCH_WRITE).  run() halts before one."""
        self.watchpoints = sorted(ranges)
        for task in self.tasks.values():
            task.cpu.set_watchpoints(self.watchpoints)

    def catch(self, reasons: Iterable[str]) -> None:
        """What else run() halts for, of CATCHABLE; replaces all."""
        self.caught = frozenset(reasons)
        if self.caught - CATCHABLE:
            raise ValueError(f"not to be caught: {', '.join(sorted(self.caught - CATCHABLE))}")

    def only(self, tid: int | None) -> None:
        """Lets no other thread run; None: all may."""
        raise NotImplementedError

    # --- running ---

    def run(self, until: int | None = None) -> Halt:
        """Runs until exactly that time, or what halts it first."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Makes run() come back soon; from any host thread.  Before run(): it returns at once."""
        raise NotImplementedError

    def serve(self, control: Callable[[], None]) -> None:
        """Calls `control`, which may use run(); the process ends when it returns."""
        raise NotImplementedError

    def shared_files(self) -> dict[int, tuple[int, int]]:
        """Device and inode of the files that the log knows by number: they are mapped shared."""
        return {}

    def _prepare(self, task: Task) -> None:
        """A thread that is new: what was asked for holds there, too."""
        if self.breakpoints:
            task.cpu.set_breakpoints(sorted(self.breakpoints))
        if self.watchpoints:
            task.cpu.set_watchpoints(self.watchpoints)


def access_halt(task: Task) -> Halt:
    """For STOP_WATCHPOINT."""
    cpu = task.cpu
    write = bool(cpu.stop_error & _PF_WRITE)
    return Halt("watchpoint", task.tid, address=cpu.stop_addr, size=cpu.stop_size, write=write)


def ending_halt(reason: str, tid: int, number: int, info: bytes) -> Halt:
    """For an "exit" with a status, or "killed" by a signal; `info` is the siginfo_t of a fault."""
    if reason == "exit":
        return Halt(reason, tid, status=number)
    more = {}
    if info:
        more["code"] = int.from_bytes(info[8:12], "little", signed=True)
        more["address"] = int.from_bytes(info[16:24], "little")
    return Halt(reason, tid, signo=number, **more)


def call_halt(task: Task, call: tuple[int, ...]) -> Halt:
    """Behind a system call; `call` is its number and arguments."""
    result = task.cpu.get("rax")
    return Halt("syscall", task.tid, number=call[0], args=call[1:], result=result)
