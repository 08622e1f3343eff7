"""Extended attributes of files."""

from blink.abi import files as f
from blink.syscalls._spec import (
    Buffer,
    Fd,
    Flags,
    In,
    Int,
    LinkPath,
    Out,
    Path,
    Size,
    Text,
    syscall,
)


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


@syscall(190, passthrough=True)
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


@syscall(199, passthrough=True)
def fremovexattr(fd: Fd, name: Text) -> None:
    """Implements fremovexattr(2)."""
