"""Resource limits.

Most limits are the host's.  RLIMIT_AS, RLIMIT_DATA and RLIMIT_STACK would hit the emulator itself,
so they are kept for the guest alone, see `blink.kernel.limits`.
"""

from errno import EFAULT, EINVAL

from blink.abi import limits
from blink.abi.errors import SysError
from blink.abi.structs import RLIMIT
from blink.kernel import host
from blink.syscalls._spec import Flags, In, Int, Out, Struct, UInt, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task


@syscall(97)
def getrlimit(task: "Task", resource: Flags[UInt, limits.RLIMIT], old: Out[Struct, RLIMIT]) -> int:
    """Implements getrlimit(2)."""
    if resource < limits.RLIM_NLIMITS and not old:
        raise SysError(EFAULT)
    return _change(task, resource, 0, old)


@syscall(160)
def setrlimit(task: "Task", resource: Flags[UInt, limits.RLIMIT], new: In[Struct, RLIMIT]) -> int:
    """Implements setrlimit(2)."""
    task.read_struct(new, RLIMIT)
    return _change(task, resource, new, 0)


@syscall(302)
def prlimit64(
    task: "Task",
    pid: Int,
    resource: Flags[UInt, limits.RLIMIT],
    new: In[Struct, RLIMIT],
    old: Out[Struct, RLIMIT],
) -> int:
    """Implements prlimit64(2).

    Another process's RLIMIT_AS, RLIMIT_DATA and RLIMIT_STACK are the host's.
    """
    if pid not in (0, task.tid):
        values = task.guest(new), task.guest(old, RLIMIT.size, True)
        return task.host(host.NR_PRLIMIT64, pid, resource, *values)
    return _change(task, resource, new, old)


def _change(task: "Task", resource: int, new: int, old: int) -> int:
    process = task.process
    values = task.read_struct(new, RLIMIT) if new else None
    if resource >= limits.RLIM_NLIMITS:
        raise SysError(EINVAL)
    was = process.limits.get(resource)
    if values is not None:
        process.limits.set(resource, *values)
        if resource == limits.RLIMIT_STACK:
            process.space.fit_stack(values[0], task.cpu.get("rsp"))
    if old:
        task.write_struct(old, RLIMIT, *was)
    return 0
