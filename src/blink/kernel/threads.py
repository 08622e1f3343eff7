"""Guest threads: each is a host thread with a Cpu of its own, and its number is the host's.

Signals, futexes and scheduling are then the host kernel's, thread by thread.  Python works for one
thread at a time, under `host.lock`.

A thread that calls exit(2) walks its robust list, clears its thread number for pthread_join(3) and
leaves its host thread.  exit_group(2) and fatal signals need nothing of the kind: the host ends all
threads at once.  Only execve(2) ends the others one by one.  The process's first host thread is
never left, for a program must run in it after execve: when its guest thread has ended, it waits
there for a successor.
"""

from __future__ import annotations

import _thread
import posix
from errno import EAGAIN

from blink import _engine
from blink.abi import signals as sig
from blink.abi.errors import Interrupted, SysError, ThreadEnded
from blink.abi.structs import S32
from blink.kernel import host, robust
from blink.kernel.frame import ALL_STATE
from blink.kernel.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from blink.kernel.process import Process

INTERNAL_ERROR = 125
STACK_SIZE = 1 << 20  # of a host thread; no guest code runs on it
_REGISTERS = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
    *("rip", "eflags", "fs_base", "gs_base", "es", "ds", "fs", "gs"),
)


def on_first_host_thread() -> bool:
    """Whether the caller's host thread is the one that has the process's number."""
    return _thread.get_native_id() == posix.getpid()


# --- beginning ---


def start(task: Task, prepare: Callable[[Task], None]) -> Task:
    """Starts a thread that is a copy of `task`.

    `prepare` sets its registers and what is told about it, before it runs.  Raises SysError, or
    Interrupted when a signal has to be delivered first.
    """
    mask = task.sigmask
    task.set_sigmask(sig.ALL_MASK)  # the new host thread must not take a signal unprepared
    task.sigmask = mask
    try:
        return _start(task, prepare)
    finally:
        set_mask_again(task)


def set_mask_again(task: Task) -> None:
    """Ends a time in which the host blocked all signals."""
    try:
        task.set_sigmask(task.sigmask)
    except Interrupted:  # one of the five that are never blocked came; the loop looks at it next
        task.cpu.interrupt()


def _start(task: Task, prepare: Callable[[Task], None]) -> Task:
    new, director = _copy(task), task.process.director
    tid = None if director is None else director.new_thread(task)
    if tid is None:
        _start_host_thread(new)
    else:
        new.tid = tid
    task.process.tasks[new.tid] = new
    prepare(new)
    if director is not None:
        director.note(task, "clone", new.tid)
    return new


def _start_host_thread(new: Task) -> None:
    """It has its number then, and waits for the kernel lock."""
    ready = _thread.allocate_lock()
    ready.acquire()
    _thread.stack_size(STACK_SIZE)
    try:
        _thread.start_new_thread(_body, (new, ready))
    except RuntimeError:
        raise SysError(EAGAIN) from None
    ready.acquire()


def _copy(task: Task) -> Task:
    try:
        cpu = _engine.Cpu(task.memory)
    except MemoryError:
        raise SysError(EAGAIN) from None
    if task.process.options.cpu:
        cpu.set_model(task.process.options.cpu)
    for name in _REGISTERS:
        cpu.set(name, task.cpu.get(name))
    cpu.xrstor(task.cpu.xsave(), ALL_STATE)
    cpu.native = task.cpu.native
    if task.process.options.translate:
        cpu.set_jit(True)
    cpu.counting = task.cpu.counting
    if task.process.options.doctor is not None:
        cpu.set_doctor()
    new = Task(task.process, cpu, 0)
    new.sigmask = task.sigmask
    return new


def _body(task: Task, ready: _thread.LockType) -> None:
    task.tid = _thread.get_native_id()
    _engine.sig_setmask(task.sigmask)
    ready.release()
    live(task)


def live(task: Task) -> None:
    """The life of a host thread.  An error of ours ends the process loudly, with the state."""
    from blink.kernel.loop import run

    try:
        with host.lock:  # whoever started it has finished
            task.cpu.interrupt()  # an execve may wait already
        while True:
            try:
                run(task)
            except ThreadEnded:
                if not on_first_host_thread():
                    return
                task = _succeed(task.process)
    except BaseException:
        _log_bug(task)
        posix._exit(INTERNAL_ERROR)


def _succeed(process: Process) -> Task:
    """In the first host thread, whose guest thread has ended: waits for another's execve."""
    process.handover.acquire()
    assert process.successor is not None
    task, go_on = process.successor
    process.successor = None
    _engine.sig_setmask(task.sigmask)
    with host.lock:
        go_on()
    return task


def _log_bug(task: Task) -> None:
    import traceback

    names = ("rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp")
    tell = task.process.messages.tell
    tell("internal error; please report it with the lines that follow")
    for line in traceback.format_exc().splitlines():
        tell(line)
    tell(" ".join(f"{name}={task.cpu.get(name):#x}" for name in names))


# --- ending ---


def exit(task: Task, status: int) -> NoReturn:
    """exit(2): ends this thread; the last one ends the process, with its status (since Linux 5.18;
    before, it was the first thread's)."""
    if len(task.process.tasks) == 1:
        task.process.exit(status)
    leave(task)


def leave(task: Task) -> NoReturn:
    """Takes a thread out of its process.  Raises ThreadEnded."""
    process = task.process
    _refuse_signals()
    robust.release(task)
    del process.tasks[task.tid]
    if process.statistics is not None:
        process.statistics.keep(task)
    _clear_tid(task)
    if process.survivor is not None and len(process.tasks) == 1:
        process.alone.release()
    raise ThreadEnded


def _refuse_signals() -> None:
    """From here on signals for the process go to other threads; so do those that came already."""
    while _engine.sig_setmask(sig.ALL_MASK) == host.NEVER_BEGAN:
        taken = _engine.sig_take()
        if taken is not None:
            host.now(host.NR_KILL, posix.getpid(), taken[0])


def _clear_tid(task: Task) -> None:
    """CLONE_CHILD_CLEARTID: pthread_join(3) waits there; a bad address is nobody's error."""
    address = task.clear_child_tid
    if not address:
        return
    try:
        task.write_struct(address, S32, 0)
    except task.MemoryFault:
        return
    robust.wake(task, address)


def obey(task: Task) -> None:
    """Ends this thread when another one's execve waits for that."""
    if task.process.survivor is not task:
        leave(task)


# --- execve ---


def replace(task: Task, go_on: Callable[[], None]) -> None:
    """Ends all other threads, then calls `go_on`, in the process's first host thread."""
    _end_others(task)
    if on_first_host_thread():
        go_on()
        return
    process = task.process
    _refuse_signals()
    task.tid = posix.getpid()
    process.tasks = {task.tid: task}
    process.successor = (task, go_on)
    process.handover.release()
    raise ThreadEnded


def _end_others(task: Task) -> None:
    process = task.process
    if process.survivor is not None:  # another thread's execve came first
        leave(task)
    others = [tid for tid in process.tasks if tid != task.tid]
    if not others:
        return
    process.survivor = task
    for tid in others:
        _engine.sig_kick(tid)
    host.unlocked(process.alone.acquire)
    process.survivor = None
