"""The machine as a whole: names, load, random numbers."""

from blink.abi.flags import FlagSet, enumeration
from blink.abi.structs import SYSINFO, UTSNAME
from blink.syscalls._spec import (
    Buffer,
    Flags,
    In,
    Int,
    Out,
    Ptr,
    Size,
    Struct,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_SYSFS = 139
SYSLOG = enumeration(
    {
        "SYSLOG_ACTION_CLOSE": 0,
        "SYSLOG_ACTION_OPEN": 1,
        "SYSLOG_ACTION_READ": 2,
        "SYSLOG_ACTION_READ_ALL": 3,
        "SYSLOG_ACTION_READ_CLEAR": 4,
        "SYSLOG_ACTION_CLEAR": 5,
        "SYSLOG_ACTION_CONSOLE_OFF": 6,
        "SYSLOG_ACTION_CONSOLE_ON": 7,
        "SYSLOG_ACTION_CONSOLE_LEVEL": 8,
        "SYSLOG_ACTION_SIZE_UNREAD": 9,
        "SYSLOG_ACTION_SIZE_BUFFER": 10,
    }
)
GRND = FlagSet({"GRND_NONBLOCK": 1, "GRND_RANDOM": 2, "GRND_INSECURE": 4})
FS_TYPE_BY_NAME, FS_TYPE_BY_NUMBER = 1, 2
FS_NAME_MAX = 64  # longer than every name of a file system type


@syscall(63, passthrough=True)
def uname(buf: Out[Struct, UTSNAME]) -> None:
    """Implements uname(2)."""


@syscall(99, passthrough=True)
def sysinfo(info: Out[Struct, SYSINFO]) -> None:
    """Implements sysinfo(2)."""


@syscall(318, passthrough=True)
def getrandom(buf: Out[Buffer, "count"], count: Size, flags: Flags[UInt, GRND]) -> None:
    """Implements getrandom(2)."""


@syscall(170, passthrough=True)
def sethostname(name: In[Buffer, "length"], length: Int) -> None:
    """Implements sethostname(2)."""


@syscall(171, passthrough=True)
def setdomainname(name: In[Buffer, "length"], length: Int) -> None:
    """Implements setdomainname(2)."""


@syscall(103, passthrough=True)
def syslog(kind: Flags[Int, SYSLOG], buf: Out[Buffer, "length"], length: UInt) -> None:
    """Implements syslog(2)."""


@syscall(139)
def sysfs(task: "Task", option: Int, first: ULong, second: Ptr) -> int:
    """Implements sysfs(2)."""
    if option == FS_TYPE_BY_NAME:
        return task.host(NR_SYSFS, option, task.guest(first))
    if option == FS_TYPE_BY_NUMBER:
        return task.host(NR_SYSFS, option, first, task.guest(second, FS_NAME_MAX, True))
    return task.host(NR_SYSFS, option)
