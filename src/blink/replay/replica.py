"""`Replica`: the program that a replay rebuilds.  What the operations of the log (`replay.ops`) do
to its memory, its mappings and its threads is here; when they happen is the business of `Replayer`.
"""

from __future__ import annotations

import posix

from blink import _engine
from blink.abi.mman import MADV_DONTNEED, MAP_ANONYMOUS, MAP_PRIVATE, MAP_TYPE
from blink.kernel import host
from blink.kernel.address_space import page_up
from blink.kernel.task import Task
from blink.replay.files import MappedFiles
from blink.replay.foreign import differing
from blink.replay.runner import Halt, Runner
from blink.replay.shared_memory import SharedFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Process
    from blink.replay.log import Log


class Replica(Runner):
    """`log` is where the bytes of files are.

    files   which files are mapped where
    image   the path of the program's file; `auxv`: the auxiliary vector that it was given
    shared  the memory files that stand for files mapped shared
    mapped  the path of the file that is mapped now
    pid     the process's number while it was recorded
    foreign whether other processes may write into its memory
    """

    def __init__(self, log: Log, process: Process, current: Task | None) -> None:
        super().__init__(process, current)  # type: ignore[arg-type]
        self.log = log
        self.files = MappedFiles()
        self.image = b""
        self.auxv = b""
        self.shared = SharedFiles()
        self.mapped = b""
        self.pid = 0
        self.foreign = False
        self._sharing = 0  # what the next mapping shares
        self._noted: Halt | None = None
        self._reached: dict[Task, int] = {}  # a thread's stop that the log has yet to tell about

    def shared_files(self) -> dict[int, tuple[int, int]]:
        return self.shared.keys()

    def _attach(self, task: Task) -> None:
        """How the engine treats the thread's system calls."""
        raise NotImplementedError

    def note(self, halt: Halt) -> None:
        """It halts next for that reason, if it is caught."""
        if halt.reason in self.caught and self._noted is None:
            self._noted = halt

    # --- memory ---

    def store(self, address: int, data: bytes | memoryview) -> None:
        """The host's or the kernel layer's write to memory."""
        self.memory.write(address, data, force=True)
        for start, length, kind in self.watchpoints:
            if (
                kind & _engine.WATCH_WRITE
                and start < address + len(data)
                and address < start + length
            ):
                self._noted = Halt(
                    "watchpoint", self.current.tid, address=address, size=len(data), write=True,
                    call=True,
                )  # fmt: skip

    def sync(self, address: int, data: bytes) -> None:
        """Shared memory is this; what differs was another process's write."""
        self.foreign = True
        there = self.memory.read(address, len(data), force=True) if data else b""
        for at, piece in differing(there, data):
            self.store(address + at, piece)

    def share(self, key: int) -> None:
        """The next mapping is one of a file that others show, too."""
        self._sharing = key

    def map(
        self, start: int, length: int, prot: int, flags: int, offset: int, blob: int, size: int
    ) -> None:
        """A mapping; `size` bytes at `blob` in the log are the file's, if `blob` is not 0."""
        key, self._sharing = self._sharing, 0
        if key:
            data = self.log.view[blob : blob + size] if blob else b""
            there = length if flags & MAP_ANONYMOUS else size  # a segment is as large as it is
            fd = self.shared.open(key, offset, there, data)
            self.memory.map(start, length, prot, flags & ~MAP_ANONYMOUS, fd, offset)
            return
        if not blob:
            if flags & MAP_ANONYMOUS:
                self.memory.map(start, length, prot, flags)
            else:  # a device
                self.memory.map(start, length, prot, MAP_PRIVATE | MAP_ANONYMOUS)
            return
        there = page_up(size)
        if flags & MAP_TYPE != MAP_PRIVATE:
            self._map_copy(start, length, prot, flags, blob, size)
            return
        if there:
            self.memory.map(start, there, prot, flags, self.log.fd, blob)
        if there < length:
            self._map_copy(start + there, length - there, prot, flags, 0, 0)

    def _map_copy(
        self, start: int, length: int, prot: int, flags: int, blob: int, size: int
    ) -> None:
        """A file of its own, so that what is behind its end is SIGBUS, and sharing works."""
        fd = posix.memfd_create("replay")
        try:
            if size:
                posix.write(fd, self.log.view[blob : blob + size])
            self.memory.map(start, length, prot, flags, fd, 0)
        finally:
            posix.close(fd)

    def discard(self, start: int, length: int) -> None:
        """madvise(2) with MADV_DONTNEED."""
        self.memory.prepare_write(start, length)
        host.now(host.NR_MADVISE, start + self.memory.skew, length, MADV_DONTNEED)

    def set_image(self, path: bytes, auxv: bytes) -> None:
        """The program's file and auxiliary vector, at the start and behind execve."""
        if self.image:
            self.note(Halt("exec", self.current.tid, path=path))
        self.image, self.auxv = path, auxv

    # --- threads ---

    def add_task(self, tid: int, state: bytes) -> None:
        cpu = _engine.Cpu(self.memory)
        options = self.process.options
        if options.cpu:
            cpu.set_model(options.cpu)
        cpu.native = False
        cpu.counting = True
        if options.translate:
            cpu.set_jit(True)
        cpu.load(state)
        task = Task(self.process, cpu, tid)
        if self.current is None:
            self.current, self.pid = task, tid
        else:
            self.note(Halt("clone", self.current.tid, number=tid))
        self.tasks[tid] = task
        self._prepare(task)
        self._attach(task)

    def remove_task(self, tid: int) -> None:
        task = self.tasks.pop(tid)
        self._gone += task.cpu.icount
        self._reached.pop(task, None)
        task.cpu.retire()

    def rename_task(self, old: int, new: int) -> None:
        task = self.tasks.pop(old)
        task.tid = new
        self.tasks[new] = task
        self._attach(task)
