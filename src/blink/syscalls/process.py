"""Processes: execve, wait, process descriptors.  fork and clone: see `clone`."""

from errno import EACCES, EBADF, EINVAL, ENOENT

from blink.abi import files as f
from blink.abi import sched
from blink.abi.errors import SysError
from blink.abi.structs import RUSAGE, S32
from blink.kernel import exec as exec_
from blink.kernel import host
from blink.loader import LoadError, open_host
from blink.loader.program import check_program
from blink.syscalls._spec import (
    KEEP,
    Argv,
    Buffer,
    Envp,
    Fd,
    Flags,
    In,
    Int,
    Long,
    Out,
    Path,
    Signal,
    Struct,
    UInt,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task

NR_EXECVEAT = 322


@syscall(59)
def execve(task: "Task", path: Path, argv: Argv, envp: Envp) -> int:
    """Implements execve(2).

    Set-user-ID and set-group-ID bits and file capabilities have no effect.  A program that is open
    for writing runs (no ETXTBSY).
    """
    open_file = task.process.open_executable
    arguments, variables = _read_vectors(task, argv, envp, path, open_file)
    exec_.execute(task, path, arguments, variables)
    return KEEP


def _read_vectors(
    task: "Task", argv: int, envp: int, path: bytes, open_file: "Callable[[bytes], int]"
) -> tuple[list[bytes], list[bytes]]:
    """The arguments and the environment.  When they cannot be read, a program that cannot be opened
    is the error that comes first."""
    try:
        return exec_.read_strings(task, argv), exec_.read_strings(task, envp)
    except (SysError, task.MemoryFault):
        _check(path, open_file)
        raise


def _check(path: bytes, open_file: "Callable[[bytes], int]") -> None:
    try:
        check_program(path, open_file)
    except LoadError as error:
        raise SysError(error.errno) from None


def _host_checks_programs() -> bool:
    """Whether uname(2) shows a kernel with AT_EXECVE_CHECK; no descriptor has the number -1."""
    flags = f.AT_EXECVE_CHECK | f.AT_EMPTY_PATH
    return host.now(NR_EXECVEAT, -1, b"\0", 0, 0, flags) == -EBADF


@syscall(322)
def execveat(
    task: "Task", dirfd: Fd, path: Path, argv: Argv, envp: Envp, flags: Flags[Int, f.AT_EXECVE]
) -> int:
    """Implements execveat(2).

    Set-user-ID and set-group-ID bits and file capabilities have no effect.  A program that is open
    for writing runs (no ETXTBSY).
    """
    if not path and not flags & f.AT_EMPTY_PATH:
        raise SysError(ENOENT)
    if flags & ~(f.AT_EMPTY_PATH | f.AT_SYMLINK_NOFOLLOW | f.AT_EXECVE_CHECK):
        raise SysError(EINVAL)
    if flags & f.AT_EXECVE_CHECK and not _host_checks_programs():
        raise SysError(EINVAL)
    if not path and dirfd == f.AT_FDCWD:
        raise SysError(EACCES)  # the working directory
    through_fd = not path.startswith(b"/") and dirfd != f.AT_FDCWD
    name = _name_at(dirfd, path) if through_fd else path
    open_file = _opener(task, name, dirfd, path, flags)
    arguments, variables = _read_vectors(task, argv, envp, name, open_file)
    if flags & f.AT_EXECVE_CHECK:
        _check(name, open_file)
        return 0
    exec_.execute(
        task,
        name,
        arguments,
        variables,
        inaccessible=through_fd and _closes_on_exec(dirfd),
        comm=None if path else _file_name(dirfd),
        open_file=open_file,
    )
    return KEEP


def _name_at(dirfd: int, path: bytes) -> bytes:
    """The name that Linux gives such a program, /dev/fd/N/path; it leads there."""
    if host.now(host.NR_FCNTL, dirfd, host.F_GETFD) < 0:
        raise SysError(EBADF)
    return b"/dev/fd/%d/%s" % (dirfd, path) if path else b"/dev/fd/%d" % dirfd


def _opener(
    task: "Task", name: bytes, dirfd: int, path: bytes, flags: int
) -> "Callable[[bytes], int]":
    """Opens the program by descriptor and path, and interpreters by their names."""
    files = task.process.files
    nofollow = f.O_NOFOLLOW if flags & f.AT_SYMLINK_NOFOLLOW and path else 0

    def open_file(wanted: bytes) -> int:
        if wanted != name:
            return files.open_executable(wanted)
        if path:
            return files.open_executable(path, dirfd, nofollow)
        return open_host(b"/proc/self/fd/%d" % dirfd)

    return open_file


def _file_name(fd: int) -> bytes | None:
    """The name of an open file, for a program that was started by descriptor alone."""
    import posix

    try:
        return posix.readlink(b"/proc/self/fd/%d" % fd)
    except OSError:
        return None


def _closes_on_exec(fd: int) -> bool:
    return host.now(host.NR_FCNTL, fd, host.F_GETFD) == host.FD_CLOEXEC


@syscall(61, passthrough=True, waits=True)
def wait4(
    pid: Int,
    status: Out[Struct, S32],
    options: Flags[UInt, sched.WAIT],
    rusage: Out[Struct, RUSAGE],
) -> None:
    """Implements wait4(2)."""


@syscall(247, passthrough=True, waits=True)
def waitid(
    which: Flags[Int, sched.ID_TYPE],
    pid: Int,
    info: Out[Buffer, 128],
    options: Flags[UInt, sched.WAIT],
    rusage: Out[Struct, RUSAGE],
) -> None:
    """Implements waitid(2)."""


@syscall(434, passthrough=True)
def pidfd_open(pid: Int, flags: UInt) -> None:
    """Implements pidfd_open(2)."""


@syscall(424, passthrough=True)
def pidfd_send_signal(pidfd: Fd, signo: Signal, info: In[Buffer, 128], flags: UInt) -> None:
    """Implements pidfd_send_signal(2)."""


@syscall(438, passthrough=True)
def pidfd_getfd(pidfd: Fd, target: Int, flags: UInt) -> None:
    """Implements pidfd_getfd(2)."""


@syscall(140, passthrough=True)
def getpriority(which: Int, who: Int) -> None:
    """Implements getpriority(2)."""


@syscall(141, passthrough=True)
def setpriority(which: Int, who: Int, priority: Int) -> None:
    """Implements setpriority(2)."""


@syscall(251, passthrough=True)
def ioprio_set(which: Int, who: Int, priority: Int) -> None:
    """Implements ioprio_set(2)."""


@syscall(252, passthrough=True)
def ioprio_get(which: Int, who: Int) -> None:
    """Implements ioprio_get(2)."""


ADDR_NO_RANDOMIZE = 0x0040000
_QUERY = 0xFFFFFFFF


@syscall(135, level="partial", note="PER_LINUX with ADDR_NO_RANDOMIZE only")
def personality(task: "Task", persona: Long) -> int:
    """Implements personality(2).

    Addresses are never random, so ADDR_NO_RANDOMIZE has no effect; all else gives EINVAL.
    """
    process = task.process
    old = process.personality
    persona &= 0xFFFFFFFF
    if persona != _QUERY:
        if persona & ~ADDR_NO_RANDOMIZE:
            raise SysError(EINVAL)
        process.personality = persona
    return old
