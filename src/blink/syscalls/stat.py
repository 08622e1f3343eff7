"""Metadata of files: stat, permissions, owners, times, symbolic links, file systems."""

from errno import EPERM

from blink.abi import files as f
from blink.abi.errors import SysError
from blink.abi.file_structs import STAT, STATFS, STATX, UTIMBUF
from blink.abi.structs import TIMESPEC, TIMEVAL
from blink.abi.structs import Struct as Layout
from blink.syscalls._spec import (
    UNLESS_POLICY,
    Array,
    Buffer,
    Fd,
    Flags,
    If,
    In,
    InOut,
    Int,
    LinkPath,
    Mode,
    OptionalPath,
    Out,
    Path,
    Size,
    Struct,
    UInt,
    Unless,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_OPEN_BY_HANDLE_AT = 304
HANDLE_MAX = 8 + 128  # a file_handle and MAX_HANDLE_SZ
USTAT = Layout("ustat", "i4xQ6s6s4x", "f_tfree f_tinode f_fname f_fpack")

# --- stat ---


@syscall(4, passthrough=True)
def stat(path: Path, buf: Out[Struct, STAT]) -> None:
    """Implements stat(2)."""


@syscall(5, passthrough=True)
def fstat(fd: Fd, buf: Out[Struct, STAT]) -> None:
    """Implements fstat(2)."""


@syscall(6, passthrough=True)
def lstat(path: LinkPath, buf: Out[Struct, STAT]) -> None:
    """Implements lstat(2)."""


@syscall(262, passthrough=True)
def newfstatat(
    dirfd: Fd,
    path: Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW],
    buf: Out[Struct, STAT],
    flags: Flags[Int, f.AT],
) -> None:
    """Implements newfstatat(2)."""


@syscall(332, passthrough=True)
def statx(
    dirfd: Fd,
    path: Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW],
    flags: Flags[UInt, f.AT],
    mask: Flags[UInt, f.STATX],
    buf: Out[Struct, STATX],
) -> None:
    """Implements statx(2)."""


@syscall(137, passthrough=True)
def statfs(path: Path, buf: Out[Struct, STATFS]) -> None:
    """Implements statfs(2)."""


@syscall(138, passthrough=True)
def fstatfs(fd: Fd, buf: Out[Struct, STATFS]) -> None:
    """Implements fstatfs(2)."""


# --- access ---


@syscall(21, passthrough=True)
def access(path: Path, mode: Flags[Int, f.ACCESS]) -> None:
    """Implements access(2)."""


@syscall(269, passthrough=True)
def faccessat(dirfd: Fd, path: Path, mode: Flags[Int, f.ACCESS]) -> None:
    """Implements faccessat(2)."""


@syscall(439, passthrough=True)
def faccessat2(
    dirfd: Fd,
    path: Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW],
    mode: Flags[Int, f.ACCESS],
    flags: Flags[Int, f.AT],
) -> None:
    """Implements faccessat2(2)."""


# --- symbolic links ---


@syscall(89, native=UNLESS_POLICY)
def readlink(task: "Task", path: LinkPath, buf: Out[Buffer, "size"], size: Int) -> int:
    """Implements readlink(2)."""
    return task.process.files.readlink(task, f.AT_FDCWD, path, buf, size)


@syscall(267, native=UNLESS_POLICY)
def readlinkat(task: "Task", dirfd: Fd, path: LinkPath, buf: Out[Buffer, "size"], size: Int) -> int:
    """Implements readlinkat(2)."""
    return task.process.files.readlink(task, dirfd, path, buf, size)


# --- times ---


@syscall(132, passthrough=True)
def utime(path: Path, times: In[Struct, UTIMBUF]) -> None:
    """Implements utime(2)."""


@syscall(235, passthrough=True)
def utimes(path: Path, times: In[Array, TIMEVAL, 2]) -> None:
    """Implements utimes(2)."""


@syscall(261, passthrough=True)
def futimesat(dirfd: Fd, path: OptionalPath, times: In[Array, TIMEVAL, 2]) -> None:
    """Implements futimesat(2)."""


@syscall(280, passthrough=True)
def utimensat(
    dirfd: Fd,
    path: Unless[OptionalPath, "flags", f.AT_SYMLINK_NOFOLLOW],
    times: In[Array, TIMESPEC, 2],
    flags: Flags[Int, f.AT],
) -> None:
    """Implements utimensat(2)."""


# --- permissions and owners ---


@syscall(90, passthrough=True)
def chmod(path: Path, mode: Mode) -> None:
    """Implements chmod(2)."""


@syscall(91, passthrough=True, native=UNLESS_POLICY)
def fchmod(fd: Fd, mode: Mode) -> None:
    """Implements fchmod(2)."""


@syscall(268, passthrough=True)
def fchmodat(dirfd: Fd, path: Path, mode: Mode) -> None:
    """Implements fchmodat(2)."""


@syscall(452, passthrough=True)
def fchmodat2(
    dirfd: Fd,
    path: Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW],
    mode: Mode,
    flags: Flags[UInt, f.AT],
) -> None:
    """Implements fchmodat2(2)."""


@syscall(92, passthrough=True)
def chown(path: Path, uid: UInt, gid: UInt) -> None:
    """Implements chown(2)."""


@syscall(93, passthrough=True, native=UNLESS_POLICY)
def fchown(fd: Fd, uid: UInt, gid: UInt) -> None:
    """Implements fchown(2)."""


@syscall(94, passthrough=True)
def lchown(path: LinkPath, uid: UInt, gid: UInt) -> None:
    """Implements lchown(2)."""


@syscall(260, passthrough=True)
def fchownat(
    dirfd: Fd,
    path: Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW],
    uid: UInt,
    gid: UInt,
    flags: Flags[Int, f.AT],
) -> None:
    """Implements fchownat(2)."""


@syscall(303, passthrough=True)
def name_to_handle_at(
    dirfd: Fd,
    path: If[Path, "flags", f.AT_SYMLINK_FOLLOW],
    handle: InOut[Buffer, HANDLE_MAX],
    mount_id: Out[Buffer, 8],
    flags: Flags[Int, f.AT_HANDLE],
) -> None:
    """Implements name_to_handle_at(2)."""


@syscall(304, native=UNLESS_POLICY, note="EPERM under a root (`-C`)")
def open_by_handle_at(
    task: "Task", mount_fd: Fd, handle: In[Buffer, HANDLE_MAX], flags: Flags[Int, f.OPEN]
) -> int:
    """Implements open_by_handle_at(2)."""
    if task.process.files.confined:
        raise SysError(EPERM)  # a handle leads anywhere in a file system
    return task.host(NR_OPEN_BY_HANDLE_AT, mount_fd, task.guest(handle), flags)


# --- attributes of file systems ---


@syscall(468, passthrough=True)
def file_getattr(
    dirfd: Fd,
    path: Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW],
    attributes: Out[Buffer, "size"],
    size: Size,
    flags: Flags[UInt, f.AT_XATTR],
) -> None:
    """Implements file_getattr(2)."""


@syscall(469, passthrough=True)
def file_setattr(
    dirfd: Fd,
    path: Unless[Path, "flags", f.AT_SYMLINK_NOFOLLOW],
    attributes: In[Buffer, "size"],
    size: Size,
    flags: Flags[UInt, f.AT_XATTR],
) -> None:
    """Implements file_setattr(2)."""


@syscall(136, passthrough=True)
def ustat(device: UInt, buf: Out[Struct, USTAT]) -> None:
    """Implements ustat(2)."""
