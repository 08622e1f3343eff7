"""The C engine as a CPU under test: in linear or paged memory, and translating."""

from __future__ import annotations

import ctypes
import mmap
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache

from blink import _engine
from blink.abi.layout import PAGED_SKEW

from . import ldt
from .cpustate import (
    CODE_BASE,
    CODE_SIZE,
    FLAT_SIZE,
    FX_END,
    FX_SIZE,
    HIGH_BASE,
    HIGH_RW_SIZE,
    HIGH_SIZE,
    LOW_BASE,
    LOW_SIZE,
    NO_FAULT,
    VECTORS,
    Case,
    Outcome,
    code_end,
    flat_offset,
    seen_by,
)

READ, WRITE, EXECUTE = 1, 2, 4
INT3 = b"\xcc"
_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
_REP_STEPS = 64
_ARENA = 1 << 20  # bytes of host code
_RUN_LIMIT = 10000  # instructions; far above the block size, so that cached blocks are linked
_SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
_FETCH = 16  # of a page fault's error code
MISCOUNTED = -5  # Outcome.vector: not as many instructions as the interpreter
UNIMPLEMENTED = -4  # Outcome.vector: the engine knows no definition for the bytes


def install_handlers() -> None:
    """Let the engine handle synchronous faults, and leave all other signals to this process."""
    if getattr(install_handlers, "done", False):
        return
    ours = {s: signal.getsignal(s) for s in signal.valid_signals() - _SYNCHRONOUS}
    _engine.sig_init((0, 0))
    for number, handler in ours.items():
        if handler is not None and number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, handler)
    install_handlers.done = True  # type: ignore[attr-defined]


