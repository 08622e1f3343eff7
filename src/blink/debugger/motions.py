"""Motions that take more than one request: over calls, out of functions, forwards and backwards."""

from __future__ import annotations

from blink.debugger import frames
from blink.debugger.core import Core, Result
from blink.debugger.disassembly import MAX_INSTRUCTION
from blink.debugger.errors import DebugError
from blink.debugger.timeline import Timeline

_CALL_SIZES = range(2, 8)


class Motions:
    """Plans for the session's thread."""

    def __init__(self, core: Core, timeline: Timeline) -> None:
        self._core = core
        self._timeline = timeline

    # --- forwards ---

    def step(self, n: int) -> Result:
        """n instructions of the selected thread; in the past, of all."""
        return self._timeline.forward(until=self._core.time + n, only=self._core.tid)

    def next(self) -> Result:
        """One instruction, and what it calls."""
        registers = self._core.registers()
        length = frames.call_length(self._core.read(registers["rip"], MAX_INSTRUCTION))
        if not length:
            return self.step(1)
        return self._to_frame(registers["rip"] + length, registers["rsp"])

    def finish(self) -> Result:
        """Until the function has returned."""
        found = self._frames(2)
        if len(found) < 2:
            raise DebugError("there is no frame to return to")
        return self._to_frame(found[1].pc, found[0].cfa)

    def _to_frame(self, address: int, stack: int) -> Result:
        """Until the selected thread is at an address, with nothing below `stack` in use."""
        return self._timeline.forward(guards=[self._guard(address, stack)])

    def _guard(self, address: int, stack: int) -> Result:
        return {"address": address, "tid": self._core.tid, "above": stack - 1}

    def _frames(self, limit: int) -> list[frames.Frame]:
        core = self._core
        return frames.backtrace(core.registers(), core.read, core.symbols, limit)

    # --- backwards ---

    def reverse_next(self) -> Result:
        """One instruction of the selected thread back, or, behind a call, to before it."""
        core = self._core
        tid, registers = core.tid, core.registers()
        address, stack = registers["rip"], registers["rsp"]
        result = self._timeline.thread_back(tid, 1)
        if core.registers(tid)["rsp"] >= stack or not self._is_return():
            return result
        calls = self._calls_before(address)
        if not calls:
            return result
        guards = [self._guard(call, stack) | {"tid": tid, "below": stack + 1} for call in calls]
        return self._timeline.search(guards=guards)

    def _is_return(self) -> bool:
        core = self._core
        return frames.is_return(core.read(core.registers()["rip"], MAX_INSTRUCTION))

    def _calls_before(self, address: int) -> list[int]:
        """Where the CALL that returns to an address may begin."""
        places = [address - size for size in _CALL_SIZES]
        return [at for at in places if frames.call_length(self._core.read(at, 15)) == address - at]

    def reverse_finish(self) -> Result:
        """To the CALL that led to the selected thread's function: where its return address was
        written."""
        frame = self._frames(2)
        if len(frame) < 2 or not frame[0].cfa:
            raise DebugError("it is not known who called this function")
        calls = self._calls_before(frame[1].pc)
        if not calls:
            raise DebugError(f"no call returns to {frame[1].pc:#x}")
        stack = frame[0].cfa
        guards = [self._guard(call, stack) | {"below": stack + 1} for call in calls]
        return self._timeline.search(guards=guards)

    def last_write(self, address: int, length: int) -> Result:
        """To before the instruction, or system call, that wrote there last.  Raises DebugError when
        nobody did."""
        watch = {"number": 0, "address": address, "length": length, "kind": "w"}
        return self._timeline.search(self._unwritten(address, length), watches=[watch])

    def _unwritten(self, address: int, length: int) -> str:
        first = self._timeline.first
        since = f"since {first:,}, where this begins" if first else "since the start"
        there = "" if self._core.read(address, 1) else ", and nothing is mapped there"
        what = f"{length} bytes at " if length > 1 else ""
        return f"nobody has written to {what}{address:#x} {since}{there}"
