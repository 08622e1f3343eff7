"""A branch as a recording of its own: what was recorded before it, the changes, and what it did.

A replay of it needs nothing that branches are made of.
"""

from __future__ import annotations

from blink import _engine
from blink.replay import log as records
from blink.replay import ops
from blink.replay.effects import Fields, add_fields, effects
from blink.replay.notes import Blobs, NotedMemory, Notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task
    from blink.replay.branch import Branch, Ended
    from blink.replay.log import Log
    from blink.replay.replayer import Replayer


class _Open:
    """A stop that is being handled, or waits."""

    __slots__ = ("before", "notes", "number", "stop")

    def __init__(self, task: Task, stop: int) -> None:
        is_call = stop == _engine.STOP_SYSCALL
        self.stop = stop
        self.number = task.cpu.syscall_args()[0] & 0xFFFFFFFF if is_call else 0
        self.before = task.cpu.state()
        self.notes = Notes()


class Capture:
    """Of a branch that stands where it began; `log` is empty."""

    def __init__(self, replayer: Replayer, branch: Branch, log: Log) -> None:
        self._replayer = replayer
        self.log = log
        memory = replayer.memory
        assert isinstance(memory, NotedMemory)
        self._memory = memory
        self._open: dict[Task, _Open] = {}
        self._stack: list[Task] = []
        self._fields: Fields = {}
        log.adopt(replayer.log, replayer.place()[2])
        self._logged = dict.fromkeys(replayer.tasks.values(), -1)
        memory.blobs, memory.path_of = Blobs(log, memory.tell), lambda fd: replayer.mapped
        memory.shared = {file: key for key, file in replayer.shared.keys().items()}
        self._note_edits(branch)

    def _note_edits(self, branch: Branch) -> None:
        current = self._replayer.current
        self._run(current)
        for task in self._replayer.tasks.values():
            payload = [ops.encode(ops.STATE, data=task.cpu.state())]
            for address, length in branch.edits if task is current else ():
                for at, data in self._memory.contents(address, length):
                    payload.append(ops.encode(ops.WRITE, at, data=data))
            self._append(records.STOP, task, _engine.STOP_NONE, 0, b"".join(payload))

    # --- stops ---

    def begin(self, task: Task, stop: int) -> bool:
        """A stop is going to be handled; False when it is part of another one's handling."""
        if self._stack and self._stack[-1] is task:
            return False
        self._open[task] = _Open(task, stop)
        self._push(task)
        return True

    def _push(self, task: Task) -> None:
        self._stack.append(task)
        self._memory.notes = self._open[task].notes

    def _pop(self) -> None:
        self._stack.pop()
        self._memory.notes = self._open[self._stack[-1]].notes if self._stack else None

    def wait(self) -> None:
        """The system call that is handled waits."""
        self._pop()

    def resume(self, task: Task) -> None:
        """One that waited goes on, in the middle of another one's handling, perhaps."""
        self._push(task)

    def finish(self, task: Task) -> None:
        """The stop is handled."""
        done = self._open[task]
        payload = effects(self._memory, done.notes, task, done.stop, done.number, done.before)
        self._pop()
        del self._open[task]
        add_fields(self._fields, task, payload)
        if payload or done.stop != _engine.STOP_NONE:
            if task is not self._replayer.current:
                self._run(self._replayer.current)
            self._append(records.STOP, task, done.stop, done.number, b"".join(payload))

    def add(self, operation: bytes) -> None:
        """Something else that happened."""
        if self._memory.notes is not None:
            self._memory.notes.done.append(operation)

    def end(self, task: Task, ended: Ended) -> None:
        """The program ends."""
        killed = ended.halt.reason == "killed"
        self._append(records.END, task, int(killed), ended.number, ended.info)

    # --- records ---

    def switch(self, task: Task) -> None:
        """Another thread goes on."""
        self._run(task)

    def _run(self, task: Task) -> None:
        if self._logged.get(task) != task.cpu.icount:
            self._append(records.RUN, task, 0, 0, b"")

    def _append(self, kind: int, task: Task, stop: int, number: int, payload: bytes) -> None:
        self._logged[task] = task.cpu.icount
        self.log.append(
            kind, task.tid, task.cpu.icount, stop=stop, number=number,
            clock=self._memory.clock, payload=payload, time=self._replayer.time,
        )  # fmt: skip


def save_branch(replayer: Replayer, branch: Branch, path: str, until: int) -> None:
    """Runs a branch from where it began until then, or to its end, and writes that as a capsule.
    Raises OSError."""
    import posix

    from blink.replay import capsule

    flags = posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
    log = records.Log.create(posix.open(path, flags, 0o666))
    branch.capture = capture = Capture(replayer, branch, log)
    reason = ""
    while replayer.time < until and reason not in ("exit", "killed", "end", "diverged"):
        reason = replayer.run(until).reason
    if reason not in ("exit", "killed"):
        capture.switch(replayer.current)
    capsule.finish(log)
    posix.close(log.fd)
