"""Signal frames: where they go, what is in them, and that taking one off restores everything."""

from __future__ import annotations

import errno
import random
from struct import Struct
from typing import TYPE_CHECKING, Any, cast

import pytest

from blink.abi.signals import SS_AUTODISARM, SS_DISABLE, SS_ONSTACK
from blink.kernel import frame
from blink.kernel.task import AltStack
from kernel.fakes import FakeMemory, FaultError

if TYPE_CHECKING:
    from blink.kernel.task import Task

STACK = 0x7000_0000
TOP = STACK + 16 * 4096
PRETCODE, UC_FLAGS, UC_STACK = 0, 8, 24
MCONTEXT, CSGSFS, ERR, TRAPNO, OLDMASK, CR2, FPSTATE = 48, 192, 200, 208, 216, 224, 232
SIGMASK, SIGINFO = 304, 312
SW_BYTES, MAGIC1, MAGIC2 = Struct("<IIQI"), 0x46505853, b"EXPF"


AREA = 832


class FakeCpu:
    """All of the x87, SSE and AVX state is in use."""

    def __init__(self) -> None:
        rng = random.Random(5)
        self.registers = {name: rng.getrandbits(64) for name in frame.REGISTERS}
        self.registers["eflags"] = 0x202
        self.registers["xcr0"] = 7
        self.area = AREA
        self.calls: list[tuple[object, ...]] = []
        self.fpu = rng.randbytes(416) + bytes(96) + b"\7" + bytes(63) + rng.randbytes(256)

    def get(self, name: str) -> int:
        return self.registers[name]

    def set(self, name: str, value: int) -> None:
        self.registers[name] = value

    @property
    def rip(self) -> int:
        return self.registers["rip"]

    @rip.setter
    def rip(self, value: int) -> None:
        self.registers["rip"] = value

    def cpuid(self, leaf: int) -> tuple[int, ...]:
        assert leaf == 0xD
        return (7, self.area, self.area, 0)

    def xsave(self) -> bytes:
        return self.fpu

    def xrstor(self, area: bytes, components: int) -> None:
        self.calls.append(("xrstor", area, components))

    def fxrstor(self, image: bytes) -> None:
        self.calls.append(("fxrstor", image))

    def init_fpu(self, components: int) -> None:
        self.calls.append(("init", components))


class FakeTask:
    MemoryFault = FaultError

    def __init__(self) -> None:
        self.memory = FakeMemory()
        self.memory.map(STACK, TOP - STACK, 3, 0x22)
        self.cpu = FakeCpu()
        self.cpu.registers["rsp"] = TOP - 1000
        self.altstack = AltStack()
        self.trap = frame.Trap(14, 6, 0x1234)


@pytest.fixture
def task() -> Task:
    return cast(Any, FakeTask())


def word(task: Task, address: int) -> int:
    return int.from_bytes(task.memory.read(address, 8), "little")


def test_sizes_are_the_kernels() -> None:
    assert frame.FRAME_SIZE == 440


@pytest.mark.parametrize("rsp", [TOP - n for n in (0, 8, 16, 24, 63, 4001)])
def test_place(rsp: int) -> None:
    for size in (frame.FXSAVE_SIZE, AREA + 4):
        fpu, at = frame.place(rsp, AltStack(), False, size)
        assert fpu % 64 == 0
        assert at % 16 == 8
        assert at + frame.FRAME_SIZE <= fpu
        assert fpu + size <= rsp - frame.RED_ZONE
        assert rsp - frame.RED_ZONE - fpu < size + 64


def test_place_on_the_alternate_stack() -> None:
    alt = AltStack(0x9000_0000, 0, 8192)
    fpu, at = frame.place(TOP, alt, True, 512)
    assert fpu == 0x9000_0000 + 8192 - 512
    assert alt.holds(at)
    assert frame.place(TOP, alt, False, 512)[0] < TOP
    inside = frame.place(0x9000_0000 + 4096, alt, True, 512)[1]  # already there: goes on below
    assert 0x9000_0000 < inside < 0x9000_0000 + 4096


def test_overflow_of_the_alternate_stack() -> None:
    alt = AltStack(0x9000_0000, 0, 2048)
    with pytest.raises(frame.FrameOverflow):
        frame.place(0x9000_0000 + 900, alt, True, 512)


def test_contents(task: Task) -> None:
    registers = dict(task.cpu.registers)  # type: ignore[attr-defined]
    info = bytes(range(128))
    at = frame.push(task, 0xABCDEF, info, 0x4000, False)
    assert word(task, at + PRETCODE) == 0xABCDEF
    assert word(task, at + UC_FLAGS) == 7
    assert [word(task, at + MCONTEXT + 8 * i) for i in range(18)] == [
        registers[name] for name in frame.REGISTERS
    ]
    assert word(task, at + CSGSFS) == 0x002B_0000_0000_0033
    assert word(task, at + ERR) == 6
    assert word(task, at + TRAPNO) == 14
    assert word(task, at + OLDMASK) == 0x4000
    assert word(task, at + CR2) == 0x1234
    assert word(task, at + SIGMASK) == 0x4000
    assert task.memory.read(at + SIGINFO, 128) == info
    fpu = word(task, at + FPSTATE)
    saved = task.cpu.xsave()
    assert task.memory.read(fpu, 416) == saved[:416]
    assert task.memory.read(fpu + 512, AREA - 512) == saved[512:]
    assert SW_BYTES.unpack(task.memory.read(fpu + 464, 20)) == (MAGIC1, AREA + 4, 7, AREA)
    assert task.memory.read(fpu + AREA, 4) == MAGIC2


