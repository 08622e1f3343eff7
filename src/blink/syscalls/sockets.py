"""Sockets.  Messages with headers (sendmsg and its relatives) are in `messages`."""

from blink.abi import sockets as s
from blink.abi.structs import S32
from blink.kernel import host
from blink.syscalls._spec import (
    UNLESS_POLICY,
    Array,
    Buffer,
    Fd,
    Flags,
    In,
    InOut,
    Int,
    Out,
    Size,
    Sockaddr,
    Struct,
    UInt,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_BIND, NR_CONNECT = 49, 42


@syscall(41, passthrough=True)
def socket(family: Flags[Int, s.FAMILY], type: Flags[Int, s.TYPE], protocol: Int) -> None:
    """Implements socket(2)."""


@syscall(53, passthrough=True)
def socketpair(
    family: Flags[Int, s.FAMILY],
    type: Flags[Int, s.TYPE],
    protocol: Int,
    fds: Out[Array, S32, 2],
) -> None:
    """Implements socketpair(2)."""


# --- addresses ---


@syscall(49, native=UNLESS_POLICY)
def bind(task: "Task", fd: Fd, addr: In[Sockaddr, "addrlen"], addrlen: Int) -> int:
    """Implements bind(2)."""
    files = task.process.files
    with files.temporary() as opened:
        pointer, length = files.address(task, addr, addrlen, opened, follow=False)
        result = task.host(NR_BIND, fd, pointer, length)
        files.note_socket(task, fd, pointer, addr, addrlen, True)
        return result


@syscall(42, native=UNLESS_POLICY, waits=True)
def connect(task: "Task", fd: Fd, addr: In[Sockaddr, "addrlen"], addrlen: Int) -> int:
    """Implements connect(2)."""
    files = task.process.files
    with files.temporary() as opened:
        pointer, length = files.address(task, addr, addrlen, opened)
        result = task.host(NR_CONNECT, fd, pointer, length)
        files.note_socket(task, fd, pointer, addr, addrlen, False)
        return result


@syscall(50, passthrough=True)
def listen(fd: Fd, backlog: Int) -> None:
    """Implements listen(2)."""


@syscall(43, passthrough=True, native=UNLESS_POLICY, waits=True)
def accept(fd: Fd, addr: Out[Sockaddr, "addrlen"], addrlen: InOut[Struct, S32]) -> None:
    """Implements accept(2)."""


@syscall(288, passthrough=True, native=UNLESS_POLICY, waits=True)
def accept4(
    fd: Fd,
    addr: Out[Sockaddr, "addrlen"],
    addrlen: InOut[Struct, S32],
    flags: Flags[Int, s.ACCEPT],
) -> None:
    """Implements accept4(2)."""


@syscall(51, passthrough=True, native=UNLESS_POLICY)
def getsockname(fd: Fd, addr: Out[Sockaddr, "addrlen"], addrlen: InOut[Struct, S32]) -> None:
    """Implements getsockname(2)."""


@syscall(52, passthrough=True, native=UNLESS_POLICY)
def getpeername(fd: Fd, addr: Out[Sockaddr, "addrlen"], addrlen: InOut[Struct, S32]) -> None:
    """Implements getpeername(2)."""


# --- data ---


@syscall(44, native=UNLESS_POLICY, waits=True)
def sendto(
    task: "Task",
    fd: Fd,
    buf: In[Buffer, "length"],
    length: Size,
    flags: Flags[UInt, s.MSG],
    addr: In[Sockaddr, "addrlen"],
    addrlen: Int,
) -> int:
    """Implements sendto(2)."""
    files = task.process.files
    with files.temporary() as opened:
        pointer, size = files.address(task, addr, addrlen, opened)
        return task.host(host.NR_SENDTO, fd, task.guest(buf), length, flags, pointer, size)


@syscall(45, passthrough=True, native=UNLESS_POLICY, waits=True)
def recvfrom(
    fd: Fd,
    buf: Out[Buffer, "length"],
    length: Size,
    flags: Flags[UInt, s.MSG],
    addr: Out[Sockaddr, "addrlen"],
    addrlen: InOut[Struct, S32],
) -> None:
    """Implements recvfrom(2)."""


@syscall(48, passthrough=True)
def shutdown(fd: Fd, how: Flags[Int, s.SHUT]) -> None:
    """Implements shutdown(2)."""


# --- options ---


@syscall(54, passthrough=True, level="partial", note="filter programs need linear memory (no -m)")
def setsockopt(
    fd: Fd, level: Flags[Int, s.LEVEL], name: Int, value: In[Buffer, "length"], length: Int
) -> None:
    """Implements setsockopt(2).

    SO_ATTACH_FILTER and other options whose values hold pointers give EFAULT in checked memory
    (`-m`).
    """


@syscall(55, passthrough=True)
def getsockopt(
    fd: Fd,
    level: Flags[Int, s.LEVEL],
    name: Int,
    value: Out[Buffer, "length"],
    length: InOut[Struct, S32],
) -> None:
    """Implements getsockopt(2)."""
