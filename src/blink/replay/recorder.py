"""`Recorder`: a LiveRunner that writes the log."""

from __future__ import annotations

import _thread
import json
import posix
from time import monotonic_ns

from blink import __version__, _engine
from blink.abi.encoding import decode, encode
from blink.kernel import boot, host
from blink.kernel.loop import act
from blink.kernel.process import Options
from blink.replay import log as records
from blink.replay import ops
from blink.replay.calls import WAITING
from blink.replay.capsule import processor, state_size
from blink.replay.copies import close_others, fork_quietly
from blink.replay.effects import Fields, add_fields, effects
from blink.replay.foreign import Foreign, is_shared
from blink.replay.live import LiveRunner
from blink.replay.log import Log, LogFull
from blink.replay.notes import Blobs, NotedActions, NotedMemory, NotedSpace, Notes
from blink.replay.replayer import Replayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.replay.runner import Halt

LOG = "recording"
_RDTSC_STARTS = 1 << 20


class Recorder(LiveRunner):
    """See `LiveRunner`; `log` is what it writes, until that is full."""

    def __init__(self, process: Process, current: Task, log: Log) -> None:
        super().__init__(process, current)
        self.log: Log | None = log
        self.full = False
        self._notes: dict[Task, Notes] = {}
        self._fields: Fields = {}
        self._logged: dict[Task, int] = {}  # how far the log knows a thread
        self._handling: dict[Task, tuple[int, int, bytes]] = {}  # stop, call number, state before
        self._foreign: Foreign | None = None  # once children share its memory
        self._tape = self._make_tape(WAITING)
        self._private.append(LOG)
        self._begin(current)
        self.noted.full = self._stop_recording

    @classmethod
    def record(
        cls,
        log: Log,
        name: bytes | str,
        argv: Sequence[bytes | str],
        env: Sequence[bytes | str],
        options: Options | None = None,
        inherited: tuple[int, int] | None = None,
    ) -> Recorder:
        """As `launch`.  Raises LogFull, too."""
        options = options or Options()
        process = boot.new_process(options, NotedMemory, NotedSpace)
        memory = process.memory
        assert isinstance(memory, NotedMemory)
        log.append(records.META, payload=_meta(name, argv, env, options))
        memory.tell = process.messages.tell
        memory.blobs, memory.notes = Blobs(log, memory.tell), Notes()
        memory.clock = _RDTSC_STARTS
        process.actions = NotedActions(memory)
        task = boot.load_program(process, name, argv, env, inherited)
        task.cpu.set("entropy", _seed())
        log.fd = process.hidden.keep(LOG, log.fd)
        return cls(process, task, log)

    @property
    def noted(self) -> NotedMemory:
        assert isinstance(self.memory, NotedMemory)
        return self.memory

    @property
    def end(self) -> int:
        return self.time

    # --- events ---

    def _begin(self, task: Task) -> None:
        """The first events: the thread, then all that loading has done."""
        assert self.noted.notes is not None and self.log is not None
        self._notes[task] = notes = self.noted.notes
        self.noted.notes = Notes()
        self.noted.notes.done.append(ops.encode(ops.NEW, task.tid, data=task.cpu.state()))
        self._emit(task, _engine.STOP_NONE, 0, task.cpu.state())
        self.noted.notes = notes
        self._note_image()
        self._emit(task, _engine.STOP_NONE, 0, task.cpu.state())

    def _handle(self, task: Task, stop: int) -> None:
        cpu = task.cpu
        told = _engine.STOP_SYSCALL if stop == _engine.STOP_SYSCALL_INTERRUPTED else stop
        number = cpu.syscall_args()[0] & 0xFFFFFFFF if told == _engine.STOP_SYSCALL else 0
        tid = task.tid
        self._handling[task] = told, number, cpu.state()
        self._charge()
        try:
            act(task, stop)
        finally:
            if self.process.director is self:
                self._finish(task, tid)

    def _finish(self, task: Task, tid: int) -> None:
        """A stop is handled; `tid` is what the thread was called before."""
        there = self.tasks.get(task.tid) is task
        if not there:
            self._add(ops.encode(ops.GONE, tid))
        elif task.tid != tid:
            self._add(ops.encode(ops.RENAME, tid, task.tid))
            self._attach(task)
        stop, number, before = self._handling.pop(task)
        self._emit(task, stop, number, before, tid)
        if not there:
            for table in (self._notes, self._fields, self._logged):
                table.pop(task, None)

    def _add(self, operation: bytes) -> None:
        if self.noted.notes is not None:
            self.noted.notes.done.append(operation)

    def _emit(
        self, task: Task, stop: int, number: int, before: bytes | None, tid: int | None = None
    ) -> None:
        """One event: what is noted, and what changed in the registers."""
        notes = self.noted.notes
        if notes is None:
            return
        payload = effects(self.noted, notes, task, stop, number, before)
        if self._foreign is not None:
            payload += self._foreign.changes()
        add_fields(self._fields, task, payload)
        if payload or stop not in (_engine.STOP_INTERRUPT, _engine.STOP_NONE):
            self._append(records.STOP, task, stop, number, b"".join(payload), tid)

    def _append(
        self, kind: int, task: Task, stop: int, number: int, payload: bytes, tid: int | None
    ) -> None:
        if self.log is None:
            return
        clock = max(self.memory.clock, monotonic_ns())
        icount = task.cpu.icount
        self._logged[task] = icount
        try:
            self.log.append(
                kind, task.tid if tid is None else tid, icount, stop=stop, number=number,
                clock=clock, payload=payload, time=self._now(),
            )  # fmt: skip
        except LogFull as full:
            self._stop_recording(full)
        self.memory.clock = clock

    def _stop_recording(self, full: LogFull) -> None:
        """It ends here, the program goes on."""
        self.process.messages.tell(f"the recording ends here: {full}")
        self.full = True
        self.log = None
        self.noted.notes = None
        self.noted.blobs = None
        for task in self.tasks.values():
            self._attach(task)

    # --- the engine's part ---

    def _make_tape(self, left: frozenset[int]) -> _engine.Tape:
        assert self.log is not None
        flags = bytes(number in left for number in range(512))
        return _engine.Tape(_engine.buffer_address(self.log.view), self.log.limit, True, flags)

    def _attach(self, task: Task) -> None:
        """The engine makes and records what calls it can, if nobody wants to see them."""
        seen = "syscall" in self.caught or bool(self.watchpoints) or self._foreign is not None
        task.cpu.set_tape(self._tape if self.log is not None else None, task.tid)
        task.cpu.native = self.log is not None and self.process.tracer is None and not seen

    def catch(self, reasons: Iterable[str]) -> None:
        super().catch(reasons)
        for task in self.tasks.values():
            self._attach(task)

    def set_watchpoints(self, ranges: Iterable[tuple[int, int, int]]) -> None:
        super().set_watchpoints(ranges)
        for task in self.tasks.values():
            self._attach(task)

    def alone(self) -> None:
        """Nobody will call interrupt(): while there is one thread, the engine makes calls that may
        wait, too."""
        self._tape = self._make_tape(frozenset())
        self._attach(self.current)

    def run(self, until: int | None = None) -> Halt:
        self._tape.others = self.time - self.current.cpu.icount
        halt = super().run(until)
        self.sync()
        return halt

    # --- checkpoints ---

    def fork(self, control: Callable[[Replayer], None], keep: Iterable[int] = ()) -> int:
        """Starts a copy of this process, which stands still, in which `control` is called with a
        Replayer that goes on from here; its number.  It has no descriptors but those in `keep`."""
        assert self.log is not None
        log, process = self.log, self.process
        inside = [
            task for task in self._handling if self._handling[task][0] == _engine.STOP_SYSCALL
        ]
        kept = (*keep, log.fd)
        at, pid = log.used, posix.getpid()  # now: the recorder goes on before the copy first runs

        def child(shared: dict[int, int]) -> None:
            self.forget()
            replayer = Replayer(log, process, self.current, at)
            replayer.shared.fds = shared
            close_others((*kept, *shared.values()))
            replayer.take_over(pid, self._gone, inside, self.noted.files)
            control(replayer)

        return fork_quietly(self, child)

    def shared_files(self) -> dict[int, tuple[int, int]]:
        return {key: file for file, key in self.noted.shared.items()}

    def forget(self) -> None:
        """In a copy of this process: there is nobody to direct and nothing to record."""
        self.process.director = None
        host.lock = _thread.allocate_lock()
        self.log = None
        self.noted.notes = None
        self.noted.blobs = None

    # --- threads ---

    def _switch(self, task: Task) -> None:
        self.sync()
        super()._switch(task)
        self._tape.others = self._base
        if self.log is not None:
            self.noted.notes = self._notes.setdefault(task, Notes())

    def sync(self) -> None:
        """While all stand still: what the log knows goes as far as the program has gone."""
        task = self.current
        if self.tasks.get(task.tid) is task and self._logged.get(task) != task.cpu.icount:
            self._append(records.RUN, task, 0, 0, b"", None)

    def _prepare(self, task: Task) -> None:
        super()._prepare(task)
        self._attach(task)
        if self.noted.notes is not None and self.noted.notes.done:  # execve in another host thread
            self._emit(task, _engine.STOP_NONE, 0, None)

    def note(self, task: Task, reason: str, number: int = 0) -> None:
        if reason == "clone":
            new = self.tasks[number]
            new.cpu.set("entropy", _seed())
            self._tape = self._make_tape(WAITING)
            for other in self.tasks.values():
                self._attach(other)
            self._add(ops.encode(ops.NEW, number, data=new.cpu.state()))
        elif reason == "fork":
            self._add(ops.encode(ops.FORK, number))
            self._share_memory()
        else:
            self._foreign = None
            self._note_image()
        super().note(task, reason, number)

    def _share_memory(self) -> None:
        """A child begins: from here on each of the system calls comes to us."""
        if self._foreign is None and self.log is not None and is_shared(self.process.space):
            self._add(ops.encode(ops.SYNC, 0))
            self._foreign = Foreign(self.noted, self.process.space)
            for task in self.tasks.values():
                self._attach(task)

    def signal(self, task: Task, signo: int, info: bytes) -> None:
        self._add(ops.encode(ops.SIGNAL, signo, data=info))
        super().signal(task, signo, info)

    def _note_image(self) -> None:
        image = self.process.image
        said = b"" if image is None else image.path + b"\0" + image.auxv
        self._add(ops.encode(ops.IMAGE, data=said))

    def ending(self, reason: str, number: int, info: bytes = b"") -> None:
        task = self.current
        stop, call, before = self._handling[task]
        self._emit(task, stop, call, before)
        self._append(records.END, task, reason == "killed", number, info, None)
        self.log = None
        self.noted.notes = None
        self._attach(task)
        super().ending(reason, number, info)

    def forked(self, task: Task) -> None:
        self.log = None
        self._foreign = None
        self.noted.notes = None
        self.noted.blobs = None
        self.memory.clock = 0
        task.cpu.set("entropy", 0)
        task.cpu.set_tape(None)
        super().forked(task)

    # --- what a debugger changes ---

    def edited(self, task: Task) -> None:
        """After a change of registers or memory while all stand still: it becomes an event."""
        self._emit(task, _engine.STOP_NONE, 0, None)


def _seed() -> int:
    return int.from_bytes(posix.urandom(8), "little") | 1


def _meta(
    name: bytes | str, argv: Sequence[bytes | str], env: Sequence[bytes | str], options: Options
) -> bytes:
    said = {
        "blink": __version__,
        "program": decode(encode(name)),
        "argv": [decode(encode(word)) for word in argv],
        "env": [decode(encode(word)) for word in env],
        "cwd": posix.getcwd(),
        "cpu": options.cpu or _engine.CPU_MODELS[0],
        "checked": options.checked,
        "state": state_size(),
        "uname": list(posix.uname()),
        "vendor": processor(),
    }
    return json.dumps(said).encode()
