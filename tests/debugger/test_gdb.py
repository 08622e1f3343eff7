"""`blink -g`, driven by Debian's GDB."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.gdb import registers
from blink.debugger.gdb.packets import Packets, escaped, unescaped
from blink.debugger.gdb.server import Server, address_of
from blink.debugger.gdb.signals import from_gdb, to_gdb
from blink.debugger.session import Session

LONG = 100.0
THREADS = r"""
#include <pthread.h>
#include <stdio.h>
int shared;
static void *work(void *which) {
  for (int i = 0; i < 3; i++) __sync_fetch_and_add(&shared, *(int *)which);
  return 0;
}
int main(void) {
  pthread_t threads[2];
  int which[2] = {1, 100};
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, work, &which[i]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  printf("shared %d\n", shared);
  return 0;
}
"""

Debug = Callable[..., str]


def test_breakpoints_frames_variables_and_the_end(debug: Debug, program: Path) -> None:
    said = debug(
        program,
        *("break fib if n == 2", "continue", "backtrace", "print n", "print $rip == fib"),
        *("up", "print n * 10", "finish", "delete", "tbreak fill", "continue", "info line", "next"),
        *("next", "print total", "print buffer", "ptype main", "continue"),
    )
    for expected in (
        "Breakpoint 1, fib (n=2) at",
        "#4 ",  # fib(6), fib(5), ... main
        "$1 = 2\n",
        "$3 = 30\n",  # in fib(3)
        "Value returned is $4 = 2",
        "Temporary breakpoint 2, fill (value=41) at",
        "$5 = 41\n",
        "type = int (int, char **)",
        "exited with code 05]",
    ):
        assert expected in said, said


@pytest.mark.ci
def test_watchpoints(debug: Debug, program: Path) -> None:
    said = debug(
        program,
        *("break fill", "continue", "watch total", "continue", "continue", "delete"),
        *("rwatch buffer", "awatch quiet", "continue"),
    )
    assert "Hardware watchpoint 2: total\n\nOld value = 0\nNew value = 41\n" in said
    assert "Old value = 41\nNew value = 42\n" in said
    assert "Hardware read watchpoint 3: buffer" in said
    assert said.rstrip().endswith("exited with code 05]"), said


@pytest.mark.ci
def test_what_gdb_asks_about_a_process(debug: Debug, program: Path) -> None:
    said = debug(
        program,
        *("break fill", "continue", "info auxv", "info sharedlibrary", "info proc mappings"),
        *(
            "print $orig_rax",
            "print $fs_base != 0",
            "print $ymm0.v8_int32[7]",
            "info registers mxcsr",
        ),
        *(
            "set var $rdi = 7",
            "print $edi",
            "set var $ymm1.v4_int64[3] = 9",
            "print $ymm1.v4_int64",
        ),
        *(
            "print $st0",
            "set var total = 1234",
            "x/gd &total",
            "p $fctrl",
            "find &total, +16, 1234L",
        ),
        *("info threads", "maint print target-stack"),
    )
    for expected in (
        "AT_EXECFN            File name of executable",
        "libc.so.6",
        "[stack]",
        "$1 = -1\n",
        "$2 = 1\n",
        "$3 = 0\n",
        "[ IM DM ZM OM UM PM ]",
        "$4 = 7\n",
        ", 0, 0, 9}",
        "<total>:\t1234",
        "$7 = 895\n",
        "1 pattern found.",
        f'"{program.name}" (current)',
    ):
        assert expected in said, said


@pytest.mark.ci
def test_steps_over_ranges_and_instructions(debug: Debug, program: Path) -> None:
    said = debug(
        program,
        *("break main", "continue", "next", "stepi", "stepi", "x/i $pc", "break printf"),
        *("continue", "finish", "kill"),
    )
    assert "Breakpoint 2, " in said
    assert "Value returned is $1 = 6" in said
    assert "[Inferior 1 (process" in said, said


@pytest.mark.ci
def test_backwards(debug: Debug, program: Path) -> None:
    said = debug(
        program,
        *("break fill", "continue", "watch total", "continue", "continue", "reverse-continue"),
        *("reverse-continue", "reverse-stepi", "delete", "break fib if n == 6"),
        *("reverse-continue", "reverse-finish", "delete", "reverse-continue", "continue"),
    )
    assert "Old value = 42\nNew value = 41\n" in said, said
    assert "Old value = 41\nNew value = 0\n" in said
    assert "hit Breakpoint 3, fib (n=6)" in said or "Breakpoint 3, fib (n=6)" in said
    assert "No more reverse-execution history." in said
    assert said.rstrip().endswith("exited with code 05]"), said


@pytest.fixture
def recording(program: Path, tmp_path: Path) -> Path:
    """A capsule of the program's run."""
    capsule = tmp_path / "run.cap"
    command = [sys.executable, "-m", "blink", "record", "-o", str(capsule), str(program)]
    assert subprocess.run(command, capture_output=True, timeout=LONG, check=False).returncode == 5
    return capsule


