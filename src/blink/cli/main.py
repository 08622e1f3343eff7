"""The `blink` command: parse, then run a program as this process."""

from __future__ import annotations

import posix
import sys

from blink import __version__
from blink.abi.encoding import decode, encode
from blink.cli.options import OPTIONS, ROOTED, RUNNING, CommandLine, UsageError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.cli.roots import Run
    from blink.cli.tool import Tool
    from blink.kernel.faults import Fault
    from blink.kernel.process import Options, Process
    from blink.kernel.task import Task
    from blink.syscalls._trace import TraceOptions

USAGE_ERROR = 48
TOOLS = {
    "profile": "blink.cli.profile:TOOL",
    "record": "blink.cli.record:TOOL",
    "replay": "blink.cli.replay:TOOL",
    "sql": "blink.cli.sql:TOOL",
    "trace": "blink.cli.trace:TOOL",
    "isa coverage": "blink.cli.isa:TOOL",
}
CANNOT_START = 125
TARGET = "--debug-target="  # how a session starts the process of its guest
WITH_GDB = RUNNING | set("jsZg")  # options that --gdb goes with


def main(argv: list[str] | None = None, before_run: Callable[[], None] | None = None) -> int:
    """Runs a command line (without the command's name).

    `before_run` is called when a program is about to be run.  Returns an exit status when none was
    run, else leaves with the program's own end.
    """
    words = sys.argv[1:] if argv is None else argv
    for count in (1, 2):
        if (name := " ".join(words[:count])) in TOOLS and name.count(" ") == count - 1:
            return tool(name)(words[count:])
    if words and words[0].startswith(TARGET):
        return _debug_target(int(words[0][len(TARGET) :]))
    try:
        line = parse(words)
        if (answer := _answer(line)) is not None:
            return answer
        _check(line)
        if before_run is not None:
            before_run()
        return _serve_gdb(line) if "g" in line else run_rooted(line, _run)
    except UsageError as error:
        return refuse(str(error))


def tool(name: str) -> Tool:
    """One of TOOLS: each has a module of its own."""
    module, _, value = TOOLS[name].partition(":")
    __import__(module)
    found: Tool = getattr(sys.modules[module], value)
    return found


def _answer(line: CommandLine) -> int | None:
    """For options that print something and run nothing: the exit status."""
    if "h" in line:
        from blink.cli.usage import text

        return show(text())
    if "v" in line:
        return show(f"blink {__version__}\n")
    if line.values.get("M") == "help":
        from blink.cli.usage import models

        return show(models())
    if "binfmt" in line:
        from blink.cli.binfmt import registration

        return show(registration())
    return None


def _check(line: CommandLine) -> None:
    """Raises UsageError for what cannot be done, or not together."""
    if line.program is None and "I" not in line:
        raise UsageError("no program was named")
    if "D" in line and ("j" in line or "m" in line):
        raise UsageError("--doctor needs the translator: not with -j or -m")
    if "g" in line:
        for option in OPTIONS:
            if option.key in line and option.key not in WITH_GDB:
                raise UsageError(f"--gdb does not go with --{option.name}")
    _check_trace(line)


def _debug_target(fd: int) -> int:
    from blink.cli.launch import host_is_low, inherited_signals
    from blink.debugger.target import main

    return main(fd, inherited_signals(), host_is_low())


def run_rooted(line: CommandLine, run: Run) -> int:
    """Runs a program, with the root that the command line asks for, if any; an exit status.

    Raises UsageError.
    """
    chosen = options(line)
    if not (b"BLINK_OVERLAYS" in posix.environ or any(key in line for key in ROOTED)):
        return run(line, line.program, chosen, None)
    from blink.cli.roots import RootError, prepare

    try:
        return prepare(line, chosen, run)
    except RootError as error:
        return fail(str(error), CANNOT_START)


def refuse(problem: str, more: str = "blink -h") -> int:
    """For a wrong command line: one line on stderr; an exit status."""
    say(f"{problem}; see {more}")
    return USAGE_ERROR


def fail(problem: str, status: int) -> int:
    """One line on stderr; the exit status."""
    say(problem)
    return status


def say(text: str) -> None:
    """One line on stderr, for who can read it."""
    from blink.kernel.log import write_line

    write_line(2, f"blink: {text}")


def show(text: str) -> int:
    """Writes to stdout; 1 when that fails."""
    data = text.encode()
    try:
        while data:
            data = data[posix.write(1, data) :]
    except OSError as error:
        say(f"cannot write: {error.strerror}")
        return 1
    return 0


