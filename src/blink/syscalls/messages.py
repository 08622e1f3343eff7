"""sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2): messages whose parts a header names.

The header and its iovecs are copied with host addresses; data and control messages stay where the
guest has them.
"""

from errno import EBADF

from blink.abi import sockets as s
from blink.abi.errors import SysError
from blink.abi.file_structs import CMSGHDR, MMSGHDR, MSGHDR
from blink.abi.structs import TIMESPEC, U32
from blink.syscalls._dispatch import BAD_ADDRESS, UIO_MAXIOV, host_iovecs
from blink.syscalls._spec import Array, Fd, Flags, In, InOut, Struct, UInt, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_SENDMSG, NR_RECVMSG, NR_RECVMMSG, NR_SENDMMSG = 46, 47, 299, 307
MAX_CONTROL = 1 << 20
MAX_MESSAGES = 1024
LENGTH_AT = MSGHDR.size  # msg_len in a struct mmsghdr


class Header:
    """A message header for the host: `data`, which points to `iovecs` and `name` (kept alive)."""

    __slots__ = ("data", "iovecs", "name")

    def __init__(self, task: "Task", address: int, receive: bool, opened: list[int]) -> None:
        name, size, iov, count, control, length, flags = task.read_struct(address, MSGHDR)
        many = count > UIO_MAXIOV  # EMSGSIZE, when the host gets to it
        self.iovecs = host_iovecs(task, iov, count, receive) if count and not many else b""
        self.name: int | bytes = task.guest(name, size if receive else 0, receive)
        if not receive:
            _refuse_ours(task, control, length)
            self.name, size = task.process.files.address(task, name, size, opened)
        where = self.name if isinstance(self.name, int) else task.buffer_address(self.name)
        array = self.iovecs
        if isinstance(array, bytes):
            array = task.buffer_address(array)
        control = task.guest(control, min(length, MAX_CONTROL) if receive else 0, receive)
        self.data = MSGHDR.pack(where, size, array, count, control, length, flags)


def _store(task: "Task", address: int, data: bytes | bytearray) -> None:
    """Tells the guest what recvmsg(2) changes: the name's length, the control's, the flags."""
    name, room, *_ = task.read_struct(address, MSGHDR)
    task.memory.write(address + 8, data[8:12])
    task.memory.write(address + 40, data[40:52])
    if name and task.process.files.confined:
        task.process.files.sockets.after(task, NR_RECVMSG, -1, (name, address + 8, room))


def _refuse_ours(task: "Task", control: int, length: int) -> None:
    """Our own descriptors are not to be sent: EBADF, as if they were closed."""
    if not control or not CMSGHDR.size <= length <= MAX_CONTROL:
        return
    data = task.memory.read(control, length)
    at = 0
    while at + CMSGHDR.size <= length:
        size, level, kind = CMSGHDR.unpack(data[at : at + CMSGHDR.size])
        if size < CMSGHDR.size or at + size > length:
            return
        if (level, kind) == (s.SOL_SOCKET, s.SCM_RIGHTS):
            _check_rights(task, data[at + CMSGHDR.size : at + size])
        at += (size + 7) & ~7


def _check_rights(task: "Task", data: bytes) -> None:
    for i in range(0, len(data) - 3, 4):
        if task.process.hides(int.from_bytes(data[i : i + 4], "little")):
            raise SysError(EBADF)


def _call(task: "Task", number: int, fd: int, address: int, flags: int, receive: bool) -> int:
    with task.process.files.temporary() as opened:
        try:
            header = Header(task, address, receive, opened)
        except task.MemoryFault:
            return task.host(number, fd, BAD_ADDRESS, flags)  # EBADF comes before EFAULT
        data = bytearray(header.data)
        result = task.host(number, fd, data, flags)
    if receive:
        _store(task, address, data)
    return result


@syscall(46, waits=True)
def sendmsg(task: "Task", fd: Fd, message: In[Struct, MSGHDR], flags: Flags[UInt, s.MSG]) -> int:
    """Implements sendmsg(2)."""
    return _call(task, NR_SENDMSG, fd, message, flags, False)


@syscall(47, waits=True)
def recvmsg(task: "Task", fd: Fd, message: InOut[Struct, MSGHDR], flags: Flags[UInt, s.MSG]) -> int:
    """Implements recvmsg(2)."""
    return _call(task, NR_RECVMSG, fd, message, flags, True)


def _headers(
    task: "Task", address: int, count: int, receive: bool, opened: list[int]
) -> list[Header]:
    """The headers of an array, up to the first bad one, which matters only when it is the first."""
    made: list[Header] = []
    for at in range(address, address + count * MMSGHDR.size, MMSGHDR.size):
        try:
            made.append(Header(task, at, receive, opened))
        except (task.MemoryFault, SysError):
            if not made:
                raise
            break
    return made


def _call_many(
    task: "Task", number: int, address: int, count: int, receive: bool, *args: int
) -> int:
    """`args` are the descriptor, the flags and perhaps a timeout."""
    fd, flags, *timeout = args
    with task.process.files.temporary() as opened:
        try:
            headers = _headers(task, address, min(count, MAX_MESSAGES), receive, opened)
        except task.MemoryFault:
            return task.host(number, fd, BAD_ADDRESS, 1, flags, *timeout)
        array = bytearray().join(MMSGHDR.pack(header.data, 0) for header in headers)
        result = task.host(number, fd, array, len(headers), flags, *timeout)
    for i in range(result):
        data = array[i * MMSGHDR.size : (i + 1) * MMSGHDR.size]
        at = address + i * MMSGHDR.size
        if receive:
            _store(task, at, data)
        task.memory.write(at + LENGTH_AT, data[LENGTH_AT : LENGTH_AT + U32.size])
    return result


@syscall(307, waits=True)
def sendmmsg(
    task: "Task",
    fd: Fd,
    messages: InOut[Array, MMSGHDR, "count"],
    count: UInt,
    flags: Flags[UInt, s.MSG],
) -> int:
    """Implements sendmmsg(2)."""
    return _call_many(task, NR_SENDMMSG, messages, count, False, fd, flags)


@syscall(299, level="partial", note="at most 1024 messages a call", waits=True)
def recvmmsg(
    task: "Task",
    fd: Fd,
    messages: InOut[Array, MMSGHDR, "count"],
    count: UInt,
    flags: Flags[UInt, s.MSG],
    timeout: InOut[Struct, TIMESPEC],
) -> int:
    """Implements recvmmsg(2)."""
    limit = task.guest(timeout, TIMESPEC.size, True)
    return _call_many(task, NR_RECVMMSG, messages, count, True, fd, flags, limit)
