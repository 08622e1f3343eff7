"""/proc under a root: the guests of this root and nothing of the host's other processes.

Guests of one root share a memory file of ours with a name of its own; a process that has it open
under the same number is one of them.  Others are not listed, and their entries do not exist.  What
is not about processes can be read and not written, and what container runtimes hide is hidden.
"""

from __future__ import annotations

import posix
from errno import EACCES, ENOENT, EROFS
from stat import S_ISBLK, S_ISCHR

from blink.abi import files as f
from blink.abi.errors import SysError
from blink.roots import mount_table
from blink.vfs import others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task
    from blink.roots.rooted import RootedFiles
    from blink.roots.tree import Node

SESSION = "session"
MASKED = frozenset(
    b"acpi asound bus fs irq kcore keys key-users kmsg kpagecgroup kpagecount kpageflags "
    b"latency_stats sched_debug scsi sysrq-trigger timer_list timer_stats vmallocinfo".split()
)
MASKED_OF_PROCESS = frozenset(b"map_files mem ns".split())

# Null, zero, full, random, urandom; tty, ptmx, console; whiteouts.
HARMLESS = frozenset([(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (5, 1), (0, 0)])
TERMINALS = frozenset(range(136, 144))

TEXTS: dict[bytes, Callable[[RootedFiles], bytes]] = {
    b"mounts": mount_table.mounts,
    b"mountinfo": mount_table.mountinfo,
    b"mountstats": mount_table.mountstats,
}


def is_guest(files: RootedFiles, pid: bytes) -> bool:
    """Whether a process belongs to this root."""
    if files.session is None or int(pid) == posix.getpid():
        return True
    number = files.process.hidden.fds[SESSION]
    try:
        return posix.readlink(b"/proc/%s/fd/%d" % (pid, number)) == files.session
    except OSError:
        return False


def shows(files: RootedFiles, node: Node, name: bytes) -> bool:
    """Whether a directory of /proc shows a name."""
    if files.session is None:
        return True
    inner = node.inner
    if not inner:
        return is_guest(files, name) if name.isdigit() else name not in MASKED
    if inner[0].isdigit() and len(inner) == 1 and int(inner[0]) != posix.getpid():
        return name not in MASKED_OF_PROCESS
    return True


def require_harmless(files: RootedFiles, mode: int, device: int) -> None:
    """Raises EACCES for devices that lead out of the root, such as disks (a `nodev` mount)."""
    if files.session is None or not (S_ISBLK(mode) or S_ISCHR(mode)):
        return
    number = posix.major(device), posix.minor(device)
    if S_ISBLK(mode) or (number not in HARMLESS and number[0] not in TERMINALS):
        raise SysError(EACCES)


def require_writable(files: RootedFiles, node: Node) -> None:
    """Raises EROFS, or EACCES for what belongs to another process."""
    if files.session is None:
        return
    inner = node.inner
    if not inner or not inner[0].isdigit():
        raise SysError(EROFS)
    if int(inner[0]) != posix.getpid() and inner[-1] == b"mem":
        raise SysError(EACCES)


def link_text(files: RootedFiles, node: Node) -> bytes | None:
    """What a link of another process in /proc says; None for the host's answer."""
    if node.mount is None or node.mount.kind != "proc" or len(node.inner) < 2:
        return None
    pid, name = node.inner[0], node.inner[-1]
    if not pid.isdigit():
        return None
    if name == b"exe":
        path = others.exe(int(pid))
        if path == b"":
            raise SysError(ENOENT)
        return None if path is None else files.guest_path(path) or path
    if name == b"root":
        return b"/"
    return _shown_link(files, node)


def _shown_link(files: RootedFiles, node: Node) -> bytes | None:
    try:
        path = posix.readlink(b"", dir_fd=node.fd)
    except OSError as error:
        raise SysError(error.errno or ENOENT) from None
    return (files.guest_path(path) or path) if path.startswith(b"/") else None


def other_exe(files: RootedFiles, link: Node, opened: list[int]) -> Node | None:
    """The program of another guest."""
    pid = link.inner[0]
    path = others.exe(int(pid)) if pid.isdigit() and len(link.inner) == 2 else None
    if path == b"":
        raise SysError(ENOENT)
    return None if path is None else files.host_node(path, opened)


def other_text(files: RootedFiles, task: Task, node: Node, flags: int) -> bytes | None:
    """What a file of another guest says; None where the host's will do."""
    if node.mount is None or node.mount.kind != "proc" or flags & (f.O_PATH | f.O_ACCMODE):
        return None
    inner = node.inner
    if len(inner) != 2 or not inner[0].isdigit():
        return None
    return others.text(int(inner[0]), inner[1], files.guest_path)
