"""fanotify(7): events of whole file systems.

Under a root (`-C`) it gives EPERM, for its events bring descriptors of any file.
"""

from errno import EPERM

from blink.abi import fanotify as fan
from blink.abi import files as f
from blink.abi.errors import SysError
from blink.syscalls._spec import UNLESS_POLICY, Fd, Flags, Text, UInt, ULong, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_FANOTIFY_INIT, NR_FANOTIFY_MARK = 300, 301
NOTE = "EPERM under a root (`-C`)"


def _refuse_under_root(task: "Task") -> None:
    if task.process.files.confined:
        raise SysError(EPERM)


@syscall(300, native=UNLESS_POLICY, note=NOTE)
def fanotify_init(
    task: "Task", flags: Flags[UInt, fan.INIT], event_flags: Flags[UInt, f.OPEN]
) -> int:
    """Implements fanotify_init(2)."""
    _refuse_under_root(task)
    return task.host(NR_FANOTIFY_INIT, flags, event_flags)


@syscall(301, native=UNLESS_POLICY, note=NOTE)
def fanotify_mark(
    task: "Task",
    fd: Fd,
    flags: Flags[UInt, fan.MARK],
    mask: Flags[ULong, fan.EVENTS],
    dirfd: Fd,
    path: Text,
) -> int:
    """Implements fanotify_mark(2)."""
    _refuse_under_root(task)
    return task.host(NR_FANOTIFY_MARK, fd, flags, mask, dirfd, task.guest(path))
