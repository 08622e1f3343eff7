"""Mounts: mount(2), and the calls that do its parts.

Under a root (`-C`) they give EPERM, for a mount could show what lies outside.  So a path is the
host's, plain text.
"""

from errno import EPERM

from blink.abi import mounts as m
from blink.abi.errors import SysError
from blink.abi.structs import U64
from blink.abi.structs import Struct as Layout
from blink.syscalls._dispatch import forward
from blink.syscalls._spec import (
    CALLS,
    UNLESS_POLICY,
    Array,
    Buffer,
    Fd,
    Flags,
    In,
    Int,
    Out,
    Ptr,
    Size,
    Struct,
    Text,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.kernel.task import Task

NOTE = "EPERM under a root (`-C`)"
MNT_ID_REQ = Layout("mnt_id_req", "IIQQ", "size spare mnt_id param")
NR_MOUNT, NR_UMOUNT2, NR_OPEN_TREE, NR_MOVE_MOUNT, NR_FSCONFIG = 165, 166, 428, 429, 431
NR_FSOPEN = 430
NR_FSPICK, NR_MOUNT_SETATTR, NR_STATMOUNT, NR_LISTMOUNT = 433, 442, 457, 458
NR_OPEN_TREE_ATTR = 467


def _refuse_under_root(task: "Task") -> None:
    if task.process.files.confined:
        raise SysError(EPERM)


def _outside_roots(task: "Task", number: int, *registers: "Any") -> int:
    """The host's call, where there is no root."""
    _refuse_under_root(task)
    return forward(task, CALLS[number], registers)


@syscall(165, native=UNLESS_POLICY, note=NOTE)
def mount(
    task: "Task", source: Text, target: Text, kind: Text, flags: Flags[ULong, m.MS], data: Text
) -> int:
    """Implements mount(2)."""
    return _outside_roots(task, NR_MOUNT, source, target, kind, flags, data)


@syscall(166, native=UNLESS_POLICY, note=NOTE)
def umount2(task: "Task", target: Text, flags: Flags[Int, m.UMOUNT]) -> int:
    """Implements umount2(2)."""
    return _outside_roots(task, NR_UMOUNT2, target, flags)


@syscall(428, native=UNLESS_POLICY, note=NOTE)
def open_tree(
    task: "Task",
    dirfd: Fd,
    path: Text,
    flags: Flags[UInt, m.OPEN_TREE],
) -> int:
    """Implements open_tree(2)."""
    return _outside_roots(task, NR_OPEN_TREE, dirfd, path, flags)


@syscall(429, native=UNLESS_POLICY, note=NOTE)
def move_mount(
    task: "Task",
    from_dirfd: Fd,
    from_path: Text,
    to_dirfd: Fd,
    to_path: Text,
    flags: Flags[UInt, m.MOVE_MOUNT],
) -> int:
    """Implements move_mount(2)."""
    return _outside_roots(task, NR_MOVE_MOUNT, from_dirfd, from_path, to_dirfd, to_path, flags)


@syscall(430, native=UNLESS_POLICY, note=NOTE)
def fsopen(task: "Task", kind: Text, flags: Flags[UInt, m.FSOPEN]) -> int:
    """Implements fsopen(2)."""
    return _outside_roots(task, NR_FSOPEN, kind, flags)


@syscall(431, note="no FSCONFIG_SET_PATH under a root")
def fsconfig(
    task: "Task", fd: Fd, command: Flags[UInt, m.FSCONFIG], key: Text, value: Ptr, extra: Int
) -> int:
    """Implements fsconfig(2)."""
    if command in (m.FSCONFIG_SET_PATH, m.FSCONFIG_SET_PATH_EMPTY):
        _refuse_under_root(task)
    pointer = task.guest(value)
    return task.host(NR_FSCONFIG, fd, command, task.guest(key), pointer, extra)


@syscall(432, passthrough=True)
def fsmount(fd: Fd, flags: Flags[UInt, m.FSMOUNT], attributes: Flags[UInt, m.MOUNT_ATTR]) -> None:
    """Implements fsmount(2)."""


@syscall(433, native=UNLESS_POLICY, note=NOTE)
def fspick(
    task: "Task",
    dirfd: Fd,
    path: Text,
    flags: Flags[UInt, m.FSPICK],
) -> int:
    """Implements fspick(2)."""
    return _outside_roots(task, NR_FSPICK, dirfd, path, flags)


@syscall(442, native=UNLESS_POLICY, note=NOTE)
def mount_setattr(
    task: "Task",
    dirfd: Fd,
    path: Text,
    flags: Flags[UInt, m.SETATTR],
    attributes: In[Buffer, "size"],
    size: Size,
) -> int:
    """Implements mount_setattr(2)."""
    return _outside_roots(task, NR_MOUNT_SETATTR, dirfd, path, flags, attributes, size)


@syscall(467, native=UNLESS_POLICY, note=NOTE)
def open_tree_attr(
    task: "Task",
    dirfd: Fd,
    path: Text,
    flags: Flags[UInt, m.OPEN_TREE],
    attributes: In[Buffer, "size"],
    size: Size,
) -> int:
    """Implements open_tree_attr(2)."""
    return _outside_roots(task, NR_OPEN_TREE_ATTR, dirfd, path, flags, attributes, size)


@syscall(457, native=UNLESS_POLICY, note=NOTE)
def statmount(
    task: "Task",
    request: In[Struct, MNT_ID_REQ],
    buf: Out[Buffer, "size"],
    size: Size,
    flags: UInt,
) -> int:
    """Implements statmount(2)."""
    return _outside_roots(task, NR_STATMOUNT, request, buf, size, flags)


@syscall(458, native=UNLESS_POLICY, note=NOTE)
def listmount(
    task: "Task",
    request: In[Struct, MNT_ID_REQ],
    ids: Out[Array, U64, "count"],
    count: Size,
    flags: Flags[UInt, m.LISTMOUNT],
) -> int:
    """Implements listmount(2)."""
    return _outside_roots(task, NR_LISTMOUNT, request, ids, count, flags)
