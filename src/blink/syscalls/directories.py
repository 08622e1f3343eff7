"""Names of files: listing, making, moving and removing them, and the working directory."""

from blink.abi import files as f
from blink.syscalls._spec import (
    UNLESS_POLICY,
    Buffer,
    Fd,
    Flags,
    If,
    Int,
    LinkPath,
    Mode,
    Out,
    Path,
    Text,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_GETDENTS, NR_GETDENTS64 = 78, 217

# --- listing ---


@syscall(78, native=UNLESS_POLICY)
def getdents(task: "Task", fd: Fd, buf: Out[Buffer, "count"], count: UInt) -> int:
    """Implements getdents(2)."""
    return task.process.files.getdents(task, NR_GETDENTS, fd, buf, count)


@syscall(217, native=UNLESS_POLICY)
def getdents64(task: "Task", fd: Fd, buf: Out[Buffer, "count"], count: UInt) -> int:
    """Implements getdents64(2)."""
    return task.process.files.getdents(task, NR_GETDENTS64, fd, buf, count)


# --- making and removing ---


@syscall(83, passthrough=True)
def mkdir(path: LinkPath, mode: Mode) -> None:
    """Implements mkdir(2)."""


@syscall(258, passthrough=True)
def mkdirat(dirfd: Fd, path: LinkPath, mode: Mode) -> None:
    """Implements mkdirat(2)."""


@syscall(84, passthrough=True)
def rmdir(path: LinkPath) -> None:
    """Implements rmdir(2)."""


@syscall(133, passthrough=True)
def mknod(path: LinkPath, mode: Mode, dev: UInt) -> None:
    """Implements mknod(2)."""


@syscall(259, passthrough=True)
def mknodat(dirfd: Fd, path: LinkPath, mode: Mode, dev: UInt) -> None:
    """Implements mknodat(2)."""


@syscall(87, passthrough=True)
def unlink(path: LinkPath) -> None:
    """Implements unlink(2)."""


@syscall(263, passthrough=True)
def unlinkat(dirfd: Fd, path: LinkPath, flags: Flags[Int, f.AT_UNLINK]) -> None:
    """Implements unlinkat(2)."""


# --- links and moves ---


@syscall(86, passthrough=True)
def link(old: LinkPath, new: LinkPath) -> None:
    """Implements link(2)."""


@syscall(265, passthrough=True)
def linkat(
    old_dirfd: Fd,
    old: If[Path, "flags", f.AT_SYMLINK_FOLLOW],
    new_dirfd: Fd,
    new: LinkPath,
    flags: Flags[Int, f.AT],
) -> None:
    """Implements linkat(2)."""


@syscall(88, passthrough=True)
def symlink(target: Text, path: LinkPath) -> None:
    """Implements symlink(2)."""


@syscall(266, passthrough=True)
def symlinkat(target: Text, dirfd: Fd, path: LinkPath) -> None:
    """Implements symlinkat(2)."""


@syscall(82, passthrough=True)
def rename(old: LinkPath, new: LinkPath) -> None:
    """Implements rename(2)."""


@syscall(264, passthrough=True)
def renameat(old_dirfd: Fd, old: LinkPath, new_dirfd: Fd, new: LinkPath) -> None:
    """Implements renameat(2)."""


@syscall(316, passthrough=True)
def renameat2(
    old_dirfd: Fd,
    old: LinkPath,
    new_dirfd: Fd,
    new: LinkPath,
    flags: Flags[UInt, f.RENAME],
) -> None:
    """Implements renameat2(2)."""


# --- the working directory and the root ---


@syscall(80, native=UNLESS_POLICY)
def chdir(task: "Task", path: Path) -> int:
    """Implements chdir(2)."""
    return task.process.files.chdir(task, path)


@syscall(81, passthrough=True)
def fchdir(fd: Fd) -> None:
    """Implements fchdir(2)."""


@syscall(79, native=UNLESS_POLICY)
def getcwd(task: "Task", buf: Out[Buffer, "size"], size: ULong) -> int:
    """Implements getcwd(2)."""
    return task.process.files.getcwd(task, buf, size)


@syscall(161, level="partial", note="no way out, not even with an open directory")
def chroot(task: "Task", path: Path) -> int:
    """Implements chroot(2).

    Paths are confined to the new root by `openat2(RESOLVE_IN_ROOT)`: other than in Linux, a
    descriptor of a directory outside leads only downwards.
    """
    return task.process.files.chroot(task, path)
