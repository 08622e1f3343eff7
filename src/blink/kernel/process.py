"""One guest process: memory, threads, signal actions, and what `blink` was asked to do with it."""

from __future__ import annotations

import os

from blink import _engine
from blink.kernel import host
from blink.kernel.actions import Actions
from blink.kernel.hidden import HiddenFds
from blink.loader import open_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from blink.kernel.address_space import AddressSpace
    from blink.kernel.faults import Fault
    from blink.kernel.fork import VforkChild
    from blink.kernel.task import Task
    from blink.loader import Image

LOG = "log"


class Options:
    """What the command line asks for.

    trace        log every system call (`-s`)
    checked      paged memory, every access checked (`-m`)
    statistics   print counters at the end (`-Z`)
    log_path     file for messages in place of stderr (`-L`)
    root         the guest's root directory (`-C`), or None
    argv0        argv[0] for the guest differs from the program's path (`-0`)
    """

    __slots__ = ("argv0", "checked", "log_path", "root", "statistics", "trace")

    def __init__(self) -> None:
        self.trace = False
        self.checked = False
        self.statistics = False
        self.log_path: bytes | None = None
        self.root: bytes | None = None
        self.argv0: bytes | None = None


class Process:
    """A guest process.

    memory, space   the engine's Memory and the table of mappings
    tasks           its threads by thread number
    actions         what each signal does
    image           the loaded program: exe path, argument bounds, auxv
    hidden          our descriptors
    files           paths and descriptors under policy (blink.vfs), or None before it is set
    open_executable path -> descriptor, or OSError: how execve opens files
    personality     personality(2)
    hwcap           AT_HWCAP, EDX of CPUID leaf 1
    vfork           set in a vfork child: what it owes its parent
    timers          numbers of POSIX timers, which do not survive execve
    at_exit         called with no arguments before the process ends
    report          called with the task and the fault that kills it (crash report), or None
    """

    __slots__ = (
        "actions",
        "at_exit",
        "files",
        "hidden",
        "hwcap",
        "image",
        "memory",
        "open_executable",
        "options",
        "personality",
        "report",
        "said",
        "space",
        "tasks",
        "timers",
        "trace",
        "vfork",
    )

    def __init__(self, memory: _engine.Memory, space: AddressSpace, options: Options) -> None:
        self.memory = memory
        self.space = space
        self.options = options
        self.trace = options.trace
        self.tasks: dict[int, Task] = {}
        self.actions = Actions()
        self.hidden = HiddenFds()
        self.image: Image | None = None
        self.files: object | None = None
        self.open_executable: Callable[[bytes], int] = open_host
        self.hwcap = 0
        self.personality = 0
        self.vfork: VforkChild | None = None
        self.timers: set[int] = set()
        self.at_exit: list[Callable[[], None]] = []
        self.report: Callable[[Task, Fault], None] | None = None
        self.said: set[str] = set()

    def hides(self, fd: int) -> bool:
        """Whether a descriptor is ours, not the guest's."""
        return fd in self.hidden

    def log(self, text: str) -> None:
        """One line of ours, never through the guest's descriptors; lost when nobody can read it."""
        fd = self.hidden.fds.get(LOG)
        if fd is not None:
            try:
                os.write(fd, f"[{os.getpid()}] {text}\n".encode(errors="backslashreplace"))
            except OSError:
                self.hidden.close(LOG)

    def log_once(self, text: str) -> None:
        """A line that is not repeated in this process."""
        if text not in self.said:
            self.said.add(text)
            self.log(text)

    def open_log(self) -> None:
        """Sends messages to a hidden duplicate of stderr, or to the log file."""
        path = self.options.log_path
        if path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self.hidden.keep(LOG, os.open(path, flags, 0o644))
        elif host.now(host.NR_FCNTL, 2, host.F_GETFD) >= 0:  # else there is nobody to tell
            self.hidden.keep_copy(LOG, 2)
        _engine.set_message_fd(self.hidden.fds.get(LOG, -1))

    def finish(self) -> None:
        """What is owed before the process ends: memory to a vfork parent, statistics, files."""
        if self.vfork is not None:
            self.vfork.settle(self)
        for function in self.at_exit:
            function()

    def exit(self, status: int) -> NoReturn:
        """Ends the process with an exit status; never through Python's own exit."""
        self.finish()
        os._exit(status & 0xFF)
