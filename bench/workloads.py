"""What is measured, as data.

In a command, @bin is the folder of the compiled programs of bench/programs, @data the folder of the
generated inputs, @n the size, @cc1 the compiler proper of gcc.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """A command that runs natively and in each engine, and must write the same everywhere."""

    name: str
    title: str
    command: tuple[str, ...]
    size: int = 1
    quick: int = 1  # the size under --quick
    data: str = ""  # generated input, by its name in inputs.py; a file @data/NAME-@n
    stdin: bool = False  # the input comes through standard input
    repeat: int = 1  # samples a round: more for short commands
    execs: bool = False  # starts programs; qemu-user without binfmt_misc would run them natively
    count: bool = False  # show instructions a second
    aim: str = ""  # issue 2, "Speed and size"


_BASH_LOOP = "for ((i = s = 0; i < @n; i++)); do ((s += i * 3 % 7)); done; echo $s"
_PYTHON_LOOP = """
total, seen = 0, {}
for i in range(@n):
    total += i * i % 7
    seen[i % 97] = seen.get(i % 97, 0) + total
print(total, sum(seen.values()))
"""
_PROCESSES = "i=0; while [ $i -lt @n ]; do /bin/true; i=$((i + 1)); done; echo $i"

WORKLOADS: tuple[Workload, ...] = (
    Workload("fib", "fib(36)", ("@bin/fib", "@n"), 36, 20, count=True, aim="4 times qemu-user"),
    Workload(
        "sieve", "sieve of 5 million", ("@bin/sieve", "@n", "4"), 5_000_000, 50_000, count=True,
        aim="2 times qemu-user",
    ),
    Workload("calls", "calls, three deep", ("@bin/calls", "@n"), 10_000_000, 10_000, count=True),
    Workload(
        "indirect", "indirect jumps and calls", ("@bin/indirect", "@n"), 2_000_000, 2_000,
        count=True,
    ),
    Workload("nbody", "n-body, SSE2 doubles", ("@bin/nbody", "@n"), 500_000, 1_000, count=True),
    Workload("copying", "memcpy and strlen", ("@bin/copying", "@n"), 400, 2, count=True),
    Workload(
        "integers", "integer loop", ("@bin/integers", "@n"), 30_000_000, 10_000, count=True,
        aim="600 million instructions a second",
    ),
    Workload("getppid", "200,000 times getppid", ("@bin/syscalls", "getppid", "@n"), 200_000, 500),
    Workload("read", "200,000 reads of a byte", ("@bin/syscalls", "read", "@n"), 200_000, 500),
    Workload("bash", "bash arithmetic loop", ("bash", "-c", _BASH_LOOP), 100_000, 100),
    Workload(
        "python", "python3 loop",
        ("/usr/bin/python3", "-I", "-S", "-c", _PYTHON_LOOP), 300_000, 100,
    ),
    Workload(
        "gzip", "gzip -9 of 4 MB", ("gzip", "-9", "-c", "@data/text-@n"), 4_000_000, 20_000,
        data="text",
    ),
    Workload(
        "sort", "sort of 200,000 lines", ("sort", "--parallel=1", "@data/lines-@n"), 200_000, 500,
        data="lines",
    ),
    Workload(
        "sqlite", "sqlite3, 20,000 inserts", ("sqlite3", ":memory:"), 20_000, 50, data="inserts",
        stdin=True,
    ),
    Workload(
        "cc1", "cc1 -O2 hello.i", ("@cc1", "-quiet", "-O2", "@data/hello-@n", "-o", "-"),
        data="hello", repeat=3,
    ),
    Workload("true", "/bin/true", ("/bin/true",), repeat=10, aim="qemu-user's time"),
    Workload(
        "processes", "a script that starts 50 processes", ("sh", "-c", _PROCESSES), 50, 2,
        execs=True,
    ),
)  # fmt: skip