def _run(
    line: CommandLine, program: str | None, options: Options, env: list[bytes] | None = None
) -> int:
    from blink.cli.launch import inherited_signals
    from blink.kernel.boot import run_program

    if program is None:
        raise UsageError("no program was named")
    if env is None:
        env = [name + b"=" + value for name, value in posix.environ.items()]
    try:
        return run_program(
            program,
            line.argv,
            env,
            options,
            inherited_signals(),
            report_crash,
            _at_end(line),
        )
    except OSError as error:
        say(f"{decode(error.filename or 'cannot start')}: {error.strerror}")
        return CANNOT_START


def _serve_gdb(line: CommandLine) -> int:
    from blink.cli.roots import words
    from blink.debugger.errors import DebugError
    from blink.debugger.gdb.server import address_of, serve
    from blink.debugger.session import Session

    try:
        address_of(line.values["g"])
    except DebugError as error:
        raise UsageError(str(error)) from None
    options = {
        **words(line),
        "checked": "m" in line,
        "translate": "j" not in line,
        "cpu": _model(line),
        "trace": line.counts.get("s", 0),
        "statistics": "Z" in line,
        "log_path": line.values.get("L", ""),
        "log_stderr": "e" in line,
    }
    try:
        with Session.launch(line.argv, program=line.program, options=options) as session:
            return serve(session, line.values["g"])
    except DebugError as error:
        say(str(error))
        return CANNOT_START


def options(line: CommandLine) -> Options:
    """The kernel's options.  What `-s` and `-Z` write goes to stderr, unless -L says where.

    Raises UsageError.
    """
    from blink.cli.launch import host_is_low
    from blink.kernel.process import Options

    options = Options()
    options.trace = _trace_options(line)
    options.statistics = "Z" in line
    options.checked = "m" in line or host_is_low()
    options.translate = "j" not in line
    if "D" in line:
        options.doctor = _report_difference
    if "L" in line.values:
        options.log_path = encode(line.values["L"])
    options.cpu = _model(line)
    wants_log = options.trace is not None or options.statistics or "B" in line or "D" in line
    options.log_stderr = "e" in line or (wants_log and options.log_path is None)
    return options


def _model(line: CommandLine) -> str:
    """The CPU model that was asked for, or "".  Raises UsageError."""
    model = line.values.get("M", "")
    if model:
        from blink._engine import CPU_MODELS

        if model not in CPU_MODELS:
            raise UsageError(f"there is no CPU model {model}: {', '.join(CPU_MODELS)}")
    return model


def _check_trace(line: CommandLine) -> None:
    """Raises UsageError for options that only logs of system calls have."""
    limit = line.values.get("S", "0")
    if not limit.isdecimal():
        raise UsageError(f"--string-limit takes a number, not {limit}")
    if "W" not in line:
        return
    import blink._engine  # noqa: F401  (the families of calls need it)
    from blink.syscalls._classes import complaint

    if problem := complaint(line.values["W"]):
        raise UsageError(problem)


def _trace_options(line: CommandLine) -> TraceOptions | None:
    """`-c` alone gives the table alone; all other options of the log imply `-s`."""
    implied = any(letter in line for letter in "WJtS")
    if not ("s" in line or "c" in line or implied):
        return None
    from blink.syscalls._trace import TraceOptions

    options = TraceOptions()
    options.level = line.counts.get("s", 1 if implied and "c" not in line else 0)
    options.only = line.values.get("W", "")
    options.limit = int(line.values.get("S", options.limit))
    options.times, options.as_json, options.summary = ("t" in line, "J" in line, "c" in line)
    return options


def _at_end(line: CommandLine) -> Callable[[Process], None] | None:
    if "D" in line:
        return _doctor_summary
    chosen = [function for letter, function in _LAST.items() if letter in line]
    if not chosen:
        return None

    def finish(process: Process) -> None:
        for function in chosen:
            function(process)

    return finish


def _write_perf_map(process: Process) -> None:
    from blink.debugger.perf_map import write

    write(process)


def _show_blocks(process: Process) -> None:
    from blink.debugger.blocks import show

    show(process)


_LAST = {"B": _show_blocks, "P": _write_perf_map}


def _doctor_summary(process: Process) -> None:
    from blink.debugger.doctor import summary

    summary(process)


def _report_difference(task: Task) -> None:
    from blink.debugger.doctor import report

    report(task)


def report_crash(task: Task, fault: Fault) -> None:
    """Describes a fault that kills the program."""
    from blink.debugger.crash import report

    report(task, fault)
