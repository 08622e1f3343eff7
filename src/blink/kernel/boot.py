"""From a command line to a running guest."""

from __future__ import annotations

import gc
import posix
from errno import ENOTSUP

from blink import _engine
from blink.abi.encoding import encode
from blink.kernel import exec as exec_
from blink.kernel import host
from blink.kernel.address_space import AddressSpace
from blink.kernel.process import Options, Process
from blink.kernel.task import Task
from blink.kernel.threads import INTERNAL_ERROR, live
from blink.loader import LoadError, find_program, open_program
from blink.syscalls._table import import_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blink.kernel.faults import Fault

    Report = Callable[[Task, Fault], None]


def run_program(
    name: bytes | str,
    argv: Sequence[bytes | str],
    env: Sequence[bytes | str],
    options: Options | None = None,
    inherited: tuple[int, int] | None = None,
    report: Report | None = None,
    at_end: Callable[[Process], None] | None = None,
) -> int:
    """Runs a program as this process; returns only when it cannot be started.

    A name without a slash is searched in PATH of `env`.  `argv` includes argv[0]; `env` holds
    NAME=value strings.  `inherited` is what `blink.cli.launch.inherited_signals` tells; `report` is
    called before a fault kills the guest, `at_end` before a process ends by itself.  The result is
    an exit status, 126 or 127, after a line of explanation on stderr.  Raises OSError when what the
    options name cannot be opened.
    """
    process = new_process(options or Options())
    process.report = report
    if at_end is not None:
        process.at_exit.append(lambda: at_end(process))
    try:
        task = load_program(process, name, argv, env, inherited)
    except LoadError as error:
        process.messages.tell(str(error))
        return error.exit_status
    gc.freeze()  # what is here stays; later collections need not look at it
    gc.enable()
    live(task)
    posix._exit(INTERNAL_ERROR)


def load_program(
    process: Process,
    name: bytes | str,
    argv: Sequence[bytes | str],
    env: Sequence[bytes | str],
    inherited: tuple[int, int] | None,
) -> Task:
    """The first task, at the start of its program.  Arguments: see run_program.  Raises LoadError,
    or OSError, when all that was made for a root is gone again."""
    try:
        path = find_program(name, search_path(env), open_file=process.open_executable)
        with open_program(
            path, argv, env, open_file=process.open_executable, stack_limit=process.limits.stack()
        ) as program:
            task = start(process, inherited)
            exec_.enter(task, program)
    except (LoadError, OSError):
        process.files.close()
        raise
    return task


def search_path(env: Sequence[bytes | str]) -> bytes | None:
    """The value of PATH; None without one."""
    for variable in map(encode, env):
        if variable.startswith(b"PATH="):
            return variable[5:]
    return None


def new_process(
    options: Options,
    memory_type: type[_engine.Memory] = _engine.Memory,
    space_type: type[AddressSpace] = AddressSpace,
) -> Process:
    """An empty process."""
    memory = memory_type(options.checked)
    process = Process(memory, space_type(memory), options)
    process.open_log()
    if options.trace is not None:
        from blink.syscalls._trace import Tracer

        process.tracer = Tracer(process, options.trace)
    if options.mounts is not None:
        from blink.roots.setup import install

        if options.mounts.user is not None:
            import_all()  # as another user we may not be able to read them
        install(process, options.mounts, host)
    elif options.root is not None:
        process.files.set_root(options.root)
    return process


def start(process: Process, inherited: tuple[int, int] | None) -> Task:
    """The first task of a process; from here on the engine owns the host's signals."""
    ignored, blocked = _engine.sig_init(inherited)
    process.actions.inherit(ignored)
    tid = posix.getpid()
    task = Task(process, _engine.Cpu(process.memory), tid)
    task.sigmask = blocked
    task.cpu.native = process.tracer is None
    if process.options.cpu:
        task.cpu.set_model(process.options.cpu)
    if process.options.translate:
        task.cpu.set_jit(True)
    task.cpu.counting = process.options.statistics
    if process.options.doctor is not None and not task.cpu.set_doctor():
        raise OSError(ENOTSUP, "there is no translator to compare with here")
    process.tasks[tid] = task
    if process.options.statistics:
        _count(process)
    return task


def _count(process: Process) -> None:
    from blink.kernel.statistics import Statistics

    process.statistics = Statistics(process)
    process.at_exit.append(process.statistics.log)
