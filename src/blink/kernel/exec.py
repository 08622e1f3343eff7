"""execve: the new program takes the process over in place.

Everything that can fail fails in `open_program`; behind it lies the point of no return.  Process
number, mask, pending signals, ignored signals, interval timers and descriptors without
close-on-exec stay; the rest goes.  Set-user-ID bits of files have no effect: the process stays who
it is.
"""

from __future__ import annotations

import posix
from errno import E2BIG, EFAULT

from blink.abi import sched
from blink.abi.errors import SysError
from blink.abi.layout import PAGE, STACK_SIZE
from blink.kernel import host, robust
from blink.kernel.address_space import MAX_STACK, Vma, page_up
from blink.kernel.frame import minsigstksz
from blink.kernel.shown import show_arguments
from blink.kernel.threads import replace
from blink.loader import LoadError, build_stack, load, open_program, stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from blink import _engine
    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.loader import Image, Program

    OpenFile = Callable[[bytes], int]

MAX_STRING = 32 * PAGE
MAX_STRINGS = 6 << 20
UNLIMITED = 1 << 63
COMM_SIZE = 15
HWCAP2_FSGSBASE = 2


def execute(
    task: Task,
    path: bytes,
    argv: list[bytes],
    env: list[bytes],
    *,
    inaccessible: bool = False,
    comm: bytes | None = None,
    open_file: OpenFile | None = None,
) -> None:
    """Replaces the process's program.  Raises SysError before the point of no return.

    `inaccessible`: the path goes through a close-on-exec descriptor (execveat(2)).  `comm` names
    the process when the path does not.  `open_file` opens the path and interpreters.
    """
    process = task.process
    try:
        program = open_program(
            path,
            argv,
            env,
            open_file=open_file or process.open_executable,
            stack_limit=process.limits.stack(),
            path_inaccessible=inaccessible,
        )
    except LoadError as error:
        if error.fatal:
            _die(task, error)
        raise SysError(error.errno) from None
    replace(task, lambda: _enter_new_image(task, program, comm))


def _enter_new_image(task: Task, program: Program, comm: bytes | None) -> None:
    """Behind the point of no return, and without other threads."""
    with program:
        _leave_old_image(task)
        try:
            enter(task, program, comm)
        except LoadError as error:
            _die(task, error)
    _close_on_exec(task.process)
    if task.process.director is not None:
        task.process.director.note(task, "exec")


def _die(task: Task, error: LoadError) -> NoReturn:
    """Linux sends SIGSEGV when execve fails behind the point of no return."""
    from blink.abi.signals import SIGSEGV
    from blink.kernel.deliver import die

    task.process.log(str(error))
    die(task, SIGSEGV, None)


def _leave_old_image(task: Task) -> None:
    process = task.process
    if process.vfork is not None:
        process.vfork.settle(process)
    process.actions.after_exec()
    task.altstack.disable()
    task.clear_child_tid = 0
    robust.release(task)
    for timer in process.timers:
        host.now(host.NR_TIMER_DELETE, timer)
    process.timers.clear()
    process.memory.reset()
    process.space.clear()
    task.cpu.reset()


def enter(task: Task, program: Program, comm: bytes | None = None) -> None:
    """Loads a program into empty memory and puts the task at its start.  Raises LoadError."""
    process = task.process
    image = load(program, process.memory, place=process.space.find_gap)
    process.image = image
    rsp = build_stack(
        process.memory,
        image,
        program.argv,
        program.env,
        values=_auxiliary(task.cpu),
        random16=posix.urandom(16),
        execfn=program.path,
        stack_size=stack_size(process),
    )
    _enter_mappings(process, image)
    task.cpu.set("rsp", rsp)
    task.cpu.rip = image.start_rip
    set_comm(comm or program.path)
    process.hidden.with_room(show_arguments, image, process.memory.skew)


def _auxiliary(cpu: _engine.Cpu) -> dict[int, int]:
    """Identity and hardware, for the auxiliary vector."""
    return {
        stack.AT_UID: posix.getuid(),
        stack.AT_EUID: posix.geteuid(),
        stack.AT_GID: posix.getgid(),
        stack.AT_EGID: posix.getegid(),
        stack.AT_HWCAP: cpu.cpuid(1)[3],
        stack.AT_HWCAP2: HWCAP2_FSGSBASE * (cpu.cpuid(7)[1] & 1),
        stack.AT_MINSIGSTKSZ: minsigstksz(cpu),
    }


def _enter_mappings(process: Process, image: Image) -> None:
    space = process.space
    for segment in image.segments:
        vma = Vma(segment.start, segment.end, segment.prot)
        if segment.path:
            vma.origin = space.new_origin()
        if segment.kind == "stack":
            vma.label = b"[stack]"
            vma.grows = True
        space.insert(vma)
    space.set_heap(page_up(image.brk))


def set_comm(path: bytes) -> None:
    """The name of the process in ps and /proc/PID/comm: the last part of the program's path."""
    name = path.rpartition(b"/")[2][:COMM_SIZE]
    host.now(host.NR_PRCTL, sched.PR_SET_NAME, name + b"\0")


def stack_size(process: Process) -> int:
    """Bytes of the initial stack: the limit, when it is a sane size."""
    soft = process.limits.stack()
    if soft >= UNLIMITED:
        return STACK_SIZE
    return min(max(page_up(soft), 32 * PAGE), MAX_STACK)


def _close_on_exec(process: Process) -> None:
    for fd in open_fds():
        if not process.hides(fd) and host.now(host.NR_FCNTL, fd, host.F_GETFD) == host.FD_CLOEXEC:
            host.now(host.NR_CLOSE, fd)


def open_fds() -> list[int]:
    """The open descriptors, or, without /proc, all numbers that may be."""
    try:
        return [int(name) for name in posix.listdir("/proc/self/fd")]
    except OSError:
        return list(range(host.rlimit(host.RLIMIT_NOFILE)[0]))


def read_strings(task: Task, address: int) -> list[bytes]:
    """The strings of argv or envp; NULL is an empty vector, as on Linux.

    Raises EFAULT, or E2BIG when one string or all of them are too long.
    """
    strings = []
    room = MAX_STRINGS
    for pointer in _pointers(task, address) if address else ():
        string = _read_string(task, pointer)
        room -= len(string) + 9
        if room < 0:
            raise SysError(E2BIG)
        strings.append(string)
    return strings


def _read_string(task: Task, pointer: int) -> bytes:
    try:
        string: bytes = task.memory.read_cstr(pointer, MAX_STRING)
    except task.MemoryFault:
        raise SysError(EFAULT) from None
    if len(string) >= MAX_STRING:
        raise SysError(E2BIG)
    return string


def _pointers(task: Task, address: int) -> Iterator[int]:
    """The pointers before the NULL, read a page at a time, never beyond the page of the NULL."""
    while True:
        size = PAGE - address % PAGE
        if size < 8 or size % 8:  # unaligned: one pointer may cross into the next page
            size = 8
        data = task.memory.read(address, size)
        for at in range(0, size, 8):
            pointer = int.from_bytes(data[at : at + 8], "little")
            if pointer == 0:
                return
            yield pointer
        address += size
