"""System V semaphores."""

from blink.abi import ipc
from blink.abi.errors import SysError
from blink.abi.structs import TIMESPEC
from blink.syscalls._dispatch import forward
from blink.syscalls._spec import (
    ALWAYS,
    CALLS,
    Array,
    By,
    Flags,
    In,
    Int,
    Out,
    Struct,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_SEMCTL = 66
U16_SIZE = 2

# GETALL and SETALL have an array of as many values as the set has semaphores: see the body.
ARGUMENTS = {
    ipc.IPC_RMID: ULong,
    ipc.IPC_SET: In[Struct, ipc.SEMID_DS],
    ipc.IPC_STAT: Out[Struct, ipc.SEMID_DS],
    ipc.IPC_INFO: Out[Struct, ipc.SEMINFO],
    ipc.SEM_INFO: Out[Struct, ipc.SEMINFO],
    ipc.SEM_STAT: Out[Struct, ipc.SEMID_DS],
    ipc.SEM_STAT_ANY: Out[Struct, ipc.SEMID_DS],
    ipc.GETPID: ULong,
    ipc.GETVAL: ULong,
    ipc.GETNCNT: ULong,
    ipc.GETZCNT: ULong,
    ipc.SETVAL: ULong,
}


@syscall(64, passthrough=True)
def semget(key: Int, count: Int, flags: Flags[Int, ipc.GET]) -> None:
    """Implements semget(2)."""


@syscall(65, passthrough=True, waits=True)
def semop(semid: Int, operations: In[Array, ipc.SEMBUF, "count"], count: UInt) -> None:
    """Implements semop(2)."""


@syscall(220, passthrough=True, waits=True)
def semtimedop(
    semid: Int,
    operations: In[Array, ipc.SEMBUF, "count"],
    count: UInt,
    timeout: In[Struct, TIMESPEC],
) -> None:
    """Implements semtimedop(2)."""


@syscall(66, native=ALWAYS)
def semctl(
    task: "Task",
    semid: Int,
    index: Int,
    command: Flags[Int, ipc.SEM_CONTROL],
    arg: By[ULong, "command", ARGUMENTS],
) -> int:
    """Implements semctl(2)."""
    if command in ARGUMENTS:
        return forward(task, CALLS[NR_SEMCTL], (semid, index, command, arg))
    size = _set_size(task, semid) * U16_SIZE
    values = task.guest(arg, size, command == ipc.GETALL)
    return task.host(NR_SEMCTL, semid, index, command, values)


def _set_size(task: "Task", semid: int) -> int:
    """How many semaphores a set has; 0 when we may not know, then the call itself will fail."""
    data = bytearray(ipc.SEMID_DS.size)
    try:
        task.host(NR_SEMCTL, semid, 0, ipc.IPC_STAT, data)
    except SysError:
        return 0
    return ipc.SEMID_DS.unpack(bytes(data))[-1]
