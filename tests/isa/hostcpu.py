"""The host CPU as an oracle: runs single instructions with a full given state, in batches.

Speaks to tests/native/hostcpu.c, a process of its own; cases travel through a shared memfd with two
slots, so that one batch can run while the parent prepares or compares the other.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from struct import Struct

from . import ldt
from .cpustate import (
    CODE_SIZE,
    COMPARED_FLAGS,
    FLAT_SIZE,
    Case,
    Outcome,
    code_end,
    flat_offset,
    seen_by,
)

NATIVE = Path(__file__).parents[1] / "native"
FLAGS = "-std=gnu11 -O2 -Wall -Wextra -Werror -fno-stack-protector -fPIE -pie -Wl,-z,now".split()
SLOT_HALF = 4 << 20
SLOTS = 2
MAX_CODE = 16  # one byte too many
MAX_RUN = 64

_INPUT = Struct("<3IHH64s128sQQQQ512s256sQQQ6HHH")
_PATCH = Struct("<QQ")
_OUTPUT = Struct("<IiQQ128sQQQQ512s256sII6HI")
_HELLO = Struct("<7I")


class HostCpuError(Exception):
    """The oracle cannot be built, or a case ended its process."""


def available() -> bool:
    """Whether this machine can be the oracle: x86-64 Linux with a C compiler."""
    uname = os.uname()
    return uname.sysname == "Linux" and uname.machine == "x86_64" and _compiler() is not None


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(name: str, more: Sequence[str] = (), read: Sequence[Path] = ()) -> Path:
    """A compiled server, cached by the content of all that it is made from."""
    compiler = _compiler()
    if compiler is None:
        raise HostCpuError(f"no C compiler for tests/native/{name}.c")
    source = NATIVE / f"{name}.c"
    command = [compiler, *FLAGS, str(source), *more]
    state = hashlib.sha256(" ".join(command).encode())
    for path in (source, *sorted(NATIVE.glob("case*.h")), *read):
        state.update(path.read_bytes())
    folder = Path(tempfile.gettempdir())
    program = folder / f"blink-{name}-{os.getuid()}-{state.hexdigest()[:16]}"
    if not program.exists():
        fresh = program.with_suffix(f".{os.getpid()}")
        result = subprocess.run(
            [*command, "-o", str(fresh)], capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise HostCpuError(result.stderr)
        fresh.rename(program)
    return program


def _pad8(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def pack_case(case: Case) -> bytes:
    """The record of one case.  ValueError if memory or code lies outside of the arranged areas."""
    at = case.address
    if not code_end(at) - CODE_SIZE <= at <= code_end(at) - len(case.code):
        raise ValueError(f"code outside of its area: {at:#x}")
    if not 1 <= len(case.code) <= (MAX_RUN if case.run else MAX_CODE):
        raise ValueError(f"{len(case.code)} bytes of code")
    patches, stack = b"", ldt.segment(case.seg[2])
    for addr, data in case.memory:
        off = flat_offset(addr)
        if off is None or off + len(data) > FLAT_SIZE:
            raise ValueError(f"patch outside of memory: {addr:#x}")
        patches += _PATCH.pack(addr, len(data)) + _pad8(data)
    return (
        _INPUT.pack(
            _INPUT.size + len(patches), len(case.code), len(case.memory), case.run, case.vary,
            case.code, case.gpr,
            case.rip, case.flags, case.fs_base, case.gs_base, case.fx, case.ymmh,
            at - case.rip, stack.base, 0xFFFFFFFF if stack.rights & 0x4000 else 0xFFFF,
            *case.seg, case.mode, case.undefined & COMPARED_FLAGS,
        )
        + patches
    )  # fmt: skip


def unpack_outcomes(data: memoryview, count: int) -> list[Outcome]:
    """The first `count` records of a slot's output."""
    outcomes = []
    at = 0
    for _ in range(count):
        size, vector, error, addr, gpr, rip, flags, fs, gs, fx, ymmh, off, length, *seg, _ = (
            _OUTPUT.unpack_from(data, at)
        )
        dirty = bytes(data[at + _OUTPUT.size : at + _OUTPUT.size + length]) if length else b""
        rest = (fs, gs, fx, ymmh, off, dirty, tuple(seg))
        outcomes.append(Outcome(vector, error, addr, gpr, rip, flags, *rest))
        at += size
    return outcomes