def dirty_range(before: bytes, after: bytes) -> tuple[int, bytes]:
    """Offset and new bytes of the smallest range that holds all differences."""
    if before == after:
        return 0, b""
    changed = int.from_bytes(before, "little") ^ int.from_bytes(after, "little")
    low = ((changed & -changed).bit_length() - 1) // 8
    return low, after[low : (changed.bit_length() + 7) // 8]


class Layout:
    """Where registers lie in Cpu.state(): found by setting each to a number of its own.

    `template` has all state components in XCR0; `high` holds where the upper halves of YMM0.. are.
    """

    NAMES = ("rax", "rip", "fs_base", "gs_base")

    def __init__(self, cpu: _engine.Cpu) -> None:
        cpu.reset()
        for i, name in enumerate(self.NAMES):
            cpu.set(name, 0x5A5A_0000_1111_0000 + i)
        cpu.set("eflags", 0x2)
        clear = cpu.state()
        self.gpr, self.rip, self.fs_base, self.gs_base = (
            clear.index((0x5A5A_0000_1111_0000 + i).to_bytes(8, "little"))
            for i in range(len(self.NAMES))
        )
        cpu.set("eflags", 0x0A02)
        low, _ = dirty_range(clear, cpu.state())
        self.eflags = low - 1
        cpu.reset()
        for i in range(2):
            cpu.set(f"xmm{i}", 0x5A5A_0000_2222_0000 + i)
        vectors = cpu.state()
        first, second = (
            vectors.index((0x5A5A_0000_2222_0000 + i).to_bytes(16, "little")) for i in range(2)
        )
        self.high = [
            slice(at + 16, at + 32)
            for at in range(first, first + 16 * (second - first), second - first)
        ]
        cpu.reset()
        self.template = self._with_table(cpu)
        self._templates = {(64, ldt.SELECTORS_64): self.template}
        self.cpu = cpu

    def _with_table(self, cpu: _engine.Cpu) -> bytes:
        cpu.set("xcr0", 7)
        cpu.set_segment("ldt", 0x50, ldt.LDT_BASE, ldt.LDT_LIMIT, 0xE2)
        return cpu.state()

    def for_case(self, case: Case) -> bytes:
        """A state with the segments of the case."""
        key = (case.mode, case.seg)
        if key not in self._templates:
            self.cpu.reset()
            self.cpu.set_mode(64 if case.mode == 64 else 32)  # 16-bit code in protected mode, too
            for name, selector in zip(_SEGMENTS, case.seg, strict=True):
                self.cpu.set_segment(name, selector, *ldt.segment(selector))
            self._templates[key] = self._with_table(self.cpu)
        return self._templates[key]


class Area:
    """The memory of all cases; CPUs of one kind share it.  Code is followed by INT3 everywhere."""

    def __init__(self, paged: bool) -> None:
        install_handlers()
        self.memory = _engine.Memory(paged)
        for base, size, prot in (
            (CODE_BASE, CODE_SIZE, READ | EXECUTE),
            (ldt.CODE_LOW, CODE_SIZE, READ | EXECUTE),
            (ldt.LDT_BASE, 0x1000, READ),
            (HIGH_BASE, HIGH_RW_SIZE, READ | WRITE),
            (HIGH_BASE + HIGH_RW_SIZE, HIGH_SIZE - HIGH_RW_SIZE, READ),
            (LOW_BASE, LOW_SIZE, READ | WRITE),
        ):
            self.memory.map(base, size, prot, _ANONYMOUS)
        skew = PAGED_SKEW if paged else 0
        self.high = _window(HIGH_BASE + skew, HIGH_SIZE)
        self.low = _window(LOW_BASE + skew, LOW_SIZE)
        for base in (CODE_BASE, ldt.CODE_LOW):
            self.memory.write(base, INT3 * CODE_SIZE, force=True)
        self.memory.write(ldt.LDT_BASE, ldt.image(), force=True)
        self._code = (CODE_BASE, b"")

    def write_code(self, rip: int, code: bytes) -> None:
        if self._code == (rip, code):
            return
        old_rip, old = self._code
        self.memory.write(old_rip, INT3 * len(old), force=True)
        self._code = (rip, code[: code_end(rip) - rip])
        self.memory.write(*self._code, force=True)


@cache
def area(paged: bool) -> Area:
    """One of each, for they map the same addresses."""
    return Area(paged)


class EngineCpu:
    """`run` gives each case to a fresh state of one engine CPU."""

    def __init__(self, paged: bool) -> None:
        self.name = "paged" if paged else "linear"
        self.area = area(paged)
        self.memory, self._high, self._low = self.area.memory, self.area.high, self.area.low
        self.cpu = _engine.Cpu(self.memory)
        self.layout = Layout(self.cpu)

    def run(self, cases: Sequence[Case]) -> list[Outcome]:
        one: Callable[[Case], Outcome] = self._one
        return [one(case) for case in cases]

    def _one(self, case: Case) -> Outcome:
        self.area.write_code(case.address, case.code)
        for address, data in case.memory:
            self._write(address, data)
        before = self._image()
        self.cpu.load(self._packed(case))
        self.cpu.fxrstor(case.fx)
        stop = self._go(case)
        offset, dirty = dirty_range(before, self._image())
        outcome = self._outcome(case, stop, offset, dirty)
        self._clear(case, offset, len(dirty))
        return outcome

    def _go(self, case: Case) -> int:
        stop = self.cpu.run(_RUN_LIMIT if case.run else 1)
        if stop == _engine.STOP_BUDGET and not case.run and self.cpu.rip == case.rip:
            stop = self._finish_repeat(case, stop)
        return stop

    def _write(self, address: int, data: bytes) -> None:
        if address >= HIGH_BASE and address + len(data) <= HIGH_BASE + HIGH_RW_SIZE:
            self._high[address - HIGH_BASE : address - HIGH_BASE + len(data)] = data
        else:
            self.memory.write(address, data, force=True)

    def _image(self) -> bytes:
        return bytes(self._high) + bytes(self._low)

    def _packed(self, case: Case) -> bytes:
        at, state = self.layout, bytearray(self.layout.for_case(case))
        state[at.gpr : at.gpr + 128] = case.gpr
        state[at.rip : at.rip + 8] = case.rip.to_bytes(8, "little")
        state[at.eflags : at.eflags + 4] = (case.flags | 0x202).to_bytes(4, "little")
        if case.mode == 64:
            state[at.fs_base : at.fs_base + 8] = case.fs_base.to_bytes(8, "little")
            state[at.gs_base : at.gs_base + 8] = case.gs_base.to_bytes(8, "little")
        if any(case.ymmh):
            for i, part in enumerate(at.high):
                state[part] = case.ymmh[16 * i : 16 * i + 16]
        return bytes(state)

    def _finish_repeat(self, case: Case, stop: int) -> int:
        """A REP string instruction may take several turns; the host's took all."""
        for _ in range(_REP_STEPS):
            if stop != _engine.STOP_BUDGET or self.cpu.rip != case.rip or not is_repeat(case.code):
                break
            stop = self.cpu.run(1)
        return stop

    def _outcome(self, case: Case, stop: int, offset: int, dirty: bytes) -> Outcome:
        cpu, at = self.cpu, self.layout
        vector, error, address = self._why(case, stop)
        state, fx = cpu.state(), cpu.fxsave()
        gpr = state[at.gpr : at.gpr + 128]
        rip, flags, fs_base, gs_base = (
            int.from_bytes(state[i : i + n], "little")
            for i, n in ((at.rip, 8), (at.eflags, 4), (at.fs_base, 8), (at.gs_base, 8))
        )
        seg = tuple(cpu.get(name) for name in _SEGMENTS)
        image = fx[:28] + bytes(4) + fx[32:FX_END] + bytes(FX_SIZE - FX_END)
        ymmh = b"".join([state[part] for part in at.high])
        outcome = Outcome(
            vector, error, address, gpr, rip, flags, fs_base, gs_base, image, ymmh, offset, dirty,
            seg,
        )  # fmt: skip
        return seen_by(case, outcome)

    def _why(self, case: Case, stop: int) -> tuple[int, int, int]:
        cpu = self.cpu
        if stop == _engine.STOP_BUDGET:
            return NO_FAULT, 0, 0
        if stop == _engine.STOP_FAULT:
            vector = cpu.stop_vector
            return vector, cpu.stop_error, cpu.stop_addr if vector == VECTORS["pf"] else 0
        if stop == _engine.STOP_INT:
            return cpu.stop_vector, 0, 0
        return (UNIMPLEMENTED if stop == _engine.STOP_UNIMPLEMENTED else -10 - stop), 0, 0

    def _clear(self, case: Case, offset: int, length: int) -> None:
        if offset + length <= HIGH_RW_SIZE:
            self._high[offset : offset + length] = bytes(length)
        else:
            for flat in range(offset, offset + length):
                self._zero_flat(flat)
        for address, data in case.memory:
            self._write(address, bytes(len(data)))

    def _zero_flat(self, flat: int) -> None:
        if flat < HIGH_RW_SIZE:
            self._high[flat] = 0
        elif flat >= HIGH_SIZE:
            self._low[flat - HIGH_SIZE] = 0


class TranslatedCpu(EngineCpu):
    """The translator: an instruction alone runs on into the INT3 behind it or where it jumps to.

    `place` is where host code goes: within reach of the data's RIP-relative addresses, or far away.
    """

    def __init__(self, name: str, place: int) -> None:
        super().__init__(paged=False)
        self.name = name
        self.supported = self.cpu.set_jit(True, _ARENA, place)
        self._stepper = EngineCpu(paged=False)
        self._turn = 0  # odd while a case runs
        self._ended = 0  # the last turn that took too long
        threading.Thread(target=self._watch, daemon=True).start()

    def _one(self, case: Case) -> Outcome:
        if not case.run and may_branch(case.code):
            stepped = self._stepper._one(case)
            if case.rip <= stepped.rip < case.rip + len(case.code):
                return stepped  # a jump into itself could run for ever
        return super()._one(case)

    def _go(self, case: Case) -> int:
        self._turn += 1
        stop = self.cpu.run(None)
        while stop == _engine.STOP_INTERRUPT and self._ended != self._turn:
            stop = self.cpu.run(None)  # the case before had ended by itself meanwhile
        self._turn += 1
        return stop

    def _watch(self) -> None:
        """Ends cases that run for seconds of CPU time: programs that a shrinker made endless."""
        wait, turn, since = threading.Event(), -1, 0.0
        while not wait.wait(1.0):
            if turn != self._turn or turn % 2 == 0:
                turn, since = self._turn, time.process_time()
            elif time.process_time() - since > 1.0:
                self._ended = turn
                self.cpu.interrupt()

    def _why(self, case: Case, stop: int) -> tuple[int, int, int]:
        cpu = self.cpu
        if not case.run:
            end = case.rip + len(case.code)
            if stop == _engine.STOP_INT and cpu.stop_vector == VECTORS["bp"] and cpu.rip != end:
                cpu.rip -= 1
                return NO_FAULT, 0, 0
            base = 0 if cpu.mode == 64 else cpu.segment("cs")[1]
            fetch = stop == _engine.STOP_FAULT and cpu.stop_error & _FETCH
            if fetch and cpu.rip + base == cpu.stop_addr:
                return NO_FAULT, 0, 0
        return super()._why(case, stop)


class CountingCpu(TranslatedCpu):
    """The translator as it counts instructions: of programs, as many as the interpreter does."""

    def __init__(self, place: int) -> None:
        super().__init__("counting", place)
        self.cpu.counting = True

    def _one(self, case: Case) -> Outcome:
        outcome = super()._one(case)
        if not case.run:
            return outcome
        self._stepper._one(case)
        same = self.cpu.icount == self._stepper.cpu.icount
        return outcome if same else outcome._replace(vector=MISCOUNTED)


def _window(address: int, size: int) -> memoryview:
    """Host memory as writable bytes."""
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


_PREFIXES = frozenset(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3")
_STRINGS = frozenset((*range(0xA4, 0xA8), *range(0xAA, 0xB0)))
_BRANCHES = frozenset((*range(0x70, 0x80), 0xC2, 0xC3, *range(0xE0, 0xE4), 0xE8, 0xE9, 0xEB, 0xFF))


def _split(code: bytes) -> tuple[bytes, bytes]:
    """Prefixes with REX, and the rest."""
    i = 0
    while i < len(code) and (code[i] in _PREFIXES or code[i] & 0xF0 == 0x40):
        i += 1
    return code[:i], code[i:] + b"\0\0"


def is_repeat(code: bytes) -> bool:
    """Whether the bytes are a string instruction with F2 or F3."""
    prefixes, rest = _split(code)
    return (b"\xf2" in prefixes or b"\xf3" in prefixes) and rest[0] in _STRINGS


def may_branch(code: bytes) -> bool:
    """Whether the bytes are a near branch."""
    rest = _split(code)[1]
    return rest[0] in _BRANCHES or (rest[0] == 0x0F and rest[1] & 0xF0 == 0x80)


assert flat_offset(LOW_BASE) == HIGH_SIZE and FLAT_SIZE == HIGH_SIZE + LOW_SIZE
