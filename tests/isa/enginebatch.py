"""The engine's CPUs in a process of their own that runs and compares whole batches of cases.

What enginecpu.py does for one case, tests/native/enginecpus.c does for all.  It reads the cases
and the results of the host where the oracle has them, and names the cases with a result that is not
equal byte by byte; whether that is a difference, compare.py says.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct

from . import ldt
from .cpustate import Case, Outcome, seen_by
from .features import is_amd
from .hostcpu import SLOT_HALF, HostCpu, HostCpuError, Server, build, unpack_outcomes

ROOT = Path(__file__).parents[2]
NAMES = ("linear", "paged", "translated", "far", "counting")
CASES_MAX = 4096
_RUN, _COMPARE, _EXPAND = 0, 1, 2
_HELLO = Struct("<4I")
_WORD = Struct("<I")
_AT = 4 * CASES_MAX
_BASE = _AT * (1 + len(NAMES))
_INPUT = _BASE + _AT
_DIFFER = _INPUT + _AT
_OUT = (_DIFFER + CASES_MAX + 4095) & -4096
_SIZE = _OUT + len(NAMES) * SLOT_HALF


def program() -> Path:
    """The server, linked with the engine's objects as `./dev build` left them."""
    found = sorted((ROOT / "build/obj/release").glob("*.o"))
    objects = [path for path in found if not path.name.startswith("py_")]
    if not objects:
        raise HostCpuError("no objects of the engine: ./dev build")
    places = [f"-I{ROOT / 'src/blink/engine'}", f"-I{ROOT / 'build/generated'}"]
    flags = ["-fno-strict-aliasing", "-fwrapv", "-pthread", *places]
    return build("enginecpus", [*flags, *map(str, objects), "-lm"], objects)


def available() -> bool:
    """Whether the engine under test is the one that the objects make: not that of a sanitizer."""
    from blink import _engine

    ours = Path(_engine.__file__).resolve().parent == ROOT / "src" / "blink"
    return ours and sys.platform == "linux" and any((ROOT / "build/obj/release").glob("*.o"))


class EngineBatch:
    """The CPUs of these names.  It works on the batches that an oracle has in its slots."""

    def __init__(self, host: HostCpu, names: Sequence[str]) -> None:
        self.host, self.names = host, names
        fd = os.memfd_create("enginecpus")
        os.ftruncate(fd, _SIZE)
        self._view = memoryview(mmap.mmap(fd, _SIZE))
        mask = sum(1 << NAMES.index(name) for name in names)
        arguments = [str(host.fd), str(fd), str(mask), str(int(is_amd())), *ldt.words()]
        self._server = Server(program(), arguments, [host.fd, fd])
        os.close(fd)
        hello = _HELLO.unpack(self._server.receive(_HELLO.size))
        if hello[2:] != (_SIZE, CASES_MAX):
            raise HostCpuError(f"layouts differ: {hello}")

    def close(self) -> None:
        self._server.close()

    def expand(self, slot: int, count: int, each: int, seed: int) -> int:
        """Make variants of what is in the slot: how many cases there are then."""
        self._server.send(_EXPAND, slot, count, each, seed)
        made = self._server.answer()
        if not made:
            raise HostCpuError(f"{count} cases with {each} variants each do not fit")
        return made

    def submit(self, slot: int, count: int) -> None:
        """Start to run the batch that was submitted to the oracle."""
        self._server.send(_RUN, slot, count, 0, 0)

    def wait(self, count: int) -> None:
        done = self._server.answer()
        if done != count:
            raise HostCpuError(f"only {done} of {count} results fit")

    def unequal(
        self, slot: int, cases: Sequence[Case], count: int
    ) -> Iterator[tuple[Case, str, Outcome, Outcome]]:
        """Where results are not as the host's: the case, the CPU's name, both outcomes.

        `count`: how many the cases are with their variants, if they have some.
        """
        self._server.send(_COMPARE, slot, count, 0, 0)
        if not self._server.answer():
            return
        marks = bytes(self._view[_DIFFER : _DIFFER + count])
        for i, mark in enumerate(marks):
            if mark:
                case = cases[i] if count == len(cases) else self.case(slot, cases, i)
                host = self.host_outcome(slot, case, i)
                for n, name in enumerate(NAMES):
                    if mark >> n & 1:
                        yield case, name, host, self.outcome(case, n, i)

    def case(self, slot: int, cases: Sequence[Case], i: int) -> Case:
        """One of a batch with variants that was compared."""
        (base,) = _WORD.unpack_from(self._view, _BASE + 4 * i)
        (at,) = _WORD.unpack_from(self._view, _INPUT + 4 * i)
        return self.host.varied(slot, at, cases[base])

    def host_outcome(self, slot: int, case: Case, i: int) -> Outcome:
        """Of a batch that was compared."""
        (at,) = _WORD.unpack_from(self._view, 4 * i)
        return seen_by(case, unpack_outcomes(self.host.results(slot)[at:], 1)[0])

    def outcome(self, case: Case, n: int, i: int) -> Outcome:
        """Of one of our CPUs, of a batch that was compared."""
        (at,) = _WORD.unpack_from(self._view, _AT * (1 + n) + 4 * i)
        start = _OUT + n * SLOT_HALF
        return seen_by(case, unpack_outcomes(self._view[start + at : start + SLOT_HALF], 1)[0])
