"""Which system calls the tests cover: `python -m syscalls.coverage` writes coverage.txt.

A call is covered when tests that compare with the host make it succeed, make it fail with two
different errors (or as many as it has), and use every flag that its definition names.  What they
make is recorded while blink runs them; that results are the host's is what test_calls.py and
tests/kernel/test_guests.py check.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from errno import EINTR
from pathlib import Path

from blink import _engine  # noqa: F401  before the families
from blink.abi.flags import FlagSet
from blink.syscalls import _table
from blink.syscalls._spec import Arg, Call
from syscalls.guest import HERE, SOURCE, lines
from syscalls.recorder import ROW

TABLE = HERE.parent / "coverage.txt"
KERNEL = HERE.parents[1] / "kernel" / "guests"
FAMILIES = (
    *("files", "descriptors", "metadata", "directories", "polling", "events", "threads"),
    *("sockets", "terminal", "limits", "proc", "ipc", "others", "rules", "more", "mappings"),
)
KERNEL_FAMILIES = ("memory", "signals", "faults", "frames", "processes", "misc", "threads")
FLAGS = ["-std=gnu11", "-static", "-O1", "-w", "-fno-optimize-sibling-calls"]

# How many errors the manual (or Linux's code) has for calls with fewer than two.
ERRORS = {
    **dict.fromkeys(
        "getpid getppid gettid getuid getgid geteuid getegid getpgrp umask sync sched_yield alarm "
        "exit exit_group fork vfork brk rt_sigreturn set_tid_address munlockall setfsuid setfsgid "
        "personality pause".split(),
        0,
    ),
    **dict.fromkeys(
        "close dup fsync fdatasync syncfs fchdir uname sysinfo times time setuid setgid getpgid "
        "getsid setsid setgroups sched_get_priority_max sched_get_priority_min pipe "
        "setreuid setregid setresuid setresgid getresuid getresgid inotify_init epoll_create1 "
        "eventfd memfd_secret mlockall gettimeofday getcpu timer_getoverrun timer_delete "
        "pkey_free set_robust_list rt_sigpending sched_getscheduler epoll_create "
        "rt_sigsuspend dup2 shmdt remap_file_pages close_range".split(),
        1,
    ),
}


WAITS_FOR_SIGNALS = ("pause", "rt_sigsuspend")  # EINTR is all that they return


class Seen:
    """What was recorded of one call."""

    def __init__(self) -> None:
        self.succeeded = False
        self.errors: set[int] = set()
        self.flags: set[str] = set()

    def add(self, call: Call, registers: tuple[int, ...], result: int) -> None:
        if -4096 < result < 0:
            self.errors.add(-result)
        if result >= 0 or result < -4096 or (-result == EINTR and call.name in WAITS_FOR_SIGNALS):
            self.succeeded = True
        for arg, kind in flag_arguments(call, registers):
            self.flags |= names(kind, registers[arg.index])


def flag_arguments(call: Call, registers: tuple[int, ...]) -> Iterator[tuple[Arg, FlagSet]]:
    for arg in call.args:
        if arg.type.flags is not None:
            yield arg, arg.type.flags


def names(flags: FlagSet, value: int) -> set[str]:
    """The names that a word holds."""
    value &= 0xFFFFFFFF
    field = value if flags.mask == -1 else value & flags.mask
    found = {flags.enum[v] for v in flags.enum if v & 0xFFFFFFFF == field} if flags.mask else set()
    return found | {name for name, bits in flags.bits if value & bits == bits}


def every_flag(call: Call) -> set[str]:
    found: set[str] = set()
    for arg in call.args:
        if arg.type.flags is not None:
            found |= set(arg.type.flags.enum.values()) if arg.type.flags.mask else set()
            found |= {name for name, _ in arg.type.flags.bits}
    return found


BY_CHANCE = {"process_mrelease": "success, which comes by chance"}  # the process must be ending


def missing(call: Call, seen: Seen) -> list[str]:
    """What no test does yet with a call."""
    if call.name in BY_CHANCE:
        return [BY_CHANCE[call.name]]
    lacks = [] if seen.succeeded else ["success"]
    wanted = ERRORS.get(call.name, 2)
    if len(seen.errors) < wanted:
        lacks.append(f"{wanted - len(seen.errors)} error" + "s" * (wanted - len(seen.errors) > 1))
    return lacks + sorted(every_flag(call) - seen.flags)


def programs(folder: Path) -> Iterator[Path]:
    """The guests, compiled."""
    for where, family_names in ((HERE, FAMILIES), (KERNEL, KERNEL_FAMILIES)):
        for family in family_names:
            program = folder / f"{where.parent.name}-{family}"
            command = ["gcc", *FLAGS, "-o", str(program), str(where / f"{family}.c"), "-lrt"]
            subprocess.run(command, check=True, timeout=120)
            yield program


def record(program: Path, folder: Path) -> Iterator[tuple[int, ...]]:
    """The calls that a guest makes under blink."""
    path = folder / f"{program.name}.calls"
    code = (
        f"import sys; sys.path[:0] = [{str(SOURCE)!r}, {str(HERE.parents[1])!r}]; "
        f"from syscalls import recorder; recorder.install({str(path)!r}); "
        "from blink.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-I", "-S", "-c", code, "-s", "-L", "/dev/null", str(program)]
    lines(command, folder / f"{program.name}.run")
    return ROW.iter_unpack(path.read_bytes())


def collect(folder: Path) -> dict[str, Seen]:
    calls = {call.number: call for call in _table.every()}
    found = {call.name: Seen() for call in calls.values()}
    for program in programs(folder):
        for number, *registers, result in record(program, folder):
            found[calls[number].name].add(calls[number], tuple(registers), result)
    return found


def table(found: dict[str, Seen]) -> str:
    text = "# Written by `python -m syscalls.coverage`: what no test does yet with each call.\n"
    for call in _table.every():
        if call.level != "none":
            text += f"{call.name}: {', '.join(missing(call, found[call.name])) or 'covered'}\n"
    return text


def covered(text: str) -> set[str]:
    """The names of the calls that a table calls covered."""
    rows: Iterable[str] = text.splitlines()
    return {row.partition(":")[0] for row in rows if row.endswith(": covered")}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        text = table(collect(Path(folder)))
    TABLE.write_text(text)
    print(f"{len(covered(text))} of {text.count(chr(10)) - 1} calls are covered")
    return 0


if __name__ == "__main__":
    sys.exit(main())
