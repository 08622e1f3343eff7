"""Message queues, System V's and POSIX's."""

from blink.abi import files as f
from blink.abi import ipc
from blink.abi.structs import TIMESPEC, U32
from blink.syscalls._dispatch import forward
from blink.syscalls._spec import (
    ALWAYS,
    CALLS,
    Buffer,
    By,
    Fd,
    Flags,
    In,
    Int,
    Long,
    Mode,
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
    from blink.kernel.task import Task

NR_MSGSND, NR_MSGRCV, NR_MSGCTL, NR_MQ_NOTIFY = 69, 70, 71, 244
TYPE_SIZE = 8  # the long mtype before a message's text
MSGMAX = 1 << 31  # the host refuses longer ones before it looks at the buffer

ARGUMENTS = {
    ipc.IPC_RMID: ULong,
    ipc.IPC_SET: In[Struct, ipc.MSQID_DS],
    ipc.IPC_STAT: Out[Struct, ipc.MSQID_DS],
    ipc.IPC_INFO: Out[Struct, ipc.MSGINFO],
    ipc.MSG_INFO: Out[Struct, ipc.MSGINFO],
    ipc.MSG_STAT: Out[Struct, ipc.MSQID_DS],
    ipc.MSG_STAT_ANY: Out[Struct, ipc.MSQID_DS],
}

# --- System V ---


@syscall(68, passthrough=True)
def msgget(key: Int, flags: Flags[Int, ipc.GET]) -> None:
    """Implements msgget(2)."""


@syscall(69, waits=True)
def msgsnd(
    task: "Task", msqid: Int, message: Ptr, size: Size, flags: Flags[Int, ipc.MSG_SEND]
) -> int:
    """Implements msgsnd(2)."""
    return task.host(NR_MSGSND, msqid, task.guest(message), size, flags)


@syscall(70, waits=True)
def msgrcv(
    task: "Task",
    msqid: Int,
    message: Ptr,
    size: Size,
    kind: Long,
    flags: Flags[Int, ipc.MSG_RECEIVE],
) -> int:
    """Implements msgrcv(2)."""
    room = TYPE_SIZE + size if size < MSGMAX else TYPE_SIZE
    return task.host(NR_MSGRCV, msqid, task.guest(message, room, True), size, kind, flags)


@syscall(71, native=ALWAYS)
def msgctl(
    task: "Task",
    msqid: Int,
    command: Flags[Int, ipc.MSG_CONTROL],
    arg: By[ULong, "command", ARGUMENTS],
) -> int:
    """Implements msgctl(2)."""
    if command in ARGUMENTS:
        return forward(task, CALLS[NR_MSGCTL], (msqid, command, arg))
    return task.host(NR_MSGCTL, msqid, command, 0)


# --- POSIX ---


@syscall(240, passthrough=True)
def mq_open(
    name: Text, flags: Flags[Int, f.OPEN], mode: Mode, attributes: In[Struct, ipc.MQ_ATTR]
) -> None:
    """Implements mq_open(2)."""


@syscall(241, passthrough=True)
def mq_unlink(name: Text) -> None:
    """Implements mq_unlink(2)."""


@syscall(242, passthrough=True, waits=True)
def mq_timedsend(
    queue: Fd,
    message: In[Buffer, "length"],
    length: Size,
    priority: UInt,
    deadline: In[Struct, TIMESPEC],
) -> None:
    """Implements mq_timedsend(2)."""


@syscall(243, passthrough=True, waits=True)
def mq_timedreceive(
    queue: Fd,
    message: Out[Buffer, "length"],
    length: Size,
    priority: Out[Struct, U32],
    deadline: In[Struct, TIMESPEC],
) -> None:
    """Implements mq_timedreceive(2)."""


@syscall(244)
def mq_notify(task: "Task", queue: Fd, event: In[Struct, ipc.SIGEVENT]) -> int:
    """Implements mq_notify(2)."""
    if not event:
        return task.host(NR_MQ_NOTIFY, queue, 0)
    data = task.memory.read(event, ipc.SIGEVENT.size)
    value, _, notify = ipc.SIGEVENT.unpack(data)
    if notify == ipc.SIGEV_THREAD:  # the value points to a message for the C library's thread
        data = task.guest(value).to_bytes(8, "little") + data[8:]
    return task.host(NR_MQ_NOTIFY, queue, data)


@syscall(245, passthrough=True)
def mq_getsetattr(queue: Fd, new: In[Struct, ipc.MQ_ATTR], old: Out[Struct, ipc.MQ_ATTR]) -> None:
    """Implements mq_getsetattr(2)."""
