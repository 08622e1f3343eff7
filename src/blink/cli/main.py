"""The `blink` command: parse, then run a program as this process."""

from __future__ import annotations

import posix
import sys

from blink import __version__
from blink.abi.encoding import decode, encode
from blink.cli.options import ROOTED, CommandLine, UsageError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.cli.roots import Run
    from blink.kernel.faults import Fault
    from blink.kernel.process import Options, Process
    from blink.kernel.task import Task
    from blink.syscalls._trace import TraceOptions

USAGE_ERROR = 48
TOOLS = {
    "profile": "blink.cli.profile:main",
    "record": "blink.cli.record:main",
    "replay": "blink.cli.replay:main",
    "sql": "blink.cli.trace:sql",
    "trace": "blink.cli.trace:main",
}
CANNOT_START = 125
TARGET = "--debug-target="  # how a session starts the process of its guest


def main(argv: list[str] | None = None, before_run: Callable[[], None] | None = None) -> int:
    """Runs a command line (without the command's name).

    `before_run` is called when a program is about to be run.  Returns an exit status when none was
    run, else leaves with the program's own end.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:2] == ["isa", "coverage"]:
        from blink.cli.isa import main as isa_coverage

        return isa_coverage(words[2:])
    if words and words[0] in TOOLS:
        return _tool(words)
    if words and words[0].startswith(TARGET):
        return _debug_target(int(words[0][len(TARGET) :]))
    try:
        line = parse(words)
    except UsageError as error:
        return refuse(str(error))
    if "h" in line:
        from blink.cli.usage import HELP

        return show(HELP)
    if "v" in line:
        return show(f"blink {__version__}\n")
    if "M" in line.values and (answer := _choose_cpu(line.values["M"])) is not None:
        return answer
    if "F" in line:
        from blink.cli.binfmt import registration

        return show(registration())
    if line.program is None and "I" not in line.values:
        return refuse("no program was named")
    if "D" in line and ("j" in line or "m" in line):
        return refuse("--doctor needs the translator: not with -j or -m")
    if "g" in line.values and ("D" in line or "B" in line):
        return refuse("--gdb goes with neither --doctor nor --show-blocks")
    if problem := _trace_problem(line):
        return refuse(problem)
    if before_run is not None:
        before_run()
    if "g" in line.values:
        return _serve_gdb(line)
    return run_rooted(line, _run)


def _tool(words: list[str]) -> int:
    """A subcommand: a function of a module of its own."""
    module, function = TOOLS[words[0]].split(":")
    __import__(module)
    status: int = getattr(sys.modules[module], function)(words[1:])
    return status


def _debug_target(fd: int) -> int:
    from blink.cli.launch import host_is_low, inherited_signals
    from blink.debugger.target import main

    return main(fd, inherited_signals(), host_is_low())


def run_rooted(line: CommandLine, run: Run) -> int:
    """Runs a program, with the root that the command line asks for, if any; an exit status."""
    if not (b"BLINK_OVERLAYS" in posix.environ or any(x in line.values for x in ROOTED)):
        return run(line, line.program, options(line), None)
    from blink.cli.roots import RootError, prepare

    try:
        return prepare(line, options(line), run)
    except UsageError as error:
        return refuse(str(error))
    except RootError as error:
        say(str(error))
        return CANNOT_START


def _choose_cpu(model: str) -> int | None:
    """An exit status when there is no such model, or when the models were asked for."""
    from blink._engine import CPU_MODELS

    if model == "help":
        from blink.cli.usage import models

        return show(models())
    if model not in CPU_MODELS:
        return refuse(f"there is no CPU model {model}: {', '.join(CPU_MODELS)}")
    return None


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
        return refuse("no program was named")
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
        roots = words(line)
    except (UsageError, DebugError) as error:
        return refuse(str(error))
    options = {
        **roots,
        "checked": "m" in line,
        "translate": "j" not in line,
        "cpu": line.values.get("M", ""),
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
    """The kernel's options.  What `-s` and `-Z` write goes to stderr, unless -L says where."""
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
    options.cpu = line.values.get("M", "")
    wants_log = options.trace is not None or options.statistics or "B" in line or "D" in line
    options.log_stderr = "e" in line or (wants_log and options.log_path is None)
    return options


def _trace_problem(line: CommandLine) -> str | None:
    """What is wrong with the options that only logs of system calls have."""
    limit = line.values.get("S", "0")
    if not limit.isdecimal():
        return f"--string-limit takes a number, not {limit}"
    if "W" not in line.values:
        return None
    import blink._engine  # noqa: F401  (the families of calls need it)
    from blink.syscalls._classes import complaint

    return complaint(line.values["W"])


def _trace_options(line: CommandLine) -> TraceOptions | None:
    """`-c` alone gives the table alone; all other options of the log imply `-s`."""
    implied = any(letter in line or letter in line.values for letter in "WJtS")
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
