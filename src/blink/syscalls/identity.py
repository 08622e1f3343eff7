"""Who the process is: process, user and group numbers, sessions, capabilities."""

from blink.abi.structs import CAP_DATA, CAP_HEADER, U32
from blink.syscalls import _table
from blink.syscalls._spec import Array, In, InOut, Int, Out, Size, Struct, UInt, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_SETUID, NR_SETREUID, NR_SETRESUID, NR_SETFSUID, NR_CAPSET = 105, 113, 117, 122, 126


@syscall(39, passthrough=True)
def getpid() -> None:
    """Implements getpid(2)."""


@syscall(110, passthrough=True)
def getppid() -> None:
    """Implements getppid(2)."""


@syscall(186, passthrough=True)
def gettid() -> None:
    """Implements gettid(2)."""


@syscall(102, passthrough=True)
def getuid() -> None:
    """Implements getuid(2)."""


@syscall(104, passthrough=True)
def getgid() -> None:
    """Implements getgid(2)."""


@syscall(107, passthrough=True)
def geteuid() -> None:
    """Implements geteuid(2)."""


@syscall(108, passthrough=True)
def getegid() -> None:
    """Implements getegid(2)."""


@syscall(105)
def setuid(task: "Task", uid: UInt) -> int:
    """Implements setuid(2)."""
    _table.import_all()
    return task.host(NR_SETUID, uid)


@syscall(106, passthrough=True)
def setgid(gid: UInt) -> None:
    """Implements setgid(2)."""


@syscall(113)
def setreuid(task: "Task", ruid: UInt, euid: UInt) -> int:
    """Implements setreuid(2)."""
    _table.import_all()
    return task.host(NR_SETREUID, ruid, euid)


@syscall(114, passthrough=True)
def setregid(rgid: UInt, egid: UInt) -> None:
    """Implements setregid(2)."""


@syscall(115, passthrough=True)
def getgroups(size: Int, groups: Out[Array, U32, "size"]) -> None:
    """Implements getgroups(2)."""


@syscall(116, passthrough=True)
def setgroups(size: Size, groups: In[Array, U32, "size"]) -> None:
    """Implements setgroups(2)."""


@syscall(117)
def setresuid(task: "Task", ruid: UInt, euid: UInt, suid: UInt) -> int:
    """Implements setresuid(2)."""
    _table.import_all()
    return task.host(NR_SETRESUID, ruid, euid, suid)


@syscall(118, passthrough=True)
def getresuid(ruid: Out[Struct, U32], euid: Out[Struct, U32], suid: Out[Struct, U32]) -> None:
    """Implements getresuid(2)."""


@syscall(119, passthrough=True)
def setresgid(rgid: UInt, egid: UInt, sgid: UInt) -> None:
    """Implements setresgid(2)."""


@syscall(120, passthrough=True)
def getresgid(rgid: Out[Struct, U32], egid: Out[Struct, U32], sgid: Out[Struct, U32]) -> None:
    """Implements getresgid(2)."""


@syscall(122)
def setfsuid(task: "Task", uid: UInt) -> int:
    """Implements setfsuid(2)."""
    _table.import_all()
    return task.host(NR_SETFSUID, uid)


@syscall(123, passthrough=True)
def setfsgid(gid: UInt) -> None:
    """Implements setfsgid(2)."""


@syscall(109, passthrough=True)
def setpgid(pid: Int, pgid: Int) -> None:
    """Implements setpgid(2)."""


@syscall(111, passthrough=True)
def getpgrp() -> None:
    """Implements getpgrp(2)."""


@syscall(121, passthrough=True)
def getpgid(pid: Int) -> None:
    """Implements getpgid(2)."""


@syscall(112, passthrough=True)
def setsid() -> None:
    """Implements setsid(2)."""


@syscall(124, passthrough=True)
def getsid(pid: Int) -> None:
    """Implements getsid(2)."""


@syscall(125, passthrough=True)
def capget(header: InOut[Struct, CAP_HEADER], data: Out[Array, CAP_DATA, 2]) -> None:
    """Implements capget(2)."""


@syscall(126)
def capset(task: "Task", header: InOut[Struct, CAP_HEADER], data: In[Array, CAP_DATA, 2]) -> int:
    """Implements capset(2)."""
    _table.import_all()
    return task.host(NR_CAPSET, task.guest(header, CAP_HEADER.size, True), task.guest(data))


@syscall(95, passthrough=True)
def umask(mask: Int) -> None:
    """Implements umask(2)."""