def test_a_model_without_xsave(task: Task) -> None:
    task.cpu.area = 0  # type: ignore[attr-defined]
    at = frame.push(task, 1, bytes(128), 0, False)
    assert word(task, at + UC_FLAGS) == 6
    fpu = word(task, at + FPSTATE)
    assert task.memory.read(fpu, 416) == task.cpu.xsave()[:416]
    task.cpu.set("rsp", at + 8)
    assert frame.restore(task, frame.read(task))
    image = task.memory.read(fpu, 512)
    assert calls(task) == [("fxrstor", image), ("init", 4)]
    assert frame.minsigstksz(task.cpu) == 1456


def calls(task: Task) -> list[tuple[object, ...]]:
    """What was done to the FPU state."""
    return cast(Any, task.cpu).calls  # type: ignore[no-any-return]


def test_entering_and_returning(task: Task) -> None:
    before = dict(task.cpu.registers)  # type: ignore[attr-defined]
    at = frame.push(task, 1, bytes(128), 0x55, False)
    task.cpu.set("eflags", 0x202 | frame.FLAG_DF | frame.FLAG_TF)
    frame.enter(task, 0x1111, 10, at)
    assert task.cpu.rip == 0x1111
    assert [task.cpu.get(n) for n in ("rdi", "rsi", "rdx", "rsp", "rax")] == [
        10, at + SIGINFO, at + 8, at, 0,
    ]  # fmt: skip
    assert not task.cpu.get("eflags") & (frame.FLAG_DF | frame.FLAG_TF)
    assert calls(task) == [("init", 7)]
    task.cpu.set("rsp", at + 8)  # the handler's ret
    saved = frame.read(task)
    assert saved.mask == 0x55
    assert frame.restore(task, saved)
    assert task.cpu.registers == before  # type: ignore[attr-defined]
    area = task.memory.read(word(task, at + FPSTATE), AREA)
    assert calls(task)[1:] == [("xrstor", area, 7), ("init", 0)]


def test_state_that_the_cpu_refuses(task: Task) -> None:
    def refuse(area: bytes, components: int) -> None:
        raise ValueError

    at = frame.push(task, 1, bytes(128), 0, False)
    task.cpu.xrstor = refuse  # type: ignore[method-assign,assignment]
    task.cpu.set("rsp", at + 8)
    assert not frame.restore(task, frame.read(task))
    assert calls(task) == [("init", 7)] and task.cpu.get("rax") == 0


@pytest.mark.parametrize(("area", "size"), [(832, 1776), (2432, 3376), (2696, 3632)])
def test_minsigstksz_is_linuxs(area: int, size: int, task: Task) -> None:
    """AVX; AVX-512 on AMD's and on Intel's processors."""
    task.cpu.area = area  # type: ignore[attr-defined]
    assert frame.minsigstksz(task.cpu) == size


def test_privileged_flags_are_not_restored(task: Task) -> None:
    at = frame.push(task, 1, bytes(128), 0, False)
    task.memory.write(at + MCONTEXT + 17 * 8, (0xFFFF_FFFF).to_bytes(8, "little"))
    task.cpu.set("rsp", at + 8)
    frame.restore(task, frame.read(task))
    assert task.cpu.get("eflags") == 0x202 | 0x50DD5


def test_autodisarm(task: Task) -> None:
    task.altstack = AltStack(STACK, SS_AUTODISARM, 8192)
    at = frame.push(task, 1, bytes(128), 0, True)
    assert word(task, at + UC_STACK + 8) == SS_AUTODISARM
    assert (task.altstack.size, task.altstack.flags) == (0, SS_DISABLE)
    task.cpu.set("rsp", at + 8)
    frame.restore(task, frame.read(task))
    assert (task.altstack.sp, task.altstack.size) == (STACK, 8192)


@pytest.mark.parametrize(
    ("sp", "flags", "size", "problem"),
    [
        (0x1000, 0, 2047, errno.ENOMEM),
        (0x1000, 4, 8192, errno.EINVAL),
        (0x1000, SS_ONSTACK | SS_DISABLE, 8192, errno.EINVAL),
        (0x1000, SS_ONSTACK, 8192, 0),
        (0x1000, SS_DISABLE, 0, 0),
        (0x1000, SS_AUTODISARM, 8192, 0),
    ],
)
def test_sigaltstack(sp: int, flags: int, size: int, problem: int) -> None:
    stack = AltStack()
    assert frame.set_altstack(stack, TOP, sp, flags, size) == problem


def test_sigaltstack_while_on_it() -> None:
    stack = AltStack(STACK, 0, 8192)
    assert frame.altstack_flags(stack, STACK + 100) == SS_ONSTACK
    assert frame.set_altstack(stack, STACK + 100, 0, SS_DISABLE, 0) == errno.EPERM
    assert frame.altstack_flags(stack, TOP) == 0
