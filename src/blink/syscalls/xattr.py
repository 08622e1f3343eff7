"""Extended attributes of files."""

from errno import E2BIG, EINVAL

from blink.abi import files as f
from blink.abi.errors import SysError
from blink.abi.layout import PAGE
from blink.abi.structs import Struct as Layout
from blink.syscalls._dispatch import forward
from blink.syscalls._spec import (
    CALLS,
    UNLESS_POLICY,
    Buffer,
    Fd,
    Flags,
    In,
    Int,
    LinkPath,
    Out,
    Path,
    Ptr,
    Size,
    Text,
    UInt,
    Unless,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.kernel.task import Task

NR_SETXATTRAT, NR_GETXATTRAT = 463, 464
XATTR_ARGS = Layout("xattr_args", "QII", "value size flags")
ARGUMENTS_AT = 4

# With a directory, these calls take a path and flags that tell whether links are followed.
PathAt = Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW]
FlagsAt = Flags[UInt, f.AT_XATTR]


@syscall(188, passthrough=True)
def setxattr(
    path: Path, name: Text, value: In[Buffer, "size"], size: Size, flags: Flags[Int, f.XATTR]
) -> None:
    """Implements setxattr(2)."""


@syscall(189, passthrough=True)
def lsetxattr(
    path: LinkPath, name: Text, value: In[Buffer, "size"], size: Size, flags: Flags[Int, f.XATTR]
) -> None:
    """Implements lsetxattr(2)."""


@syscall(190, passthrough=True, native=UNLESS_POLICY)
def fsetxattr(
    fd: Fd, name: Text, value: In[Buffer, "size"], size: Size, flags: Flags[Int, f.XATTR]
) -> None:
    """Implements fsetxattr(2)."""


@syscall(191, passthrough=True)
def getxattr(path: Path, name: Text, value: Out[Buffer, "size"], size: Size) -> None:
    """Implements getxattr(2)."""


@syscall(192, passthrough=True)
def lgetxattr(path: LinkPath, name: Text, value: Out[Buffer, "size"], size: Size) -> None:
    """Implements lgetxattr(2)."""


@syscall(193, passthrough=True)
def fgetxattr(fd: Fd, name: Text, value: Out[Buffer, "size"], size: Size) -> None:
    """Implements fgetxattr(2)."""


@syscall(194, passthrough=True)
def listxattr(path: Path, names: Out[Buffer, "size"], size: Size) -> None:
    """Implements listxattr(2)."""


@syscall(195, passthrough=True)
def llistxattr(path: LinkPath, names: Out[Buffer, "size"], size: Size) -> None:
    """Implements llistxattr(2)."""


@syscall(196, passthrough=True)
def flistxattr(fd: Fd, names: Out[Buffer, "size"], size: Size) -> None:
    """Implements flistxattr(2)."""


@syscall(197, passthrough=True)
def removexattr(path: Path, name: Text) -> None:
    """Implements removexattr(2)."""


@syscall(198, passthrough=True)
def lremovexattr(path: LinkPath, name: Text) -> None:
    """Implements lremovexattr(2)."""


@syscall(199, passthrough=True, native=UNLESS_POLICY)
def fremovexattr(fd: Fd, name: Text) -> None:
    """Implements fremovexattr(2)."""


# --- with a directory and flags ---


def _with_value(task: "Task", number: int, write: bool, *registers: "Any") -> int:
    """The call with a host address for the value that the structure points to."""
    *_, address, size = registers
    if size > PAGE:
        raise SysError(E2BIG)
    if size < XATTR_ARGS.size:
        raise SysError(EINVAL)
    data = task.memory.read(address, size)
    value, length, flags = XATTR_ARGS.unpack(data[: XATTR_ARGS.size])
    pointer = task.guest(value, length if write else 0, write)
    made = XATTR_ARGS.pack(pointer, length, flags) + data[XATTR_ARGS.size :]
    return forward(task, CALLS[number], registers, {ARGUMENTS_AT: made})


@syscall(463, raw_paths=True)
def setxattrat(
    task: "Task",
    dirfd: Fd,
    path: PathAt,
    flags: FlagsAt,
    name: Text,
    arguments: Ptr,
    size: Size,
) -> int:
    """Implements setxattrat(2)."""
    return _with_value(task, NR_SETXATTRAT, False, dirfd, path, flags, name, arguments, size)


@syscall(464, raw_paths=True)
def getxattrat(
    task: "Task",
    dirfd: Fd,
    path: PathAt,
    flags: FlagsAt,
    name: Text,
    arguments: Ptr,
    size: Size,
) -> int:
    """Implements getxattrat(2)."""
    return _with_value(task, NR_GETXATTRAT, True, dirfd, path, flags, name, arguments, size)


@syscall(465, passthrough=True)
def listxattrat(
    dirfd: Fd,
    path: PathAt,
    flags: FlagsAt,
    names: Out[Buffer, "size"],
    size: Size,
) -> None:
    """Implements listxattrat(2)."""


@syscall(466, passthrough=True)
def removexattrat(
    dirfd: Fd,
    path: PathAt,
    flags: FlagsAt,
    name: Text,
) -> None:
    """Implements removexattrat(2)."""
