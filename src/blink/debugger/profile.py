"""Where a program spends its instructions: call stacks, and how often they ran.

Sampled: the program runs translated and stands every so many instructions (not by time: the same
run gives the same profile), where its stack is unwound.  Exact: every instruction counts for the
stack of calls that led to it, which follows from CALL and RET; some 10^5 instructions a second.
"""

from __future__ import annotations

from blink import _engine
from blink.debugger.objects import Objects
from blink.debugger.places import Mapping
from blink.debugger.stepper import mappings
from blink.debugger.unwind import NAMES, Unwinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.debugger.observed import Channel
    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.replay.live import LiveRunner

    Stack = tuple[str, ...]

DEEPEST = 256
_ENDS = ("exit", "killed")
_EXECUTABLE = _engine.PAGE_X


class Names:
    """Functions by address, as the program's files are mapped now."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._known: dict[int, str] = {}
        self.objects = Objects()
        self.update()

    def update(self) -> None:
        self.objects.update(Mapping(*fields) for fields in mappings(self._process))
        self._known.clear()

    def at(self, address: int) -> str:
        """`main`, `libc.so.6`, or the address."""
        if address not in self._known:
            if self.objects.object(address) is None:  # more of a library was mapped since
                self.update()
            place = self.objects.at(address, lines=False)
            found = self.objects.object(address)
            if not place.name and found is not None and found.read_separate():
                place = self.objects.at(address, lines=False)
            file = place.object.rpartition("/")[2]
            self._known[address] = place.name or (f"[{file}]" if file else f"{address:#x}")
        return self._known[address]


class Profile:
    """Stacks, outermost function first, with their weights; calls by function."""

    def __init__(self) -> None:
        self.stacks: dict[Stack, int] = {}
        self.calls: dict[str, int] = {}

    def add(self, stack: Stack, weight: int) -> None:
        self.stacks[stack] = self.stacks.get(stack, 0) + weight

    def send(self, channel: Channel) -> None:
        """To the parent, which builds the same with `receive`."""
        for stack, weight in self.stacks.items():
            channel.send("stack", stack, weight)
        for name, count in self.calls.items():
            channel.send("calls", name, count)
        channel.flush()

    def receive(self, kind: str, key: Stack | str, number: int) -> None:
        if isinstance(key, tuple):
            self.add(key, number)
        else:
            self.calls[key] = self.calls.get(key, 0) + number

    @property
    def total(self) -> int:
        return sum(self.stacks.values())

    def functions(self) -> list[tuple[str, int, int]]:
        """Name, weight of itself, weight with all that it called; the most expensive first."""
        own: dict[str, int] = {}
        whole: dict[str, int] = {}
        for stack, weight in self.stacks.items():
            own[stack[-1]] = own.get(stack[-1], 0) + weight
            for name in set(stack):
                whole[name] = whole.get(name, 0) + weight
        rows = ((name, own.get(name, 0), weight) for name, weight in whole.items())
        return sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))


# --- sampled ---


def sample(runner: LiveRunner, channel: Channel, interval: int) -> None:
    """Controls a run: a sample every `interval` instructions."""
    names, profile = Names(runner.process), Profile()
    runner.catch(("load", "exec"))
    while (halt := runner.run(runner.time + interval)).reason not in _ENDS:
        if halt.reason == "until":
            profile.add(_stack(runner.current, names), interval)
        else:
            names.update()
    profile.send(channel)
    runner.run()


def _stack(task: Task, names: Names) -> Stack:
    """The functions of a thread, outermost first."""
    memory = task.memory

    def read(address: int, size: int) -> bytes:
        bad = memory.probe(address, size)
        length = size if bad is None else bad - address
        return memory.read(address, length) if length > 0 else b""

    def is_code(address: int) -> bool:
        return bool(memory.flags(address) & _EXECUTABLE)

    unwinder = Unwinder(read, names.objects.rules, is_code)
    found = []
    for frame in unwinder.frames({name: task.cpu.get(name) for name in NAMES}):
        found.append(names.at(frame.lookup))
        if len(found) == DEEPEST:
            break
    return tuple(reversed(found))


# --- exact ---


class _Thread:
    """The calls that a thread is in: (RSP before the CALL's push, function)."""

    __slots__ = ("calls", "left", "stack")

    def __init__(self, function: str) -> None:
        self.calls: list[tuple[int, str]] = [(1 << 64, function)]
        self.stack: Stack = (function,)
        self.left: int | None = None  # behind a CALL: RSP before it


class Counter:
    """Counts every instruction.  See `stepper.Sink`."""

    def __init__(self, process: Process) -> None:
        self._names = Names(process)
        self._threads: dict[int, _Thread] = {}
        self.profile = Profile()

    def update(self) -> None:
        """Other files are mapped now."""
        self._names.update()

    def instruction(self, time: int, tid: int, rip: int, code: bytes, rsp: int) -> None:
        thread = self._threads.get(tid)
        if thread is None:
            thread = self._threads[tid] = _Thread(self._names.at(rip))
        if thread.left is not None:
            self._enter(thread, rip)
        while rsp > thread.calls[-1][0] and len(thread.calls) > 1:  # RET, longjmp
            thread.calls.pop()
            thread.stack = tuple(name for _, name in thread.calls[-DEEPEST:])
        self.profile.add(thread.stack, 1)
        thread.left = rsp if _is_call(code) else None

    def _enter(self, thread: _Thread, rip: int) -> None:
        assert thread.left is not None
        name = self._names.at(rip)
        thread.calls.append((thread.left - 1, name))
        thread.stack = tuple(name for _, name in thread.calls[-DEEPEST:])
        self.profile.calls[name] = self.profile.calls.get(name, 0) + 1

    def access(self, time: int, tid: int, write: bool, address: int, size: int) -> None:
        """Not asked for."""

    def call(self, time: int, tid: int, text: str) -> None:
        """Not asked for."""


def count(runner: LiveRunner, channel: Channel, counter: Counter) -> None:
    """Controls a run whose instructions are counted."""
    runner.catch(("load", "exec"))
    while runner.run().reason not in _ENDS:
        counter.update()
    counter.profile.send(channel)
    runner.run()


def _is_call(code: bytes) -> bool:
    """Whether an instruction is a near CALL: E8, or FF /2, behind prefixes."""
    at = 0
    while at < len(code) - 1 and (code[at] in (0x66, 0xF2, 0x3E, 0x2E) or 0x40 <= code[at] < 0x50):
        at += 1
    return code[at : at + 1] == b"\xe8" or (code[at] == 0xFF and code[at + 1] >> 3 & 7 == 2)
