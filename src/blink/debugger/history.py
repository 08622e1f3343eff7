"""What a replay comes by, noted in a copy that does nothing else: calls, output, addresses."""

from __future__ import annotations

from array import array
from time import monotonic

from blink.replay.echo import Echo
from blink.syscalls import _strace
from blink.syscalls._strace import MAX_ERRNO
from blink.syscalls._table import find
from blink.syscalls._trace import LEAVES, format_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.debugger.call_list import Row
    from blink.kernel.task import Task
    from blink.replay.replayer import Replayer
    from blink.replay.runner import Runner
    from blink.syscalls._spec import Call

TEXT = 128  # bytes of a string that are shown
STRETCH = 5_000_000  # instructions between two looks at the clock
PATIENCE = 0.2  # seconds of one request
MOST = 1 << 20  # bytes of its answer, and a piece
OVER = ("exit", "killed", "end", "diverged")
SYSCALL_SIZE = 2
# Of a signal's frame, behind the return address: the ucontext's RAX and RIP.
_FRAME_RAX, _FRAME_RIP = 8 + 40 + 13 * 8, 8 + 40 + 16 * 8

_kept: dict[Runner, History] = {}


def history_of(replayer: Replayer) -> History:
    """The one of this process, from where the replay stood when it was first asked for."""
    if replayer not in _kept:
        _kept[replayer] = History(replayer)
    return _kept[replayer]


class History:
    """rows      time, thread, text of each system call
    written   the bytes that went to the streams 1 and 2
    writes    time, stream, bytes of each piece of that
    how       why it cannot go on, or nothing
    """

    def __init__(self, replayer: Replayer) -> None:
        self.rows: list[Row] = []
        self.written = {1: bytearray(), 2: bytearray()}
        self.writes: list[tuple[int, int, bytes]] = []
        self.how = ""
        self._replayer = replayer
        self._begun: dict[Task, tuple[Call, _strace.Texts, int]] = {}
        self._echo = Echo(replayer, self._wrote)
        replayer.leave(frozenset(range(512)))
        replayer.on_begin = self._begin
        replayer.on_call = self._done

    def more(self, first: int, count: int) -> dict[str, Any]:
        """Rows from number `first` on: those that are known soon.  `more`: there may be others."""
        start = monotonic()
        while len(self.rows) < first + count and monotonic() < start + PATIENCE:
            if not self._go_on(STRETCH):
                break
        rows = self.rows[first : first + count]
        more = not self.how or first + count < len(self.rows)
        self._forget_end()
        return {"rows": rows, "more": more}

    def until(self, time: int, first: int) -> tuple[list[tuple[int, int, bytes]], bool]:
        """What was written, from piece number `first` on, up to a time, as far as it is known soon;
        whether there may be more."""
        replayer, start = self._replayer, monotonic()
        while replayer.time < time and monotonic() < start + PATIENCE:
            if not self._go_on(min(STRETCH, time - replayer.time)):
                break
        pieces, size = [], 0
        for piece in self.writes[first:]:
            pieces.append(piece)
            size += len(piece[2])
            if size > MOST:
                break
        more = first + len(pieces) < len(self.writes)
        more = more or (replayer.time < time and not self.how)
        self._forget_end()
        return pieces, more

    def _go_on(self, count: int) -> bool:
        """So many instructions more; False where it ends."""
        halt = self._replayer.run(self._replayer.time + count)
        if halt.reason in OVER:
            self.how = str(halt.details.get("text", halt.reason))
        return not self.how

    def _forget_end(self) -> None:
        """Of a recording that may grow."""
        if self.how == "end":
            self.how = ""

    def _wrote(self, stream: int, data: bytes) -> None:
        self.written[stream].extend(data)
        self.writes.append((self._replayer.time, stream, data))

    def _begin(self, task: Task, call: tuple[int, ...]) -> None:
        known = find(call[0] & 0xFFFFFFFF)
        if known is None:
            return
        texts = _strace.Texts(task, known, call[1:], TEXT)
        if known.name in LEAVES:
            self._say(task, f"{known.name}({texts.before()}) = ?")
        self._begun[task] = known, texts, task.cpu.rip

    def _done(self, task: Task, call: tuple[int, ...], result: int) -> None:
        self._echo.called(task, call, result)
        begun = self._begun.pop(task, None)
        if begun is None:
            return
        known, texts, rip = begun
        shown: int | None = result - (1 << 64) if result >= (1 << 64) - MAX_ERRNO else result
        if known.name in LEAVES:
            if shown is None or shown >= 0 or not known.name.startswith("execve"):
                return
        elif task.cpu.rip != rip:
            shown = self._interrupted(task, rip)
        self._say(task, f"{known.name}({texts.all(shown)}) = {format_result(known, shown)}")

    def _interrupted(self, task: Task, rip: int) -> int | None:
        """The result of a call behind which a handler runs; None when it begins anew."""
        if task.cpu.rip == rip - SYSCALL_SIZE:
            return None
        stack = task.cpu.get("rsp")
        back, rax = (
            int.from_bytes(task.memory.read(stack + at, 8, force=True), "little")
            for at in (_FRAME_RIP, _FRAME_RAX)
        )
        if back == rip - SYSCALL_SIZE:
            return None
        return rax - (1 << 64) if rax >= (1 << 64) - MAX_ERRNO else rax

    def _say(self, task: Task, text: str) -> None:
        self.rows.append((self._replayer.time, task.tid, text))


def path(runner: Runner, count: int) -> bytes:
    """Where the next instructions are, 8 bytes each; fewer where it ends."""
    found = array("Q")
    for _ in range(count):
        before, rip = runner.time, runner.current.cpu.rip
        halt = runner.run(before + 1)
        if runner.time > before:
            found.append(rip)
        if halt.reason in OVER or runner.time == before:
            break
    return found.tobytes()
