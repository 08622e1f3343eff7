"""fork, and vfork as a fork whose memory comes back.

A vfork child shares its parent's memory in Linux: posix_spawn(3) reads the error of a failed exec
from there.  Ours is a fork; it notes the pages that it writes, and when it ends or executes another
program, it sends them to the parent, which has waited, deaf to signals, and stores them.  Mappings
that the child makes or removes are its own (Linux would share those, too); a child that another
process kills sends nothing.
"""

from __future__ import annotations

import posix
from errno import EAGAIN
from struct import Struct

from blink import _engine
from blink.abi import signals as sig
from blink.abi.errors import SysError
from blink.abi.layout import PAGE
from blink.kernel import host
from blink.kernel.threads import set_mask_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Process
    from blink.kernel.task import Task

VFORK = "vfork"
MSG_NOSIGNAL = 0x4000
_ADDRESS = Struct("<Q")
_RECORD = _ADDRESS.size + PAGE


class VforkChild:
    """In a vfork child: the socket to the parent that waits."""

    __slots__ = ()

    def settle(self, process: Process) -> None:
        """Sends the written pages and lets the parent go on; the child's memory is its own now."""
        fd = process.hidden.fds[VFORK]
        memory = process.memory
        for address in memory.dirty():
            page = memory.read(address, PAGE, force=True)
            if not _send(fd, _ADDRESS.pack(address) + page):
                break  # the parent is dead
        memory.untrack()
        process.vfork = None
        process.hidden.close(VFORK)


def _send(fd: int, data: bytes) -> bool:
    while data:
        sent = host.now(host.NR_SENDTO, fd, data, len(data), MSG_NOSIGNAL, 0, 0)
        if sent < 0:
            return False
        data = data[sent:]
    return True


def fork(task: Task) -> int:
    """A new process: its number in the parent, 0 in the child.  Raises SysError, or Interrupted.

    With all signals blocked: what has come so far is the parent's, and what somebody sends to the
    child waits until that is ready for it.
    """
    mask = task.sigmask
    task.set_sigmask(sig.ALL_MASK)
    task.sigmask = mask
    try:
        return _fork(task)
    finally:
        set_mask_again(task)


def _fork(task: Task) -> int:
    freeze()
    memory = task.memory
    memory.fork_begin()
    try:
        pid = posix.fork()
    except OSError as error:
        raise SysError(error.errno or EAGAIN) from None
    finally:
        memory.fork_end()
    if pid == 0:
        _become_child(task)
    elif task.process.director is not None:
        task.process.director.note(task, "fork", pid)
    return pid


_frozen = False


def freeze() -> None:
    """Keeps the collector from writing to the pages that parent and children share."""
    global _frozen
    if not _frozen:
        import gc

        gc.freeze()
        _frozen = True


def _become_child(task: Task) -> None:
    """What Linux does not copy: threads, timers, the robust list, MADV_DONTFORK pages."""
    _engine.sig_after_fork()
    process = task.process
    task.tid = posix.getpid()
    task.robust_list = (0, 0)
    for other in process.tasks.values():
        if other is not task:
            other.cpu.retire()
    process.tasks = {task.tid: task}
    process.forget_threads()
    process.files.texts.clear()
    process.space.lock_new = 0
    process.space.inherit()
    if process.director is not None:
        process.director.forked(task)
    process.timers.clear()
    if process.statistics is not None:
        process.statistics.restart()
    if process.tracer is not None:
        process.tracer.restart()
    if process.vfork is not None:  # a grandchild owes its grandparent nothing
        process.vfork = None
        process.hidden.close(VFORK)
        process.memory.untrack()
    for vma in [vma for vma in process.space if vma.dont_fork]:
        process.space.unmap(vma.start, vma.end)


def vfork(task: Task) -> int:
    """As fork; the parent goes on when the child has executed a program or ended."""
    mask = task.sigmask
    task.set_sigmask(sig.ALL_MASK)  # raises Interrupted: then the whole call starts anew
    task.sigmask = mask
    try:
        return _fork_with_socket(task)
    finally:
        set_mask_again(task)


def _fork_with_socket(task: Task) -> int:
    reader, writer = task.process.hidden.socket_pair()
    try:
        pid = _fork(task)
    except SysError:
        host.now(host.NR_CLOSE, reader)
        host.now(host.NR_CLOSE, writer)
        raise
    if pid == 0:
        _start_child(task, reader, writer)
    else:
        host.now(host.NR_CLOSE, writer)
        _wait_for_child(task, reader)
    return pid


def _start_child(task: Task, reader: int, writer: int) -> None:
    process = task.process
    host.now(host.NR_CLOSE, reader)
    process.hidden.adopt(VFORK, writer)
    process.vfork = VforkChild()
    process.memory.track()


def _wait_for_child(task: Task, reader: int) -> None:
    """Stores the pages that come, until the child closes its end or dies.

    Other threads of ours have written meanwhile: beside them, only the caller's stack comes back.
    """
    space, memory = task.process.space, task.memory
    stack = space.find(task.cpu.get("rsp")) if len(task.process.tasks) > 1 else None
    with open(reader, "rb") as pipe:
        while len(record := host.unlocked(pipe.read, _RECORD)) == _RECORD:
            (address,) = _ADDRESS.unpack_from(record)
            vma = space.find(address)
            if vma is not None and (stack is None or stack.start <= address < stack.end):
                memory.write(address, record[_ADDRESS.size :], force=True)