class Server:
    """A process that answers requests of a few words by one word."""

    def __init__(self, program: Path, arguments: Sequence[str], fds: Sequence[int]) -> None:
        self._process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=fds
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        self._in, self._out = stdin, stdout

    def close(self) -> None:
        self._in.close()
        self._out.close()
        self._process.wait()

    def send(self, *words: int) -> None:
        self._in.write(Struct(f"<{len(words)}I").pack(*words))
        self._in.flush()

    def receive(self, size: int) -> bytes:
        data = self._out.read(size)
        if len(data) != size:
            raise HostCpuError(f"the server died (status {self._process.wait()})")
        return data

    def answer(self) -> int:
        return int.from_bytes(self.receive(4), "little")


class HostCpu:
    """A running oracle.  Use as a context manager, or close()."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("hostcpu")
        os.ftruncate(self.fd, SLOTS * 2 * SLOT_HALF)
        self._shared = mmap.mmap(self.fd, SLOTS * 2 * SLOT_HALF)
        self._view = memoryview(self._shared)
        self._server = Server(build("hostcpu"), [str(self.fd), *ldt.words()], [self.fd])
        hello = _HELLO.unpack(self._server.receive(_HELLO.size))
        if hello[:2] != (_INPUT.size, _OUTPUT.size) or hello[4:6] != (SLOT_HALF, FLAT_SIZE):
            raise HostCpuError(f"layouts differ: {hello}")
        self.has_bases, self.has_ymm, self.has_ldt = bool(hello[2]), bool(hello[3]), bool(hello[6])
        self._pending: dict[int, int] = {}

    def __enter__(self) -> HostCpu:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._server.close()
        os.close(self.fd)

    def submit(self, slot: int, cases: Sequence[Case]) -> None:
        """Start a batch; its input must fit 4 MiB (about 3,000 cases)."""
        self.write(slot, cases)
        self.start(slot, len(cases))

    def write(self, slot: int, cases: Sequence[Case]) -> None:
        """Put a batch into the slot."""
        blob = b"".join(map(pack_case, cases))
        if len(blob) > SLOT_HALF or slot in self._pending:
            raise ValueError("batch too large, or slot in use")
        at = slot * 2 * SLOT_HALF
        self._view[at : at + len(blob)] = blob

    def start(self, slot: int, count: int) -> None:
        """Start what is in the slot."""
        self._pending[slot] = count
        self._server.send(slot, count)

    def wait(self, slot: int) -> None:
        """Until the batch in `slot` is done.  Wait for batches in the order of submission."""
        count = self._pending.pop(slot)
        done = self._server.answer()
        if done != count:
            raise HostCpuError(f"only {done} of {count} results fit")

    def collect(self, slot: int, cases: Sequence[Case]) -> list[Outcome]:
        """Results of the batch of these cases in `slot`, when it is done."""
        self.wait(slot)
        return self.outcomes(slot, cases)

    def outcomes(self, slot: int, cases: Sequence[Case]) -> list[Outcome]:
        """Results of a batch that is done."""
        outcomes = unpack_outcomes(self.results(slot), len(cases))
        return [seen_by(*pair) for pair in zip(cases, outcomes, strict=True)]

    def varied(self, slot: int, at: int, case: Case) -> Case:
        """The variant of the case whose record is at that place."""
        record = self._view[slot * 2 * SLOT_HALF + at :]
        _, _, _, _, _, _, gpr, _, flags, _, _, fx, ymmh, *_ = _INPUT.unpack_from(record)
        at, memory = _INPUT.size, []
        for address, data in case.memory:
            at += _PATCH.size
            memory.append((address, bytes(record[at : at + len(data)])))
            at += len(_pad8(data))
        return case._replace(gpr=gpr, flags=flags, fx=fx, ymmh=ymmh, memory=tuple(memory), vary=0)

    def results(self, slot: int) -> memoryview:
        """The records of the results of the batch in `slot`."""
        start = (slot * 2 + 1) * SLOT_HALF
        return self._view[start : start + SLOT_HALF]

    def run(self, cases: Sequence[Case]) -> list[Outcome]:
        """Run any number of cases, in batches."""
        outcomes: list[Outcome] = []
        for i in range(0, len(cases), 1000):
            self.submit(0, cases[i : i + 1000])
            outcomes += self.collect(0, cases[i : i + 1000])
        return outcomes
