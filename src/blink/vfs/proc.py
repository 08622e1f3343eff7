"""/proc as the guest sees it: which names describe the process itself, and what they say.

The kernel's own files describe the emulator: its mappings, its command line, its program.  For
these names a text about the guest takes their place.  What is left to the host is as true of the
guest: comm, io, mounts, children.
"""

from __future__ import annotations

import posix
import sys
from errno import EMFILE

from blink.abi import numbers as nr
from blink.abi.layout import GUEST_TOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from blink._engine import Memory
    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.loader import Image

    Text = Callable[[Task], bytes]

PROC_SUPER_MAGIC = 0x9FA0
STATFS_SIZE = 120
MEMFD_PREFIX = b"blink:"
CHUNK = 1 << 16
SELF = b"/proc/self/"

EXE, MEM, CPUINFO = b"exe", b"mem", b"/cpuinfo"
# Of other guests, too: see blink.vfs.others.
OF_OTHERS = (EXE, b"maps", b"stat", b"statm", b"status")
# Name -> module that writes it; the modules are imported when a guest asks.
TEXTS = {
    b"maps": "maps",
    b"smaps": "maps",
    b"smaps_rollup": "maps",
    b"cmdline": "self",
    b"environ": "self",
    b"auxv": "self",
    b"stat": "self",
    b"statm": "self",
    b"status": "self",
    b"limits": "self",
    CPUINFO: "cpuinfo",
}


def may_name_proc(path: bytes) -> bool:
    """Whether a path may lead into /proc, seen by its words alone (/dev/fd leads there, too)."""
    return any(word in (b"proc", b"fd") for word in path.split(b"/"))


def is_proc(host: ModuleType, path: bytes) -> bool:
    """Whether a path of the host lies in a proc file system."""
    buffer = bytearray(STATFS_SIZE)
    found: bool = host.now(nr.NR_STATFS, path + b"\0", buffer) == 0
    return found and int.from_bytes(buffer[:8], "little") == PROC_SUPER_MAGIC


def is_emulator(fd: int) -> bool:
    """Whether a file is the program that this process really runs."""
    found, ours = posix.fstat(fd), posix.stat(b"/proc/self/exe")
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)


def own_name(directory: bytes, name: bytes) -> bytes | None:
    """The name of an entry of this process (`maps`, `fd/3`), `/cpuinfo`, or None.

    `directory` is the host's path of its directory, without links.
    """
    parts = directory.split(b"/")
    pid = b"%d" % posix.getpid()
    inner: list[bytes] = []
    if parts[-1] in (b"fd", b"fdinfo"):
        inner = [parts.pop()]
    if len(parts) > 3 and parts[-2] == b"task" and parts[-3] == pid:
        parts = parts[:-2]
    if parts[-1] == pid:
        return b"/".join([*inner, name])
    if parts[-1] == b"proc" and name == b"cpuinfo" and not inner:
        return CPUINFO
    return None


def plain_name(path: bytes) -> bytes | None:
    """The name in a path of the form /proc/self/NAME: most that programs ask for."""
    name = path[len(SELF) :]
    if not path.startswith(SELF) or b"/" in name or name in (b"", b".", b".."):
        return None
    return name


def other_entry(path: bytes) -> tuple[int, bytes] | None:
    """(process, name) of a path of the form /proc/PID/exe, maps, stat..., of another process."""
    root, slash, rest = path.partition(b"/proc/")
    pid, _, name = rest.partition(b"/")
    if root or not slash or not pid.isdigit() or name not in OF_OTHERS:
        return None
    return None if int(pid) == posix.getpid() else (int(pid), name)


def descriptor(name: bytes) -> int | None:
    """N of `fd/N` or `fdinfo/N`."""
    folder, _, number = name.partition(b"/")
    return int(number) if folder in (b"fd", b"fdinfo") and number.isdigit() else None


def text(task: Task, name: bytes) -> bytes | None:
    """What a file that describes the guest says; None when the host's will do."""
    module = TEXTS.get(name)
    if module is None or task.process.image is None:
        return None
    full = f"blink.vfs._{module}"
    hidden = task.process.hidden
    hidden.with_room(__import__, full)
    write: Text = getattr(sys.modules[full], name.lstrip(b"/").decode())
    return hidden.with_room(write, task)


class HostMapping:
    """A line of the host's /proc/self/maps; `fields` are perms, offset, device, inode, path."""

    __slots__ = ("end", "fields", "start")

    def __init__(self, line: bytes) -> None:
        bounds, *self.fields = line.split(maxsplit=5)
        start, _, end = bounds.partition(b"-")
        self.start = int(start, 16)
        self.end = int(end, 16)

    @property
    def path(self) -> bytes:
        return self.fields[4] if len(self.fields) > 4 else b""


def read(path: str) -> bytes:
    """A file of the host's /proc."""
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def guest_mappings(memory: Memory) -> list[HostMapping]:
    """The host's mappings where guests live, in order.  Our own lie behind; they are not read."""
    end = GUEST_TOP + memory.skew
    text = b""
    fd = posix.open("/proc/self/maps", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        while chunk := posix.read(fd, CHUNK):
            text += chunk
            if int(text[text.rfind(b"\n", 0, -1) + 1 :].partition(b"-")[0], 16) >= end:
                break
    finally:
        posix.close(fd)
    mappings = [HostMapping(line) for line in text.splitlines()]
    return [mapping for mapping in mappings if mapping.start < end]


def exe_path(process: Process) -> bytes:
    """The host's path of the guest's program, without links."""
    image = process.image
    if image is None or not image.segments:
        return b""
    return process.hidden.with_room(_find, process, image)


def _find(process: Process, image: Image) -> bytes:
    return _named(image) or _mapped(image.segments[0].start, process) or image.path


def _named(image: Image) -> bytes | None:
    """The path that the program was started by, if that still leads to it."""
    try:
        fd = posix.open(image.path, posix.O_PATH | posix.O_CLOEXEC)
    except OSError as error:
        if error.errno == EMFILE:
            raise
        return None
    try:
        status = posix.fstat(fd)
        same = (status.st_dev, status.st_ino) == (image.dev, image.ino)
        return posix.readlink(b"/proc/self/fd/%d" % fd) if same else None
    except OSError:
        return None
    finally:
        posix.close(fd)


def _mapped(address: int, process: Process) -> bytes | None:
    """The file that an address maps."""
    address += process.memory.skew
    for mapping in guest_mappings(process.memory):
        if mapping.start <= address < mapping.end and mapping.fields[3] != b"0":
            return mapping.path
    return None


def shown_path(process: Process, path: bytes) -> bytes:
    """A host's path as the guest knows it: without the root."""
    if not path.startswith(b"/"):
        return path
    return process.files.guest_path(path) or path


def shown_target(process: Process, fd: int) -> bytes | None:
    """Where a descriptor leads, as the guest sees it; None where the host's answer will do.

    Files in memory that stand for files of /proc have the name of those.
    """
    try:
        target = posix.readlink(b"/proc/self/fd/%d" % fd)
    except OSError:
        return None
    start, _, rest = target.partition(MEMFD_PREFIX)
    if start == b"/memfd:":
        name = rest.removesuffix(b" (deleted)")
        own = b"" if b"/" + name == CPUINFO else b"%d/" % posix.getpid()
        return b"/proc/" + own + name
    return shown_path(process, target)
