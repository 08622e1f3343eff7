"""The blocking primitive: results, arguments, and no gap between the check and the call."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGSTOP, SIGTRAP, SIGUSR1

import pytest

from blink import _engine
from engine.host_help import (
    EBADF,
    EFAULT,
    NEVER_BEGAN,
    NR_GETPID,
    NR_READ,
    NR_WRITE,
    TIMEOUT,
    output,
    start,
)

HostCall = Callable[..., int]
PTRACE_CONT, PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS = 7, 9, 12, 13
RIP = 16  # index in user_regs_struct
BREAKPOINT = b"\xcc"
NR_MMAP = 9

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="steps through x86-64 code")


# --- arguments and results ---


@pytest.mark.parametrize("call", [_engine.host_call, _engine.host_call_now])
def test_results_and_errors(call: HostCall) -> None:
    assert call(NR_GETPID) == os.getpid()
    assert call(NR_READ, -1, bytearray(1), 1) == -EBADF
    assert call(NR_WRITE, 1, 1 << 63, 1) == -EFAULT
    assert call(NR_READ, (1 << 64) - 1, 0, 0) == -EBADF


@pytest.mark.parametrize("call", [_engine.host_call, _engine.host_call_now])
def test_buffers_are_passed_by_address(call: HostCall) -> None:
    reader, writer = os.pipe()
    into = bytearray(b"________")
    assert call(NR_WRITE, writer, b"1234567", 7) == 7
    assert call(NR_READ, reader, memoryview(into)[2:], 3) == 3
    assert into == b"__123___"
    into.clear()  # nothing holds the buffer any more
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("call", [_engine.host_call, _engine.host_call_now])
@pytest.mark.parametrize("arguments", [(), ("39",), (39, "text"), (39, 1.5), (39, *range(7))])
def test_wrong_arguments(call: HostCall, arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        call(*arguments)


def test_all_six_arguments_arrive() -> None:
    """mmap takes six: the file offset is the last."""
    with Path(__file__).open("rb") as file:
        address = _engine.host_call(NR_MMAP, 0, 4096, 1, 2, file.fileno(), 4096)
        assert ctypes.string_at(address, 64) == Path(__file__).read_bytes()[4096 : 4096 + 64]


def test_other_threads_run_meanwhile() -> None:
    reader, writer = os.pipe()
    threading.Timer(0.05, os.write, (writer, b"!")).start()
    assert _engine.host_call(NR_READ, reader, bytearray(8), 8) == 1


def test_nothing_begins_while_a_signal_waits() -> None:
    assert output("full_box_and_call") == f"{NEVER_BEGAN} 0 1\n"


# --- a signal at each instruction ---

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Tracee:
    """`host_programs.read_for_ever` under ptrace, stopped at the primitive's first instruction."""

    def __init__(self) -> None:
        self.child = start("read_for_ever", bufsize=0)
        self.pid = self.child.pid
        assert self.wait() == SIGSTOP
        assert self.child.stdout is not None
        self.entry, self.start, self.syscall, self.abort = map(
            int, self.child.stdout.readline().split()
        )
        self.run_to(self.entry)

    def ptrace(self, request: int, data: object = None) -> None:
        assert _libc.ptrace(request, self.pid, None, data) == 0, ctypes.get_errno()

    def wait(self) -> int:
        """The signal that it stopped with."""
        _, status = os.waitpid(self.pid, 0)
        assert os.WIFSTOPPED(status), status
        return os.WSTOPSIG(status)

    def registers(self) -> ctypes.Array[ctypes.c_uint64]:
        regs = (ctypes.c_uint64 * 27)()
        self.ptrace(PTRACE_GETREGS, ctypes.addressof(regs))
        return regs

    def rip(self) -> int:
        return int(self.registers()[RIP])

    def run_to(self, address: int) -> None:
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
            memory.seek(address)
            original = memory.read(1)
            memory.seek(address)
            memory.write(BREAKPOINT)
            self.ptrace(PTRACE_CONT)
            assert self.wait() == SIGTRAP
            memory.seek(address)
            memory.write(original)
        regs = self.registers()
        regs[RIP] = address
        self.ptrace(PTRACE_SETREGS, ctypes.addressof(regs))

    def step(self) -> None:
        self.ptrace(PTRACE_SINGLESTEP)
        assert self.wait() == SIGTRAP

    def signal(self) -> None:
        """Lets it go on with a signal, which is delivered before the next instruction."""
        os.kill(self.pid, SIGUSR1)
        self.ptrace(PTRACE_CONT)
        assert self.wait() == SIGUSR1
        self.ptrace(PTRACE_CONT, int(SIGUSR1))

    def finish(self) -> str:
        """What the program prints: the call's result and the signal in the box."""
        out, err = self.child.communicate(timeout=TIMEOUT)
        assert (self.child.returncode, err) == (0, b"")
        return str(out.decode())

    def kill(self) -> None:
        self.child.kill()
        self.child.communicate()


def signal_after(steps: int) -> tuple[int, Tracee]:
    """Where in the primitive the signal came, after so many instructions; and the ended tracee."""
    tracee = Tracee()
    try:
        for _ in range(steps):
            tracee.step()
        at = tracee.rip()
        tracee.signal()
        assert tracee.finish() == f"{NEVER_BEGAN} {SIGUSR1:d}\n", (steps, at - tracee.entry)
    finally:
        tracee.kill()
    return at, tracee


@on_x86
def test_a_signal_at_each_instruction() -> None:
    """Up to and on the system call instruction the call does not begin."""
    offsets = []
    for steps in range(40):
        at, tracee = signal_after(steps)
        offsets.append(at - tracee.entry)
        if at == tracee.syscall:
            break
    assert offsets[-1] == tracee.syscall - tracee.entry
    assert tracee.start - tracee.entry in offsets[1:-1]


@on_x86
def test_a_signal_behind_the_instruction() -> None:
    """In the call, the host ends it with EINTR."""
    tracee = Tracee()
    try:
        tracee.ptrace(PTRACE_CONT)
        deadline = time.monotonic() + TIMEOUT
        while not Path(f"/proc/{tracee.pid}/syscall").read_text().startswith(f"{NR_READ} "):
            assert time.monotonic() < deadline
        os.kill(tracee.pid, SIGUSR1)
        assert tracee.wait() == SIGUSR1
        tracee.ptrace(PTRACE_CONT, int(SIGUSR1))
        assert tracee.finish() == f"-4 {SIGUSR1:d}\n"
    finally:
        tracee.kill()
