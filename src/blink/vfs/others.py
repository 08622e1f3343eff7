"""What /proc tells a guest of another guest: its program and its mappings, not the emulator's.

The host's /proc/PID/maps has the guest's mappings where guests live; ours lie above.  What only
its own table knows is missing: names other than [stack], and permission to execute, which the host
has not given.  Resident sizes are those of the emulator.
"""

from __future__ import annotations

import posix
from time import sleep

from blink.abi.layout import GUEST_TOP, IMAGE_TOP, PAGE, PAGED_SKEW, PIE_BASE, STACK_TOP
from blink.vfs.proc import HostMapping, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Shown = Callable[[bytes], bytes | None]

NAMES = (b"maps", b"stat", b"statm", b"status")
EMULATOR = b"/proc/self/exe"
PATH_COLUMN = 73
RETRIES, PAUSE = 5, 0.002


def is_guest(pid: int) -> bool:
    """Whether a process is an emulator like this one."""
    try:
        theirs, ours = posix.stat(b"/proc/%d/exe" % pid), posix.stat(EMULATOR)
    except OSError:
        return False
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)


def _mappings(pid: int) -> list[HostMapping]:
    try:
        with open(b"/proc/%d/maps" % pid, "rb", buffering=0) as file:
            lines = file.readall().splitlines()
    except OSError:
        return []
    found = []
    for mapping in map(HostMapping, lines):
        if mapping.start >= GUEST_TOP:  # of a guest in checked memory, or ours
            mapping.start -= PAGED_SKEW
            mapping.end -= PAGED_SKEW
        if mapping.start < GUEST_TOP and b"x" not in mapping.fields[0]:  # translations are ours
            found.append(mapping)
    return found


def exe(pid: int) -> bytes | None:
    """The host's path of another guest's program: the lowest file that is mapped, but libraries lie
    below position-independent ones.

    None for a process that is no guest; empty for one that has no program, or is between two.
    """
    if not is_guest(pid):
        return None
    for _ in range(RETRIES):
        files = [mapping for mapping in _mappings(pid) if mapping.path.startswith(b"/")]
        images = [m for m in files if PIE_BASE <= m.start < IMAGE_TOP]
        if files:
            return (images or files)[0].path
        sleep(PAUSE)  # it is executing another program
    return b""


def text(pid: int, name: bytes, shown: Shown) -> bytes | None:
    """What a file of another guest says; None where the host's will do."""
    if name not in NAMES or not is_guest(pid):
        return None
    mappings = _mappings(pid)
    if name == b"maps":
        return b"".join(_line(mapping, shown) for mapping in mappings)
    try:
        return _WITH_SIZES[name](read(f"/proc/{pid}/{name.decode()}"), _Sizes(mappings))
    except OSError:
        return None  # it has just ended


class _Sizes:
    """Bytes of a guest's mappings: all, those for data, its stack."""

    __slots__ = ("data", "stack", "total")

    def __init__(self, mappings: list[HostMapping]) -> None:
        self.total = self.data = self.stack = 0
        for mapping in mappings:
            size = mapping.end - mapping.start
            is_stack = mapping.end == STACK_TOP
            self.total += size
            self.stack += size if is_stack else 0
            self.data += size if mapping.fields[0][1:] == b"w-p" and not is_stack else 0


def _stat(host: bytes, sizes: _Sizes) -> bytes:
    """Field 23 of proc_pid_stat(5) is the size of the address space."""
    head, _, tail = host.rpartition(b") ")
    fields = tail.split()
    fields[23 - 3] = b"%d" % sizes.total
    return head + b") " + b" ".join(fields) + b"\n"


def _statm(host: bytes, sizes: _Sizes) -> bytes:
    fields = host.split()
    fields[0], fields[5] = (b"%d" % (n // PAGE) for n in (sizes.total, sizes.data + sizes.stack))
    return b" ".join(fields) + b"\n"


def _status(host: bytes, sizes: _Sizes) -> bytes:
    """What lines of sizes say; the rest is the host's."""
    new = {
        b"VmPeak": sizes.total,
        b"VmSize": sizes.total,
        b"VmData": sizes.data,
        b"VmStk": sizes.stack,
    }
    lines = []
    for line in host.splitlines():
        name = line.partition(b":")[0]
        kept = line if name not in new else b"%s:\t%8d kB" % (name, new[name] // 1024)
        lines.append(kept + b"\n")
    return b"".join(lines)


_WITH_SIZES = {b"stat": _stat, b"statm": _statm, b"status": _status}


def _line(mapping: HostMapping, shown: Shown) -> bytes:
    head = b"%08x-%08x " % (mapping.start, mapping.end) + b" ".join(mapping.fields[:4]) + b" "
    path = b"[stack]" if mapping.end == STACK_TOP else mapping.path
    path = (shown(path) or path) if path.startswith(b"/") else path
    return (head.ljust(PATH_COLUMN) + path if path else head) + b"\n"
