"""Open files: opening, reading, writing, positions, locks, allocation.  Descriptors: `descriptors`.

Names and metadata are in `stat` and `directories`.
"""

from blink.abi import files as f
from blink.abi.structs import S64
from blink.abi.structs import Struct as Layout
from blink.syscalls._spec import (
    UNLESS_POLICY,
    Buffer,
    Fd,
    Flags,
    In,
    InOut,
    Int,
    Iov,
    Long,
    Mode,
    Off,
    Out,
    Path,
    Size,
    Struct,
    UInt,
    ULong,
    With,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

CACHESTAT_RANGE = Layout("cachestat_range", "QQ", "off len")
CACHESTAT = Layout(
    "cachestat", "QQQQQ", "nr_cache nr_dirty nr_writeback nr_evicted nr_recently_evicted"
)

# --- opening ---


@syscall(2, native=UNLESS_POLICY, waits=True)
def open_(
    task: "Task", path: Path, flags: Flags[Int, f.OPEN], mode: With[Mode, "flags", f.CREATING]
) -> int:
    """Implements open(2).

    Files of /proc/self that describe the program are as they were when they were opened.
    """
    return task.process.files.open(task, f.AT_FDCWD, path, flags, mode)


@syscall(85, native=UNLESS_POLICY)
def creat(task: "Task", path: Path, mode: Mode) -> int:
    """Implements creat(2)."""
    flags = f.O_CREAT | f.O_WRONLY | f.O_TRUNC
    return task.process.files.open(task, f.AT_FDCWD, path, flags, mode)


@syscall(257, native=UNLESS_POLICY, waits=True)
def openat(
    task: "Task",
    dirfd: Fd,
    path: Path,
    flags: Flags[Int, f.OPEN],
    mode: With[Mode, "flags", f.CREATING],
) -> int:
    """Implements openat(2).

    Files of /proc/self that describe the program are as they were when they were opened.
    """
    return task.process.files.open(task, dirfd, path, flags, mode)


@syscall(437, native=UNLESS_POLICY, waits=True)
def openat2(task: "Task", dirfd: Fd, path: Path, how: In[Buffer, "size"], size: Size) -> int:
    """Implements openat2(2)."""
    return task.process.files.openat2(task, dirfd, path, how, size)


# --- reading and writing ---


@syscall(0, passthrough=True, waits=True)
def read(fd: Fd, buf: Out[Buffer, "count"], count: Size) -> None:
    """Implements read(2)."""


@syscall(1, passthrough=True, waits=True)
def write(fd: Fd, buf: In[Buffer, "count"], count: Size) -> None:
    """Implements write(2)."""


@syscall(17, passthrough=True, waits=True)
def pread64(fd: Fd, buf: Out[Buffer, "count"], count: Size, offset: Off) -> None:
    """Implements pread64(2)."""


@syscall(18, passthrough=True, waits=True)
def pwrite64(fd: Fd, buf: In[Buffer, "count"], count: Size, offset: Off) -> None:
    """Implements pwrite64(2)."""


@syscall(19, passthrough=True, waits=True)
def readv(fd: Fd, iov: Out[Iov, "count"], count: ULong) -> None:
    """Implements readv(2)."""


@syscall(20, passthrough=True, waits=True)
def writev(fd: Fd, iov: In[Iov, "count"], count: ULong) -> None:
    """Implements writev(2)."""


@syscall(295, passthrough=True, waits=True)
def preadv(fd: Fd, iov: Out[Iov, "count"], count: ULong, low: ULong, high: ULong) -> None:
    """Implements preadv(2)."""


@syscall(296, passthrough=True, waits=True)
def pwritev(fd: Fd, iov: In[Iov, "count"], count: ULong, low: ULong, high: ULong) -> None:
    """Implements pwritev(2)."""


@syscall(327, passthrough=True, waits=True)
def preadv2(
    fd: Fd,
    iov: Out[Iov, "count"],
    count: ULong,
    low: ULong,
    high: ULong,
    flags: Flags[Int, f.RWF],
) -> None:
    """Implements preadv2(2)."""


@syscall(328, passthrough=True, waits=True)
def pwritev2(
    fd: Fd,
    iov: In[Iov, "count"],
    count: ULong,
    low: ULong,
    high: ULong,
    flags: Flags[Int, f.RWF],
) -> None:
    """Implements pwritev2(2)."""


@syscall(8, passthrough=True)
def lseek(fd: Fd, offset: Off, whence: Flags[UInt, f.WHENCE]) -> None:
    """Implements lseek(2)."""


# --- between files ---


@syscall(40, passthrough=True, waits=True)
def sendfile(out_fd: Fd, in_fd: Fd, offset: InOut[Struct, S64], count: Size) -> None:
    """Implements sendfile(2)."""


@syscall(326, passthrough=True, waits=True)
def copy_file_range(
    fd_in: Fd,
    off_in: InOut[Struct, S64],
    fd_out: Fd,
    off_out: InOut[Struct, S64],
    length: Size,
    flags: UInt,
) -> None:
    """Implements copy_file_range(2)."""


@syscall(275, passthrough=True, waits=True)
def splice(
    fd_in: Fd,
    off_in: InOut[Struct, S64],
    fd_out: Fd,
    off_out: InOut[Struct, S64],
    length: Size,
    flags: Flags[UInt, f.SPLICE],
) -> None:
    """Implements splice(2)."""


@syscall(276, passthrough=True, waits=True)
def tee(fd_in: Fd, fd_out: Fd, length: Size, flags: Flags[UInt, f.SPLICE]) -> None:
    """Implements tee(2)."""


@syscall(278, passthrough=True, waits=True)
def vmsplice(fd: Fd, iov: InOut[Iov, "count"], count: ULong, flags: Flags[UInt, f.SPLICE]) -> None:
    """Implements vmsplice(2)."""


# --- size and storage ---


@syscall(76, passthrough=True)
def truncate(path: Path, length: Long) -> None:
    """Implements truncate(2)."""


@syscall(77, passthrough=True)
def ftruncate(fd: Fd, length: Off) -> None:
    """Implements ftruncate(2)."""


@syscall(285, passthrough=True)
def fallocate(fd: Fd, mode: Flags[Int, f.FALLOC], offset: Off, length: Off) -> None:
    """Implements fallocate(2)."""


@syscall(221, passthrough=True)
def fadvise64(fd: Fd, offset: Off, length: Size, advice: Flags[Int, f.FADV]) -> None:
    """Implements fadvise64(2)."""


@syscall(187, passthrough=True)
def readahead(fd: Fd, offset: Off, count: Size) -> None:
    """Implements readahead(2)."""


@syscall(451, passthrough=True)
def cachestat(
    fd: Fd, range: In[Struct, CACHESTAT_RANGE], stat: Out[Struct, CACHESTAT], flags: UInt
) -> None:
    """Implements cachestat(2)."""


@syscall(162, passthrough=True, waits=True)
def sync() -> None:
    """Implements sync(2)."""


@syscall(306, passthrough=True, waits=True)
def syncfs(fd: Fd) -> None:
    """Implements syncfs(2)."""


@syscall(74, passthrough=True, waits=True)
def fsync(fd: Fd) -> None:
    """Implements fsync(2)."""


@syscall(75, passthrough=True, waits=True)
def fdatasync(fd: Fd) -> None:
    """Implements fdatasync(2)."""


@syscall(277, passthrough=True)
def sync_file_range(fd: Fd, offset: Off, length: Off, flags: Flags[UInt, f.SYNC_RANGE]) -> None:
    """Implements sync_file_range(2)."""


@syscall(73, passthrough=True, waits=True)
def flock(fd: Fd, operation: Flags[UInt, f.FLOCK]) -> None:
    """Implements flock(2)."""
