"""`Stepper`: a program of which every instruction, access and system call is told to a sink.

Everything is interpreted, an instruction at a time: some 10^5 a second.  Threads take turns, as
under a `LiveRunner`.
"""

from __future__ import annotations

from blink import _engine
from blink.abi.layout import GUEST_TOP
from blink.debugger.disassembly import MAX_INSTRUCTION
from blink.replay.live import LiveRunner
from blink.replay.runner import access_halt
from blink.syscalls._trace import TraceOptions, Tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from blink.kernel.process import Process
    from blink.kernel.task import Task

    class Sink(Protocol):
        """Who is told."""

        def instruction(self, time: int, tid: int, rip: int, code: bytes, rsp: int) -> None:
            """It has retired, as number `time`; RSP is as before it."""

        def access(self, time: int, tid: int, write: bool, address: int, size: int) -> None:
            """The instruction that is to become number `time` accesses memory."""

        def call(self, time: int, tid: int, text: str) -> None:
            """A system call, as the log shows it, or what the log tells between calls."""


ALL_MEMORY = [(0, GUEST_TOP, _engine.WATCH_READ | _engine.WATCH_WRITE)]
SLICE = 1024  # instructions, before others are looked after


class Stepper(LiveRunner):
    """Make one with `launch`, then `observe`, then `serve`."""

    sink: Sink

    def observe(self, sink: Sink, accesses: bool = False, calls: bool = False) -> None:
        """Says who is told; of instructions always."""
        self.sink = sink
        if accesses:
            self.set_watchpoints(ALL_MEMORY)
        if calls:
            options = TraceOptions(1)
            options.limit = 256
            self.process.tracer = _CallSink(self, options)

    def tell_call(self, tid: int, text: str) -> None:
        """For the tracer."""
        self.sink.call(self._now(), tid, text)

    def _turn(self, task: Task) -> None:
        for _ in range(min(self._budget(task), SLICE)):
            stop = self._step(task)
            if stop != _engine.STOP_BUDGET:
                self._handle(task, stop)
                return

    def _step(self, task: Task) -> int:
        """Runs one instruction; why the Cpu stopped behind or before it."""
        cpu, sink, tid = task.cpu, self.sink, task.tid
        rip, rsp, before = cpu.rip, cpu.get("rsp"), cpu.icount
        code = self._code(rip)
        time = self._now() + 1
        stop = cpu.run(1)
        while stop == _engine.STOP_WATCHPOINT:
            seen = access_halt(task).details
            sink.access(time, tid, seen["write"], seen["address"], seen["size"])
            stop = cpu.run(1)
        if cpu.icount > before:
            sink.instruction(time, tid, rip, code, rsp)
        return stop

    def _code(self, rip: int) -> bytes:
        memory = self.memory
        bad = memory.probe(rip, MAX_INSTRUCTION)
        length = MAX_INSTRUCTION if bad is None else bad - rip
        return memory.read(rip, length) if length > 0 else b""


class _CallSink(Tracer):
    """A log of calls that goes to the sink."""

    __slots__ = ("_stepper",)

    def __init__(self, stepper: Stepper, options: TraceOptions) -> None:
        super().__init__(stepper.process, options)
        self._stepper = stepper

    def _say(self, who: int, text: str) -> None:
        self._stepper.tell_call(who, text)


def mappings(process: Process) -> list[tuple[int, int, int, str]]:
    """The files in memory: start, end, offset, path."""
    from blink.debugger.places import read_mappings

    found = read_mappings(process.memory.skew)
    return [(m.start, m.end, m.offset, m.path) for m in found if m.path.startswith("/")]
