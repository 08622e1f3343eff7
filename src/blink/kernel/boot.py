"""From a command line to a running guest."""

from __future__ import annotations

import os

from blink import _engine
from blink.kernel import exec as exec_
from blink.kernel.address_space import AddressSpace
from blink.kernel.loop import run
from blink.kernel.process import Options, Process
from blink.kernel.task import Task
from blink.loader import LoadError, open_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

INTERNAL_ERROR = 125


def run_program(
    path: bytes | str,
    argv: Sequence[bytes | str],
    env: Sequence[bytes | str],
    options: Options | None = None,
    inherited: tuple[int, int] | None = None,
) -> int:
    """Runs a program as this process; returns only when it cannot be started.

    `argv` includes argv[0]; `env` holds NAME=value strings.  `inherited` is what
    `blink.cli.launch.inherited_signals` tells.  The result is an exit status, 126 or 127, after a
    line of explanation on stderr.
    """
    options = options or Options()
    process = new_process(options)
    limit = exec_.stack_limit()
    try:
        with open_program(
            path, argv, env, open_file=process.open_executable, stack_limit=limit
        ) as program:
            task = start(process, inherited)
            exec_.enter(task, program)
    except LoadError as error:
        os.write(2, f"blink: {error}\n".encode(errors="backslashreplace"))
        return error.exit_status
    return _run(task)


def new_process(options: Options) -> Process:
    """An empty process."""
    memory = _engine.Memory(options.checked)
    process = Process(memory, AddressSpace(memory), options)
    process.open_log()
    return process


def start(process: Process, inherited: tuple[int, int] | None) -> Task:
    """The first task of a process; from here on the engine owns the host's signals."""
    ignored, blocked = _engine.sig_init(inherited)
    process.actions.inherit(ignored)
    tid = os.getpid()
    task = Task(process, _engine.Cpu(process.memory), tid)
    task.sigmask = blocked
    task.cpu.native = not process.trace
    process.tasks[tid] = task
    if process.options.statistics:
        process.at_exit.append(lambda: _log_statistics(process))
    return task


def _run(task: Task) -> NoReturn:
    """Runs to the end; an error of ours ends loudly with the guest's state."""
    try:
        run(task)
    except BaseException:
        _log_bug(task)
    os._exit(INTERNAL_ERROR)


def _log_bug(task: Task) -> None:
    import traceback

    names = ("rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp")
    process = task.process
    process.log("internal error; please report it with the lines that follow")
    for line in traceback.format_exc().splitlines():
        process.log(line)
    process.log(" ".join(f"{name}={task.cpu.get(name):#x}" for name in names))


def _log_statistics(process: Process) -> None:
    for task in process.tasks.values():
        process.log(f"instructions {task.cpu.icount}")
        for name, value in task.cpu.counters().items():
            process.log(f"{name} {value}")
    process.log(f"resident bytes {process.memory.rss}")
