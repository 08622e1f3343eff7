"""The Python semantics (blink.isa.reference) as a CPU under test."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

from blink import _engine
from blink.isa.reference import CpuState, GuestFault, Unimplemented, step
from blink.isa.segments import Descriptor, Table

from . import ldt, refx87
from .cpustate import (
    CODE_BASE,
    CODE_SIZE,
    FLAT_SIZE,
    FX_MXCSR,
    FX_XMM,
    GPR_STRUCT,
    HIGH_RW_SIZE,
    HIGH_SIZE,
    NO_FAULT,
    NOT_CANONICAL,
    VECTORS,
    Case,
    Outcome,
    code_end,
    flat_offset,
    seen_by,
)
from .enginecpu import UNIMPLEMENTED, dirty_range, is_repeat

_PAGE = 0x1000
_WRITE, _USER, _FETCH = 2, 4, 16
_STEPS = 4096
_XMM = Struct("<32Q")
_MASK = (1 << 64) - 1


class Memory:
    """The data areas; a fault is #PF with the first address that cannot be accessed."""

    def __init__(self) -> None:
        self.flat = bytearray(FLAT_SIZE)

    def _check(self, address: int, size: int, write: bool) -> int:
        """Flat offset of a range that may be accessed."""
        off = self._check_byte(address, write)
        if (address ^ address + size - 1) // _PAGE:
            self._check_byte(address + size - 1 & -_PAGE, write)
        return off

    def _check_byte(self, address: int, write: bool) -> int:
        off = flat_offset(address)
        if off is None or (write and HIGH_RW_SIZE <= off < HIGH_SIZE):
            _check_canonical(address)
            raise GuestFault(VECTORS["pf"], _WRITE * write | _USER, address)
        return off

    def load(self, address: int, size: int) -> bytes:
        if ldt.LDT_BASE <= address <= ldt.LDT_BASE + ldt.LDT_LIMIT:
            return ldt.image()[address - ldt.LDT_BASE :][:size]
        off = self._check(address, size, write=False)
        return bytes(self.flat[off : off + size])

    def store(self, address: int, data: bytes) -> None:
        off = self._check(address, len(data), write=True)
        self.flat[off : off + len(data)] = data

    def check_write(self, address: int, size: int) -> None:
        self._check(address, size, write=True)


def _check_canonical(address: int) -> None:
    if not -(1 << 47) <= address - (address >> 63 << 64) < 1 << 47:
        raise GuestFault(NOT_CANONICAL)


@lru_cache(maxsize=1024)
def decode(code: bytes, mode: int = 64) -> dict[str, int]:
    """The decoder's view of an instruction.  Its errors become the faults that they are."""
    try:
        return _engine.decode(code, mode)
    except _engine.DecodeError as error:
        if str(error) == "truncated":
            raise GuestFault(VECTORS["pf"], _FETCH | _USER, CODE_BASE + CODE_SIZE) from None
        raise GuestFault(VECTORS["gp" if str(error) == "too long" else "ud"]) from None


class ReferenceCpu:
    """`run` executes each case by the instruction's own definition, on numbers."""

    name = "reference"

    def run(self, cases: Sequence[Case]) -> list[Outcome]:
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Outcome:
        memory = Memory()
        for address, data in case.memory:
            off = flat_offset(address)
            assert off is not None
            memory.flat[off : off + len(data)] = data
        before = bytes(memory.flat)
        cpu = _load(case)
        try:
            vector, error, address = _execute(cpu, memory, case)
        except Exception as bug:
            bug.add_note(f"in {case.label}, {case.code.hex(' ')}")
            raise
        offset, dirty = dirty_range(before, bytes(memory.flat))
        outcome = Outcome(
            vector, error, address, GPR_STRUCT.pack(*cpu.gpr), cpu.rip, cpu.eflags, cpu.fs_base,
            cpu.gs_base, _save_fx(cpu), _save_high(cpu), offset, dirty, tuple(cpu.seg),
        )  # fmt: skip
        return seen_by(case, outcome)


def _steps(cpu: CpuState, memory: Memory, case: Case) -> None:
    """Run to the end of the instruction, or to INT3."""
    repeats, base = is_repeat(case.code), case.address - case.rip
    for _ in range(_STEPS if case.run or repeats else 1):
        at = cpu.rip - case.rip
        if not 0 <= at < len(case.code):
            return
        address = base + cpu.rip
        room = code_end(address) - address
        step(cpu, memory, decode, (case.code[at:] + b"\xcc" * 16)[: min(room, 16)])
        if cpu.stop or (repeats and not case.run and cpu.rip != case.rip):
            return


def _execute(cpu: CpuState, memory: Memory, case: Case) -> tuple[int, int, int]:
    """Why it ended: (vector, error, address)."""
    try:
        _steps(cpu, memory, case)
    except GuestFault as fault:
        return fault.vector, fault.error, fault.address
    except Unimplemented:
        return UNIMPLEMENTED, 0, 0
    if cpu.stop.startswith("INT:"):
        return int(cpu.stop[4:]), 0, 0
    return NO_FAULT, 0, 0


def _load(case: Case) -> CpuState:
    cpu = CpuState()
    cpu.gpr = list(GPR_STRUCT.unpack(case.gpr))
    cpu.rip = case.rip
    cpu.eflags = case.flags | 0x202
    for n, selector in enumerate(case.seg):
        cpu.set_segment(n, selector, Descriptor(*ldt.segment(selector)))
    cpu.ldt = Table(ldt.LDT_BASE, ldt.LDT_LIMIT, 0x50, 0xE2)
    if case.mode == 64:
        cpu.fs_base, cpu.gs_base = case.fs_base, case.gs_base
    halves = _XMM.unpack_from(case.fx, FX_XMM)
    cpu.xmm = [low | high << 64 for low, high in zip(halves[::2], halves[1::2], strict=True)]
    cpu.ymmh = [int.from_bytes(case.ymmh[at : at + 16], "little") for at in range(0, 256, 16)]
    cpu.mxcsr = int.from_bytes(case.fx[FX_MXCSR : FX_MXCSR + 4], "little")
    refx87.load(cpu.x87, case.fx)
    return cpu


def _save_fx(cpu: CpuState) -> bytes:
    image = bytearray(512)
    refx87.save(cpu.x87, image)
    image[FX_MXCSR : FX_MXCSR + 4] = cpu.mxcsr.to_bytes(4, "little")
    halves = (part for x in cpu.xmm for part in (x & _MASK, x >> 64))
    _XMM.pack_into(image, FX_XMM, *halves)
    return bytes(image)


def _save_high(cpu: CpuState) -> bytes:
    return b"".join([value.to_bytes(16, "little") for value in cpu.ymmh])
