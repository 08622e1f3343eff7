"""Namespaces: unshare(2), setns(2)."""

from errno import EINVAL, EPERM

from blink.abi import sched
from blink.abi.errors import SysError
from blink.syscalls import _table
from blink.syscalls._spec import Fd, Flags, UInt, ULong, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_UNSHARE, NR_SETNS = 272, 308


@syscall(272, level="partial", note="threads cannot get descriptors of their own (CLONE_FILES)")
def unshare(task: "Task", flags: Flags[ULong, sched.UNSHARE]) -> int:
    """Implements unshare(2).

    CLONE_FILES gives EINVAL in a process with several threads: our own descriptors have one number
    in all of them.
    """
    if flags & sched.CLONE_FILES and len(task.process.tasks) > 1:
        task.process.log_once("unshare(CLONE_FILES) is not supported with several threads")
        raise SysError(EINVAL)
    _table.import_all()
    return task.host(NR_UNSHARE, flags)


@syscall(308, note="EPERM under a root (`-C`)")
def setns(task: "Task", fd: Fd, kind: Flags[UInt, sched.NAMESPACE]) -> int:
    """Implements setns(2)."""
    if task.process.files.confined:
        raise SysError(EPERM)  # another mount namespace shows what lies outside
    _table.import_all()
    return task.host(NR_SETNS, fd, kind)
