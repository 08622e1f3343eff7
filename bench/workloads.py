"""What is measured, as data.

In a command, @bin is the folder of the compiled programs of bench/programs, @programs that folder
itself, @data the folder of the generated inputs, @n the size, @cc1 the compiler proper of gcc.
@run comes before a program that a script starts: what binfmt_misc would put there for qemu-user,
nothing elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.aims import RATE, SPEEDUP, Aim, at_most

TRANSLATED = ("native", "qemu", "blink")
COUNTED = (*TRANSLATED, "blink -Z")
INTERPRETED = ("native", "qemu", "blink -j", "blink -m")


@dataclass(frozen=True)
class Workload:
    """A command that runs natively and in each engine, and must write the same everywhere."""

    name: str
    title: str  # {n} is the size
    command: tuple[str, ...]
    size: int = 1
    quick: int = 1  # the size under --quick
    data: str = ""  # generated input, by its name in generators.py; @data/NAME-@n
    stdin: bool = False  # the input comes through standard input
    repeat: int = 1  # samples a round: more for short commands
    count: bool = False  # show instructions a second
    aims: tuple[Aim, ...] = ()  # issue 4, "Reach"; issue 2, "Speed and size"
    base: str = ""  # the workload that does the same work on one thread


@dataclass(frozen=True)
class Section:
    """Workloads that one table shows, and the engines that run them."""

    title: str
    about: str
    engines: tuple[str, ...]
    workloads: tuple[Workload, ...]


COUNTING = at_most(1.5, "blink -Z", "blink")  # instructions are counted; issue 4, item 6
STEADY = (at_most(1.1),)
CALLS = (at_most(1.4),)
SCRIPTS = (at_most(1.5),)
JITS = (at_most(2.0),)
SYSCALLS = (at_most(1.5, theirs="qemu"), at_most(1.0, theirs="qemu"))
AS_QEMU = (at_most(1.0, theirs="qemu"),)
TWO_THREADS = (Aim(SPEEDUP, "blink", "threads-1", 1.8),)


def _kernel(name: str, title: str, size: int, aims: tuple[Aim, ...] = ()) -> Workload:
    """A C program of our own that takes its size."""
    command = (f"@bin/{name}", "@n")
    return Workload(name, title, command, size, size // 500 + 10, aims=(*aims, COUNTING))


def _vectors(kernel: str, title: str, size: int, aims: tuple[Aim, ...] = ()) -> Workload:
    command = ("@bin/vectors", kernel, "@n")
    return Workload(kernel, title, command, size, 50, aims=(*aims, COUNTING))


def _python(kernel: str, title: str, size: int) -> Workload:
    command = ("/usr/bin/python3", "-I", "-S", "@programs/loops.py", kernel, "@n")
    return Workload(f"python-{kernel}", title, command, size, 100, aims=SCRIPTS)


def _syscall(name: str, title: str, size: int) -> Workload:
    return Workload(name, title, ("@bin/syscalls", name, "@n"), size, 500, aims=SYSCALLS)


def _threads(count: int, title: str) -> Workload:
    base, aims = ("threads-1", TWO_THREADS) if count > 1 else ("", ())
    command = ("@bin/threads", "@n", str(count))
    return Workload(f"threads-{count}", title, command, 2_000_000, 5_000, aims=aims, base=base)


def _sort(count: int, title: str) -> Workload:
    command = ("sort", f"--parallel={count}", "@data/lines-@n")
    base = "sort" if count > 1 else ""
    name = f"sort-{count}" if count > 1 else "sort"
    return Workload(name, title, command, 1_000_000, 5_000, data="lines", base=base)


def _interpreted(of: Workload, size: int, *aims: Aim) -> Workload:
    """A workload at a size that an interpreter manages."""
    return replace(of, name=f"{of.name}-j", size=size, count=True, repeat=2, aims=aims)


def _vectors_interpreted(kernel: str, title: str) -> Workload:
    return _interpreted(_vectors(kernel, f"{title}, {{n}} rounds", 0), 10_000)


KERNELS = (
    Workload("fib", "fib({n})", ("@bin/fib", "@n"), 42, 20, aims=(*STEADY, COUNTING)),
    _kernel("calls", "{n} calls, three deep", 40_000_000, CALLS),
    _kernel("indirect", "indirect calls and jumps, {n} rounds", 8_000_000, CALLS),
    Workload(
        "sieve",
        "sieve of {n}",
        ("@bin/sieve", "@n", "30"),
        5_000_000,
        50_000,
        aims=(*STEADY, COUNTING),
    ),
    _kernel("nbody", "n-body, SSE2 doubles, {n} steps", 5_000_000, STEADY),
    _kernel("longdouble", "x87: long double, {n} rounds", 2_000_000, AS_QEMU),
    _kernel("copying", "memcpy and strlen, {n} rounds", 3_000),
    _vectors("avx2-integer", "AVX2 kernel, integers, {n} rounds", 700_000, STEADY),
    _vectors("avx2-float", "AVX2 kernel, floats, {n} rounds", 700_000, STEADY),
)
PROGRAMS = (
    Workload(
        "bash", "bash, {n} rounds", ("bash", "@programs/loops.sh", "@n"), 50_000, 100, aims=SCRIPTS
    ),
    _python("calls", "CPython: methods and generators, {n} rounds", 150_000),
    _python("floats", "CPython: floats, {n} rounds", 4_000_000),
    _python("data", "CPython: dict, list, sort; {n} rounds", 300_000),
    _python("text", "CPython: str, re, json; {n} rounds", 16_000),
    Workload(
        "perl", "perl, {n} rounds", ("perl", "@programs/loops.pl", "@n"), 400_000, 500, aims=SCRIPTS
    ),
    Workload(
        "gzip", "gzip -9 of {n} bytes", ("gzip", "-9", "-c", "@data/text-@n"), 12_000_000, 20_000,
        data="text", aims=STEADY,
    ),
    Workload(
        "xz", "xz of {n} bytes", ("xz", "-c", "-T1", "@data/text-@n"), 600_000, 20_000,
        data="text", aims=STEADY,
    ),
    Workload(
        "sqlite", "sqlite3, {n} inserts", ("sqlite3", ":memory:"), 100_000, 200, data="inserts",
        stdin=True, aims=SCRIPTS,
    ),
    _sort(1, "sort of {n} lines"),
    Workload(
        "cc1-large", "cc1 -O2 of {n} functions",
        ("@cc1", "-quiet", "-O2", "@data/functions.c-@n", "-o", "-"), 60, 3, data="functions.c",
    ),
    Workload(
        "git", "git log -p of {n} commits",
        ("git", "-C", "@data/history-@n", "log", "-p", "--stat"), 3_000, 20, data="history",
    ),
    Workload(
        "luajit", "LuaJIT, {n} rounds", ("luajit", "@programs/loops.lua", "@n"), 1_500_000, 2_000,
        aims=JITS,
    ),
    Workload(
        "node", "Node, {n} rounds", ("node", "@programs/loops.js", "@n"), 1_500_000, 500, aims=JITS
    ),
)  # fmt: skip
STARTS = (
    Workload("true", "/bin/true", ("/bin/true",), repeat=10, aims=AS_QEMU),
    Workload(
        "cc1", "cc1 -O2 of hello.c", ("@cc1", "-quiet", "-O2", "@data/hello-@n", "-o", "-"),
        data="hello", repeat=3, aims=(at_most(4.0), at_most(0.2, theirs="qemu")),
    ),
    Workload(
        "processes", "a shell script that starts {n} processes",
        ("sh", "-c", "i=0; while [ $i -lt @n ]; do @run /bin/true; i=$((i + 1)); done; echo $i"),
        200, 3, aims=AS_QEMU,
    ),
)  # fmt: skip
THREADS = (
    _threads(1, "two sorts of {n} words, one thread"),
    _threads(2, "two sorts of {n} words, two threads"),
    _sort(2, "sort --parallel=2 of {n} lines"),
)
CALLS_OF_THE_SYSTEM = (
    _syscall("getppid", "{n} times getppid", 1_000_000),
    _syscall("read", "{n} reads of a byte", 1_000_000),
    _syscall("pipe", "a byte to another process and back, {n} times", 30_000),
)
NAMED = {w.name: w for w in KERNELS}
INTERPRETER = (
    _interpreted(NAMED["fib"], 34, at_most(4.0, "blink -j", "qemu")),
    _interpreted(NAMED["calls"], 2_000_000),
    _interpreted(NAMED["indirect"], 400_000),
    Workload(
        "sieve-j", "sieve of {n}", ("@bin/sieve", "@n", "4"), 2_000_000, 50_000, count=True,
        repeat=2, aims=(at_most(2.0, "blink -j", "qemu"),),
    ),
    Workload(
        "integers", "integer loop, {n} rounds", ("@bin/integers", "@n"), 10_000_000, 10_000,
        count=True, repeat=2, aims=(Aim(RATE, "blink -j", "", 600),),
    ),
    _interpreted(NAMED["nbody"], 200_000),
    _interpreted(NAMED["copying"], 150),
    _vectors_interpreted("sse2-integer", "SSE2 integers"),
    _vectors_interpreted("sse2-float", "SSE2 floats"),
    _vectors_interpreted("ssse3-shuffle", "SSSE3 shuffles"),
    _vectors_interpreted("avx2-integer", "AVX2 integers"),
    _vectors_interpreted("avx2-float", "AVX2 floats"),
)  # fmt: skip

SECTIONS: tuple[Section, ...] = (
    Section("Kernels", "C programs of our own, compiled statically.", COUNTED, KERNELS),
    Section("Programs", "What Debian ships, on generated inputs.", TRANSLATED, PROGRAMS),
    Section("Starts", "Short-lived programs: what a start costs.", TRANSLATED, STARTS),
    Section("System calls", "Loops of one call.", TRANSLATED, CALLS_OF_THE_SYSTEM),
    Section(
        "Two threads", "The speed-up is that over the same work on one thread.", TRANSLATED, THREADS
    ),
    Section(
        "The interpreter", "`blink -j`; smaller sizes, the vector kernels among them.",
        INTERPRETED, INTERPRETER,
    ),
)  # fmt: skip
WORKLOADS: tuple[Workload, ...] = tuple(w for section in SECTIONS for w in section.workloads)
