"""What /proc tells a guest of another guest: its program and its mappings, not the emulator's.

The host's /proc/PID/maps has the guest's mappings where guests live; ours lie above.  What only
its own table knows is missing: names other than [stack], and permission to execute, which the host
has not given.
"""

from __future__ import annotations

import posix
from time import sleep

from blink.abi.layout import GUEST_TOP, PAGED_SKEW, STACK_TOP
from blink.vfs.proc import HostMapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Shown = Callable[[bytes], bytes | None]

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
    """The host's path of another guest's program: the lowest file that is mapped.

    None for a process that is no guest; empty for one that has no program, or is between two.
    """
    if not is_guest(pid):
        return None
    for _ in range(RETRIES):
        found = next((m.path for m in _mappings(pid) if m.path.startswith(b"/")), b"")
        if found:
            return found
        sleep(PAUSE)  # it is executing another program
    return b""


def text(pid: int, name: bytes, shown: Shown) -> bytes | None:
    """What a file of another guest says; None where the host's will do."""
    if name != b"maps" or not is_guest(pid):
        return None
    return b"".join(_line(mapping, shown) for mapping in _mappings(pid))


def _line(mapping: HostMapping, shown: Shown) -> bytes:
    head = b"%08x-%08x " % (mapping.start, mapping.end) + b" ".join(mapping.fields[:4]) + b" "
    path = b"[stack]" if mapping.end == STACK_TOP else mapping.path
    path = (shown(path) or path) if path.startswith(b"/") else path
    return (head.ljust(PATH_COLUMN) + path if path else head) + b"\n"