@pytest.mark.ci
def test_a_capsule_goes_both_ways(debug: Debug, program: Path, recording: Path) -> None:
    said = debug(
        program,
        *("break fill", "continue", "print value", "reverse-stepi", "delete", "reverse-continue"),
        *("break fib if n == 2", "continue", "print n"),
        capsule=recording,
    )
    assert "Breakpoint 1, fill (value=41)" in said, said
    assert "No more reverse-execution history." in said
    assert "$2 = 2\n" in said


@pytest.mark.ci
def test_functions_are_called_here_and_now(debug: Debug, program: Path) -> None:
    """What a function does to a live program stays; texts among its arguments are made there."""
    said = debug(
        program,
        *("break fill", "continue", "print fib(7)", "print fib(8)", 'print length("four")'),
        *("print quiet", "set var quiet = 100", "print quiet", "print $_siginfo.si_signo"),
        "continue",
    )
    assert "$1 = 13\n$2 = 21\n$3 = 11\n$4 = 11\n$5 = 100\n$6 = 5\n" in said, said
    assert said.rstrip().endswith("exited with code 05]")


@pytest.mark.ci
def test_the_past_is_changed_on_a_branch(debug: Debug, program: Path, recording: Path) -> None:
    """A function that is called leaves no trace; `set var` is for what follows, until somebody goes
    back over it."""
    said = debug(
        program,
        *("break fill", "continue", "print fib(7)", 'print length("four")', "print quiet"),
        *("set var quiet = 100", "next", "print quiet", 'print length("x")', "print quiet"),
        *("monitor time", "reverse-continue", "print quiet", "reverse-continue", "tbreak main"),
        *("continue", "print quiet", "set var $rip = 0", "continue", "monitor leave"),
        *("monitor mark", "monitor goto 1x", "monitor mark here", "monitor goto here"),
        capsule=recording,
    )
    assert "$1 = 13\n$2 = 11\n$3 = 7\n" in said, said
    assert "$4 = 100\n$5 = 101\n$6 = 100\n" in said
    assert "of a branch, which goes from" in said
    assert said.count("No more reverse-execution history.") == 2
    assert "$7 = 100\n" in said
    assert "blink: the branch ends: this is the recording again\n" in said
    assert "$8 = 7\n" in said
    assert "Program received signal SIGSEGV" in said
    assert "back in the recording, at " in said
    assert "a mark has a name\n1x is no time, and no mark\nhere is " in said


@pytest.mark.ci
def test_it_is_started_again(debug: Debug, program: Path) -> None:
    said = debug(
        program,
        *("tbreak fill", "continue", "run", "info threads", "set args crash", "run", "continue"),
        *("set args length", "tbreak length", "run", "print *text@6", "delete", "continue"),
        *("info threads", "kill", "run"),
        target="extended-remote",
    )
    assert "exited with code 05]" in said, said
    assert "No threads." in said
    assert "Program received signal SIGSEGV" in said
    assert '$1 = "length"' in said
    assert said.count("exited with code 015]") == 2


@pytest.mark.ci
def test_core_files(
    debug: Debug, program: Path, tmp_path: Path, need: Callable[[str], str]
) -> None:
    core = tmp_path / "core"
    said = debug(program, "break fib if n == 2", "continue", f"generate-core-file {core}")
    assert f"Saved corefile {core}" in said, said
    assert "Memory read failed" not in said
    words = [need("gdb"), "-nx", "-batch", "-ex", "print n", "-ex", "up", "-ex", "print n"]
    done = subprocess.run(
        [*words, str(program), str(core)], capture_output=True, text=True, timeout=LONG, check=False
    )
    assert "$1 = 2\n" in done.stdout, done.stdout + done.stderr
    assert "$2 = 3\n" in done.stdout


@pytest.mark.ci
def test_signals_and_a_crash(debug: Debug, program: Path) -> None:
    said = debug(program, "continue", "backtrace", "continue", arguments=("crash",))
    assert "Program received signal SIGSEGV, Segmentation fault." in said
    assert "#0 " in said
    assert "in crash () at" in said.replace("#0  crash ()", "#0  in crash ()")
    assert "Program terminated with signal SIGSEGV" in said
    said = debug(
        program,
        *("handle SIGUSR1 stop print", "continue", "backtrace 1", "continue"),
        arguments=("signal",),
    )
    assert "Program received signal SIGUSR1" in said
    assert "#0  on_usr1 (" in said
    assert "exited with code 05]" in said


@pytest.mark.ci
def test_system_calls_and_exec_are_caught(debug: Debug, program: Path) -> None:
    said = debug(program, "catch exec", "continue", "continue", arguments=("exec",))
    assert "is executing new program: /bin/true" in said, said
    assert "exited normally" in said
    said = debug(program, "catch syscall write", "continue", "backtrace 1", "detach")
    assert "returned from syscall write" in said
    assert "detached]" in said


