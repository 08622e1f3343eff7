"""One guest process: memory, threads, signal actions, and what `blink` was asked to do with it."""

from __future__ import annotations

import posix
from _thread import allocate_lock

from blink import _engine
from blink.kernel import host, robust
from blink.kernel.actions import Actions
from blink.kernel.hidden import HiddenFds
from blink.kernel.limits import Limits
from blink.kernel.log import Log
from blink.vfs.files import Files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from blink.kernel.address_space import AddressSpace
    from blink.kernel.director import Director
    from blink.kernel.faults import Fault
    from blink.kernel.fork import VforkChild
    from blink.kernel.statistics import Statistics
    from blink.kernel.task import Task
    from blink.loader import Image
    from blink.roots.plan import Plan
    from blink.syscalls._trace import TraceOptions, Tracer


class Options:
    """What the command line asks for.

    trace        what to tell of system calls (`-s` and its kin): a TraceOptions, or None
    checked      paged memory, every access checked (`-m`)
    translate    run translated code where the host can (off: `-j`)
    statistics   print counters at the end (`-Z`)
    doctor       compare the translator with the interpreter (`--doctor`); called with the task
                 whose two sides differ, before the process ends
    log_path     file for messages (`-L`)
    log_stderr   messages go to stderr, too (`-e`)
    root         the guest's root directory (`-C` with `--no-mounts`), or None
    mounts       a root of layers and mounts, or None
    cpu          the CPU model (`--cpu`), one of _engine.CPU_MODELS; empty: the first
    """

    __slots__ = (
        *("checked", "cpu", "doctor", "log_path", "log_stderr", "mounts", "root", "statistics"),
        "trace",
        "translate",
    )

    def __init__(self) -> None:
        self.trace: TraceOptions | None = None
        self.checked = False
        self.translate = True
        self.statistics = False
        self.doctor: Callable[[Task], None] | None = None
        self.log_path: bytes | None = None
        self.log_stderr = False
        self.root: bytes | None = None
        self.mounts: Plan | None = None
        self.cpu = ""


class Process:
    """A guest process.

    memory, space   the engine's Memory and the table of mappings
    tasks           its threads by thread number
    survivor        the thread whose execve waits for the others to end
    alone           locked until they have ended
    successor       what execve hands to the process's first host thread: a task, and how to go on
    handover        locked until there is a successor
    actions         what each signal does
    image           the loaded program: exe path, argument bounds, auxv
    hidden          our descriptors
    messages        where our own words go
    limits          resource limits
    files           what paths mean: roots, /proc
    open_executable path -> descriptor, or OSError: how execve opens files
    personality     personality(2)
    vfork           set in a vfork child: what it owes its parent
    tracer          sees every system call (`-s`), or None
    timers          numbers of POSIX timers, which do not survive execve
    at_exit         called with no arguments before the process ends
    report          called with the task and the fault that kills it (crash report), or None
    statistics      what `-Z` will print, or None
    director        who decides when threads run, or None
    """

    __slots__ = (
        "actions",
        "alone",
        "at_exit",
        "director",
        "files",
        "handover",
        "hidden",
        "image",
        "limits",
        "memory",
        "messages",
        "open_executable",
        "options",
        "personality",
        "report",
        "said",
        "space",
        "statistics",
        "successor",
        "survivor",
        "tasks",
        "timers",
        "tracer",
        "vfork",
    )

    def __init__(self, memory: _engine.Memory, space: AddressSpace, options: Options) -> None:
        self.memory = memory
        self.space = space
        self.limits = Limits(space)
        self.options = options
        self.tracer: Tracer | None = None
        self.tasks: dict[int, Task] = {}
        self.forget_threads()
        self.actions = Actions()
        self.hidden = HiddenFds()
        self.messages = Log(self.hidden)
        self.image: Image | None = None
        self.files = Files(self, host)
        self.open_executable: Callable[[bytes], int] = self.files.open_executable
        self.personality = 0
        self.vfork: VforkChild | None = None
        self.timers: set[int] = set()
        self.at_exit: list[Callable[[], None]] = []
        self.report: Callable[[Task, Fault], None] | None = None
        self.statistics: Statistics | None = None
        self.director: Director | None = None
        self.said: set[str] = set()

    def forget_threads(self) -> None:
        """No thread ends or waits for others: a new process."""
        self.survivor: Task | None = None
        self.successor: tuple[Task, Callable[[], None]] | None = None
        self.alone, self.handover = allocate_lock(), allocate_lock()
        self.alone.acquire()
        self.handover.acquire()

    def hides(self, fd: int) -> bool:
        """Whether a descriptor is ours, not the guest's."""
        return fd in self.hidden

    def log(self, text: str, who: int | None = 0) -> None:
        """One line on the log, if there is one; never through the guest's descriptors.

        It begins with `[who]`, with the process's number if that is 0, with nothing if it is None.
        """
        with self.limits.without_file_size():
            self.messages.line(text, who)

    def log_once(self, text: str) -> None:
        """A line that is not repeated in this process."""
        if text not in self.said:
            self.said.add(text)
            self.log(text)

    def open_log(self) -> None:
        """Opens the places that the options name for messages.  Raises OSError."""
        self.messages.open(self.options.log_path, self.options.log_stderr)
        _engine.set_message_fd(self.messages.fd)

    def finish(self) -> None:
        """What is owed before the process ends: robust locks that the host does not find, memory to
        a vfork parent, statistics, files."""
        if self.memory.skew:
            for task in self.tasks.values():
                robust.release(task)
        if self.vfork is not None:
            self.vfork.settle(self)
        for function in self.at_exit:
            function()
        self.files.close()

    def exit(self, status: int) -> NoReturn:
        """Ends the process with an exit status; never through Python's own exit."""
        if self.tracer is not None:
            self.tracer.end("exited with", status & 0xFF)
        if self.director is not None:
            self.director.ending("exit", status & 0xFF)
        self.finish()
        posix._exit(status & 0xFF)
