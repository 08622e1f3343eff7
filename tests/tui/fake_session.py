"""A session over a recorded run of a small program: what the interface's tests drive.

The program is real and has really run (on `blink.machine`, in memory of its own); what is made up
is only that there is no process, no Linux and no terminal behind it.  It sums five bytes and then
writes to address 0.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from blink.debugger.blocks import Translations
from blink.debugger.errors import DebugError
from blink.debugger.motion import TRAIL
from blink.debugger.rows import View
from blink.machine import Machine

# main: push rbp; mov rbp, rsp; sub rsp, 16; lea rdi, [message]; mov ecx, 5
# 1:    call sum; mov [total], rax; dec ecx; jnz 1b; mov qword ptr [rcx], 1; leave; ret
# sum:  movzx eax, byte ptr [rdi]; add rax, [total]; inc rdi; cvtsi2sd xmm0, eax
#       addsd xmm1, xmm0; ret
CODE = bytes.fromhex(
    "554889e54883ec10488d3d01100000b905000000e817000000488905e80f"
    "0000ffc975f048c70101000000c9c30f1f000fb607480305ce0f000048ff"
    "c7f20f2ac0f20f58c8c3"
)
TEXT, DATA, STACK, STACK_END = 0x401000, 0x402000, 0x7000000, 0x7002000
MAIN, SUM, TOTAL, MESSAGE = TEXT, TEXT + 0x30, DATA + 8, DATA + 16
CODE_END = TEXT + len(CODE)
BAD_STORE = TEXT + 0x24
SYMBOLS = {"main": MAIN, "sum": SUM}
NAMES = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags".split()
REST = ["fs_base", "gs_base", "cs", "ds", "es", "ss", "fs", "gs", "mxcsr"]
SOURCE = {MAIN: 3, MAIN + 8: 4, MAIN + 0x14: 6, MAIN + 0x20: 5, BAD_STORE: 8, SUM: 12, SUM + 10: 13}


class Mapping(NamedTuple):
    start: int
    end: int
    prot: int
    offset: int
    path: str


class Line(NamedTuple):
    file: str
    line: int


class Place(NamedTuple):
    name: str
    offset: int
    object: str
    line: Line | None


class Frame(NamedTuple):
    pc: int
    cfa: int
    place: Place
    how: str


class Thread(NamedTuple):
    tid: int
    name: str
    rip: int
    state: str


class Stop(NamedTuple):
    reason: str
    tid: int
    rip: int | None
    time: int
    text: str
    numbers: list[int]
    details: dict[str, Any]


class CallLine(NamedTuple):
    time: int
    tid: int
    text: str


class Point:
    def __init__(self, number: int, kind: str, where: int | str) -> None:
        self.number, self.kind, self.where = number, kind, where
        self.addresses: list[int] = []
        self.length, self.access, self.names = 0, "", ()
        self.condition: str | None = None
        self.temporary, self.enabled = False, True
        self.ignore = self.hits = 0


class State(NamedTuple):
    """The program after some number of instructions."""

    registers: dict[str, int]
    memory: dict[int, bytes]


MAPS = [
    Mapping(TEXT, TEXT + 0x1000, 5, 0x1000, "/usr/bin/sum"),
    Mapping(DATA, DATA + 0x1000, 3, 0x2000, "/usr/bin/sum"),
    Mapping(STACK, STACK_END, 3, 0, "[stack]"),
]


def record() -> list[State]:
    """Runs the program to its fault; the states before each instruction."""
    machine = Machine(paged=True)
    try:
        for mapping in MAPS:
            machine.memory.map(mapping.start, mapping.end - mapping.start, 7, 0x22)
        machine.memory.write(TEXT, CODE)
        machine.memory.write(MESSAGE, b"Hello, blinkenlights\0")
        machine.cpu.rip, machine.cpu.rsp = MAIN, STACK_END - 0x100
        machine.cpu.rbx = MESSAGE
        states = [_state(machine)]
        while machine.step().reason == "budget":
            states.append(_state(machine))
        return states
    finally:
        machine.memory.reset()


def _state(machine: Machine) -> State:
    get = machine.cpu.raw.get
    values = {name: get(name) for name in (*NAMES, *REST)}
    values |= {f"ymm{i}": get(f"ymm{i}") for i in range(16)}
    values |= {f"st{i}": 0 for i in range(8)} | {"fcw": 0x37F, "fsw": 0, "ftw": 0xFFFF}
    memory = {m.start: machine.memory.read(m.start, m.end - m.start) for m in MAPS}
    return State(values, memory)


class FakeSymbols:
    def __init__(self, source: str) -> None:
        self.source = source

    def at(self, address: int, lines: bool = True) -> Place:
        if not TEXT <= address < TEXT + len(CODE):
            return Place("", 0, "", None)
        name = "sum" if address >= SUM else "main"
        known = [at for at in SOURCE if SYMBOLS[name] <= at <= address]
        line = Line(self.source, SOURCE[max(known)]) if self.source else None
        return Place(name, address - SYMBOLS[name], "/usr/bin/sum", line)

    def find(self, name: str) -> list[int]:
        return [SYMBOLS[name]] if name in SYMBOLS else []

    def resolve(self, where: str) -> list[int]:
        if not (found := self.find(where)):
            raise DebugError(f"no symbol is called {where}")
        return found


class FakeSession:
    """`debugger.session.Session` as the interface uses it.

    `endless` makes cont() run until it is interrupted, as a program with a loop would.
    """

    def __init__(self, source: str = "", endless: bool = False) -> None:
        self.states = record()
        self.symbols = FakeSymbols(source)
        self.endless = endless
        self.stop: Stop | None = None
        self.tid = 100
        self.exit_status: int | None = None
        self.time = self.end = 0
        self.replayed, self.began = False, 0  # a branch is replayed from where it began
        self.asked: list[tuple[Any, ...]] = []  # motions, as they came
        self._marks: dict[str, int] = {}
        self._points: list[Point] = []
        self._next = 1
        self._stopped = threading.Event()
        self._stopped.set()
        self._interrupted = False
        self.closed = False

    # --- state ---

    @property
    def running(self) -> bool:
        return not self._stopped.is_set()

    @property
    def reversible(self) -> bool:
        return True

    @property
    def live(self) -> bool:
        return self.time >= self.end

    @property
    def state(self) -> State:
        return self.states[self.time]

    def registers(self, tid: int | None = None) -> dict[str, int]:
        return dict(self.state.registers)

    def set_register(self, name: str, value: int) -> None:
        self.state.registers[name] = value

    def read(self, address: int, length: int) -> bytes:
        for start, data in self.state.memory.items():
            if start <= address < start + len(data):
                return data[address - start : address - start + length]
        return b""

    def write(self, address: int, data: bytes) -> None:
        for start, old in self.state.memory.items():
            if start <= address < start + len(old):
                at = address - start
                self.state.memory[start] = old[:at] + data + old[at + len(data) :]
                return
        raise DebugError(f"{address:#x} is not mapped")

    def writes(self, first: int, until: int) -> tuple[list[tuple[int, int, bytes]], bool]:
        """Of a branch, piece by piece: one instruction after its start, another line."""
        pieces = [(self.began + 1, 1, b"another\nway\n")][first:] if until > self.began else []
        return pieces, False

    def view(self, pages: Sequence[int]) -> View:
        threads: list[Any] = self.threads()
        return View(threads, self.registers(), {at: self.read(at, 4096) for at in pages})

    def maps(self) -> list[Mapping]:
        return MAPS

    def search(self, pattern: bytes, start: int = 0, end: int = 0, limit: int = 100) -> list[int]:
        found = []
        for base, data in self.state.memory.items():
            if (at := data.find(pattern)) >= 0:
                found.append(base + at)
        return found[:limit]

    def threads(self) -> list[Thread]:
        return [Thread(100, "sum", self.state.registers["rip"], "current")]

    def select(self, tid: int) -> None:
        if tid != 100:
            raise DebugError(f"there is no thread {tid}")

    def translations(self, start: int, end: int) -> Translations:
        """`sum` was translated, `main` was decoded, once they have run."""
        if self.end < 6:
            return Translations([], [])
        return Translations([[SUM, CODE_END - SUM]], [MAIN])

    def backtrace(
        self, tid: int | None = None, limit: int = 64, registers: object = None, read: object = None
    ) -> list[Frame]:
        registers = self.state.registers
        rip, rsp = registers["rip"], registers["rsp"]
        frames = [
            Frame(rip, rsp + 8 if rip >= SUM else STACK_END - 0x100, self.symbols.at(rip), "top")
        ]
        if rip >= SUM:
            back = int.from_bytes(self.read(rsp, 8), "little")
            frames.append(Frame(back, STACK_END - 0x100, self.symbols.at(back - 1), "cfi"))
        return frames

    def calls(
        self, first: int | None = None, count: int = 100, wait: bool = True
    ) -> list[CallLine]:
        lines = [
            CallLine(2, 100, 'write(1, "Hello", 5) = 5'),
            CallLine(30, 100, "close(9) = -9 EBADF"),
        ]
        return [line for line in lines if line.time <= self.end]

    def marks(self) -> dict[str, int]:
        return dict(self._marks)

    @property
    def changeable(self) -> bool:
        return self.replayed and self.time == self.began

    def mark(self, name: str) -> None:
        self._marks[name] = self.time

    def save(self, path: str) -> None:
        raise DebugError(f"cannot write {path}: this is a fake")

    def branch(self) -> FakeSession:
        made = copy.copy(self)
        made.states = [State(dict(s.registers), dict(s.memory)) for s in self.states]
        made._points = []
        made.replayed, made.began = True, self.time
        return made

    def restart(self) -> None:
        self.time, self.stop = 0, None

    def close(self) -> None:
        self.closed = True

    # --- stops ---

    def add_breakpoint(
        self,
        where: int | str,
        condition: str | None = None,
        temporary: bool = False,
        ignore: int = 0,
        pending: bool = False,
    ) -> Point:
        point = self._enter("breakpoint", where)
        try:
            point.addresses = [where] if isinstance(where, int) else self.symbols.resolve(where)
        except DebugError:
            self._points.pop()
            raise
        point.condition, point.temporary, point.ignore = condition, temporary, ignore
        return point

    def add_watchpoint(self, address: int, length: int, kind: str = "w") -> Point:
        point = self._enter("watchpoint", address)
        point.addresses, point.length, point.access = [address], length, kind
        return point

    def catch(self, kind: str, names: Any = ()) -> Point:
        point = self._enter("catch", " ".join(names))
        point.access, point.names = kind, tuple(names)
        return point

    def _enter(self, kind: str, where: int | str) -> Point:
        self._points.append(Point(self._next, kind, where))
        self._next += 1
        return self._points[-1]

    def breakpoints(self) -> list[Point]:
        return list(self._points)

    def remove(self, number: int) -> None:
        self._points = [p for p in self._points if p.number != number]

    def enable(self, number: int, on: bool = True) -> None:
        next(p for p in self._points if p.number == number).enabled = on

    # --- motion ---

    def wait(self, timeout: float | None = None) -> Stop:
        if not self._stopped.wait(timeout):
            raise TimeoutError
        assert self.stop is not None
        return self.stop

    def interrupt(self) -> None:
        if self.running:
            self._interrupted = True
            self._arrive("interrupt")

    def _arrive(self, reason: str, numbers: list[int] | None = None, **details: Any) -> None:
        self.end = max(self.end, self.time)
        rip = self.state.registers["rip"]
        where = self.symbols.at(rip)
        text = f"{reason} at {rip:#x} {where.name}"
        self.stop = Stop(reason, 100, rip, self.time, text, numbers or [], details)
        self._stopped.set()

    def _forth(self, end: int, wanted: Callable[[int], bool] = lambda time: False) -> None:
        """Forwards to a time, to a breakpoint, to what is wanted, or to the fault."""
        while self.time < end:
            if self.time + 1 == len(self.states):
                self._arrive("signal", signo=11, code=1, address=0)
                return
            self.time += 1
            if hits := self._hits():
                self._arrive("breakpoint", hits)
                return
            if wanted(self.time):
                break
        self._arrive("step")

    def _hits(self) -> list[int]:
        rip = self.state.registers["rip"]
        return [p.number for p in self._points if p.enabled and rip in p.addresses]

    def _rsp(self, time: int) -> int:
        return self.states[time].registers["rsp"]

    def _move(self, name: str, *words: Any) -> None:
        if self.running:
            raise DebugError("the program is running")
        self.asked.append((name, *words))
        self._stopped.clear()

    def step(self, n: int = 1) -> None:
        self._move("step", n)
        self._forth(self.time + n)

    def advance(self, n: int, trail: int = 0) -> None:
        self._move("advance", n, trail)
        before = self.time
        if self.endless:
            after = min(before + n, len(self.states) - 1)
            self.time = (before + n) % (len(self.states) - 1)
            self._arrive("step")
        else:
            self._forth(before + n)
            after = self.time
        way = [self.states[t].registers for t in range(max(before, after - trail), after)]
        assert self.stop is not None
        rows = [[registers.get(name, 0) for name in TRAIL] for registers in way]
        self.stop.details["trail"] = rows

    def next(self) -> None:
        self._move("next")
        rsp = self._rsp(self.time)
        self._forth(len(self.states), lambda time: self._rsp(time) >= rsp)

    def finish(self) -> None:
        self._move("finish")
        rsp = self._rsp(self.time)
        self._forth(len(self.states), lambda time: self._rsp(time) > rsp)

    def until(self, address: int) -> None:
        self._move("until", address)
        self._forth(len(self.states), lambda t: self.states[t].registers["rip"] == address)

    def cont(self) -> None:
        self._move("cont")
        if self.endless:
            self.time = (self.time + 7) % (len(self.states) - 1)
            self.end = len(self.states) - 1
        else:
            self._forth(len(self.states))

    def goto(self, time: int) -> None:
        self._move("goto", time)
        if not 0 <= time <= self.end:
            self._stopped.set()
            raise DebugError(f"time {time} is not in this history: 0 to {self.end}")
        self.time = time
        self._arrive("step")

    def _back(self, wanted: Callable[[int], bool]) -> None:
        while self.time > 0:
            self.time -= 1
            if wanted(self.time):
                self._arrive("step")
                return
        self._arrive("start")

    def reverse_step(self, n: int = 1) -> None:
        self._move("reverse_step", n)
        goal = self.time - n
        self._back(lambda time: time == goal)

    def reverse_next(self) -> None:
        self._move("reverse_next")
        rsp = self._rsp(self.time)
        self._back(lambda time: self._rsp(time) >= rsp)

    def reverse_finish(self) -> None:
        self._move("reverse_finish")
        rsp = self._rsp(self.time)
        self._back(lambda time: self._rsp(time) > rsp)

    def reverse_cont(self) -> None:
        self._move("reverse_cont")
        while self.time > 0:
            self.time -= 1
            if hits := self._hits():
                self._arrive("breakpoint", hits)
                return
        self._arrive("start")

    def last_write(self, address: int, length: int) -> None:
        self._move("last_write", address, length)
        now, here = self.read(address, length), self.time
        while self.time > 0:
            self.time -= 1
            if self.read(address, length) != now:
                self._arrive("watchpoint", address=address)
                return
        self.time = here
        self._arrive("error")