@pytest.mark.ci
def test_threads(debug: Debug, tmp_path: Path, need: Callable[[str], str]) -> None:
    source, program = tmp_path / "threads.c", tmp_path / "threads"
    source.write_text(THREADS)
    subprocess.run([need("gcc"), "-g", "-pthread", "-o", program, source], check=True, timeout=60)
    said = debug(
        program,
        *("break work", "continue", "info threads", "thread apply all backtrace 1"),
        *("set scheduler-locking on", "next", "next", "print shared", "set scheduler-locking off"),
        *("continue", "print *(int *)which", "delete", "continue"),
    )
    assert said.count("hit Breakpoint 1, work") == 2, said
    assert "$1 = 3\n" in said
    assert "$2 = 100\n" in said
    assert "exited normally" in said


def test_a_running_program_is_interrupted(
    blink: Callable[..., tuple[subprocess.Popen[str], int]], program: Path
) -> None:
    """By the byte 03, as GDB sends it for ctrl-C; and the server goes on without GDB."""
    process, port = blink(program, "spin")
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
            packets = Packets(connection)
            packets.send(b"vCont;c")
            connection.sendall(b"\x03")
            assert packets.receive().startswith(b"T02")
            packets.send(b"g")
            assert len(packets.receive()) == 2 * sum(r.size for r in registers.ALL)
            packets.send(b"unheard.of")
            assert packets.receive() == b""
            packets.send(b"p999")
            assert packets.receive() == b"E16"
            packets.send(b"m8,8")
            assert packets.receive() == b"E0e"
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
        Packets(connection).send(b"k")
        assert process.wait(LONG) == 0


def test_many_steps_back_in_a_row(start: Callable[..., Session]) -> None:
    """They are answered from notes, and say what there was; ctrl-C between two is not lost."""
    session = start()
    session.add_breakpoint("fill")
    session.cont()
    session.wait(LONG)
    then, rsp = session.time, session.registers()["rsp"]
    ours, theirs = socket.socketpair()
    server = Server(session, theirs)
    line = b"m%x,40" % (rsp & -64)
    found = []
    for _ in range(300):
        stop = server.reply(b"bs")
        words = dict(word.split(b":") for word in stop[3:-1].split(b";"))
        found.append((words[b"10"], words[b"7"], server.reply(line)))
    assert session.time < then - 300, "it has gone far"
    there = server.reply(b"g")
    assert session.time == then - 300
    assert there == registers.encode(session.registers())
    for back in (0, 17, 100, 299):
        session.goto(then - 1 - back)
        session.wait(LONG)
        values = session.registers()
        rip, stack = (values[name].to_bytes(8, "little").hex().encode() for name in ("rip", "rsp"))
        assert found[back] == (rip, stack, session.read(rsp & -64, 64).hex().encode())
    ours.close()


def test_ctrl_c_between_two_steps_back_is_not_lost(
    blink: Callable[..., tuple[subprocess.Popen[str], int]], program: Path
) -> None:
    _, port = blink(program)
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
        packets = Packets(connection)
        packets.send(b"QCatchSyscalls:1;1")  # write(2)
        packets.receive()
        packets.send(b"vCont;c")
        assert packets.receive().startswith(b"T05syscall_return")
        for _ in range(30):
            packets.send(b"bs")
            last = packets.receive()
        connection.sendall(b"\x03")
        packets.send(b"m%x,8" % 0x1FFFFFFF0000)
        packets.receive()
        packets.send(b"bs")
        assert packets.receive() == last.replace(b"T05", b"T02")
        packets.send(b"bs")
        assert packets.receive().startswith(b"T05")


def test_packets() -> None:
    assert escaped(b"a#b}c*d$") == b"a}\x03b}]c}\nd}\x04"
    assert unescaped(escaped(bytes(range(256)))) == bytes(range(256))
    here, there = socket.socketpair()
    packets = Packets(here)
    there.sendall(b"+$m1,2#00$m1,2#fc\x03$g#67")
    assert packets.receive() == b"m1,2"
    assert packets.receive() == b"\x03"
    assert packets.receive() == b"g"
    assert there.recv(100) == b"-++"
    packets.send(b"OK")
    assert there.recv(100) == b"$OK#9a"


def test_signal_numbers_go_both_ways() -> None:
    assert [to_gdb(n) for n in (11, 10, 7, 17, 34, 64)] == [11, 30, 10, 20, 46, 78]
    assert all(from_gdb(to_gdb(n)) == n for n in range(1, 65))


def test_where_it_listens() -> None:
    assert address_of("1234") == ("127.0.0.1", 1234)
    assert address_of("[::1]:5") == ("::1", 5)
    assert address_of("0.0.0.0:1") == ("0.0.0.0", 1)
    with pytest.raises(Exception, match="neither PORT nor HOST:PORT"):
        address_of("no")
