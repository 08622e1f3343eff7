"""Sessions: a program in a process of its own, driven from Python."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.errors import DebugError
from blink.debugger.motion import TRAIL
from blink.debugger.session import Session
from blink.debugger.stop import Stop

LONG = 60.0  # seconds that a motion may take on a loaded machine
Start = Callable[..., Session]


def go(session: Session) -> Stop:
    session.cont()
    return session.wait(LONG)


def to(session: Session, where: str) -> Stop:
    session.add_breakpoint(where, temporary=True)
    stop = go(session)
    assert stop.reason == "breakpoint", stop
    return stop


def test_from_launch_to_exit(start: Start, program: Path) -> None:
    session = start()
    assert session.time == 0
    assert session.symbols.at(session.registers()["rip"]).object.endswith("ld-linux-x86-64.so.2")
    stop = to(session, "main")
    assert session.symbols.find("main") == [stop.rip]
    assert session.registers()["rdi"] == 1
    assert f"{program.name}.c:" in stop.text
    assert session.breakpoints() == []
    assert go(session).text == "the program has ended with status 5"
    assert session.exit_status == 5
    with pytest.raises(DebugError, match="has ended"):
        session.cont()


@pytest.mark.ci
def test_steps_count_instructions(start: Start) -> None:
    session = start()
    session.step()
    assert session.wait(LONG).reason == "step"
    session.step(1000)
    assert (session.wait(LONG).time, session.time) == (1001, 1001)


@pytest.mark.ci
def test_the_way_to_a_time_is_told(start: Start) -> None:
    session = start()
    session.advance(1000, trail=3)
    stop = session.wait(LONG)
    assert (stop.reason, stop.time, len(stop.details["trail"])) == ("step", 1000, 3)
    session.goto(997)
    session.wait(LONG)
    for row in stop.details["trail"]:
        registers = session.registers()
        assert row == [registers[name] for name in TRAIL]
        session.step()
        session.wait(LONG)
    assert session.registers()["rip"] == stop.rip
    to(session, "fib")
    session.add_breakpoint("fib")
    session.advance(10**7, trail=5)  # it is not gone through when something stops before
    assert session.wait(LONG).reason == "breakpoint"


def test_next_and_finish_pass_over_recursion(start: Start) -> None:
    session = start()
    to(session, "fib")
    for _ in range(2):  # into fib(5), then out of it: inner calls return to the same place
        session.add_breakpoint("fib", "edi == 5", temporary=True)
        if session.registers()["rdi"] != 5:
            go(session)
        cfa, caller = session.backtrace()[0].cfa, session.backtrace()[1]
        session.finish()
        stop = session.wait(LONG)
        assert (stop.reason, stop.rip) == ("step", caller.pc)
        assert session.registers()["rsp"] == cfa
        assert session.registers()["rax"] == 5  # fib(5)
        break
    before = session.backtrace()[0].cfa
    called = 0
    for _ in range(40):
        code = session.disassemble(session.registers()["rip"], 1)[0]
        session.next()
        session.wait(LONG)
        if "call" in code[2]:
            called += 1
            assert session.stop is not None and session.stop.rip == code[0] + len(code[1])
            assert session.registers()["rax"] == 3  # fib(4)
        if called or session.backtrace()[0].cfa != before:
            break
    assert called == 1


def test_conditions_ignore_counts_and_hits(start: Start) -> None:
    session = start()
    to(session, "main")
    point = session.add_breakpoint("fib", "edi == 1", ignore=2)
    go(session)
    assert session.registers()["rdi"] == 1
    assert point.hits == 3
    session.enable(point.number, False)
    assert go(session).reason == "exit"
    with pytest.raises(DebugError, match="no expression"):
        session.add_breakpoint("fib", "edi ===")


def test_a_breakpoint_on_a_source_line(start: Start) -> None:
    session = start()
    line = 1 + next(
        i for i, text in enumerate(_source_lines(session)) if "total = value + 1" in text
    )
    stop = to(session, f"debugged.c:{line}")
    assert f"debugged.c:{line}" in stop.text
    (total,) = session.symbols.find("total")
    assert int.from_bytes(session.read(total, 8), "little") == 41


def _source_lines(session: Session) -> list[str]:
    (main,) = session.symbols.find("main")
    place = session.symbols.at(main)
    assert place.line is not None
    return Path(place.line.file).read_text().splitlines()


@pytest.mark.ci
def test_absent_symbols_suggest_near_ones(start: Start) -> None:
    session = start()
    with pytest.raises(DebugError, match="no symbol is called fibb; near: fib"):
        session.add_breakpoint("fibb")
    with pytest.raises(DebugError, match="no code is known for line 3 of nowhere"):
        session.add_breakpoint("nowhere.c:3")


def test_a_breakpoint_waits_for_its_library(start: Start) -> None:
    session = start()
    with pytest.raises(DebugError, match="no symbol is called printf"):
        session.add_breakpoint("printf")
    point = session.add_breakpoint("printf", pending=True)
    assert point.pending
    stop = go(session)
    assert (stop.reason, stop.numbers) == ("breakpoint", [point.number])
    assert session.symbols.at(stop.rip or 0).object.endswith("libc.so.6")


@pytest.mark.parametrize(("kind", "times"), [("w", 3), ("rw", 3), ("change", 2), ("r", 0)])
def test_watchpoints_are_exact(start: Start, kind: str, times: int) -> None:
    session = start()
    to(session, "fill")
    (total,) = session.symbols.find("total")
    point = session.add_watchpoint(total + 4, 1, kind)
    session.add_watchpoint(total - 1, 1, "rw")  # beside it: no false hits
    session.add_watchpoint(total + 8, 1, "rw")
    stops = []
    while (stop := go(session)).reason == "watchpoint":
        stops.append(stop)
        assert stop.numbers == [point.number]
    if kind == "change":
        times = 0  # the upper half never changes
    assert len(stops) == times
    assert stop.reason == "exit"


def test_a_changed_value_is_told(start: Start) -> None:
    session = start()
    to(session, "fill")
    (total,) = session.symbols.find("total")
    session.add_watchpoint(total, 8, "change")
    assert "0x0 -> 0x29" in go(session).text
    assert "0x29 -> 0x2a" in go(session).text
    assert int.from_bytes(session.read(total, 8), "little") == 42
    assert go(session).reason == "exit"


def test_registers_and_memory_are_written(start: Start) -> None:
    session = start()
    to(session, "fill")
    session.set_register("rdi", 100)
    session.set_register("ymm3", 1 << 200 | 7)
    session.set_register("st0", 0x3FFF_8000_0000_0000_0000)
    values = session.registers()
    assert (values["rdi"], values["ymm3"]) == (100, 1 << 200 | 7)
    assert values["st0"] == 0x3FFF_8000_0000_0000_0000
    with pytest.raises(DebugError, match="no register is called rzx"):
        session.set_register("rzx", 1)
    (code,) = session.symbols.find("fib")
    session.write(code, b"\xcc")  # read-only for the program
    assert session.read(code, 1) == b"\xcc"
    with pytest.raises(DebugError, match="not all mapped"):
        session.write(8, b"12345678")
    assert session.read(8, 8) == b""
    stack = session.registers()["rsp"]
    end = next(m.end for m in session.maps() if m.start <= stack < m.end)
    assert len(session.read(end - 16, 64)) == 16
    session.write(stack - 4096, b"a needle in a stack")
    assert stack - 4096 + 2 in session.search(b"needle in", stack - 8192, stack)


def test_events_are_caught(start: Start) -> None:
    session = start("signal")
    caught = session.catch("signal")
    stop = go(session)
    assert (stop.reason, stop.numbers) == ("signal", [caught.number])
    assert "SIGUSR1" in stop.text
    assert session.symbols.at(stop.rip or 0).name == "on_usr1"
    session.remove(caught.number)
    session.catch("syscall", ["write"])
    stop = go(session)
    assert stop.details["number"] == 1
    assert stop.details["result"] == len("sum 8\n")


def test_a_crash_is_a_stop(start: Start) -> None:
    session = start("crash")
    stop = go(session)
    assert (stop.reason, session.exit_status) == ("killed", -signal.SIGSEGV)
    assert stop.text == "the program was killed by SIGSEGV (SEGV_MAPERR, 0x8)"
    assert session.symbols.at(session.registers()["rip"]).name == "crash"


@pytest.mark.ci
def test_exec_changes_the_symbols(start: Start) -> None:
    session = start("exec")
    to(session, "main")
    session.catch("exec")
    stop = go(session)
    assert stop.reason == "exec"
    assert session.symbols.find("fib") == []
    assert go(session).text == "the program has ended with status 0"


@pytest.mark.ci
def test_one_process_is_followed_at_a_fork(start: Start) -> None:
    session = start("fork")
    session.catch("fork")
    stop = go(session)
    assert stop.reason == "fork"
    assert stop.details["number"] not in (0, session.pid)
    assert go(session).text == "the program has ended with status 3"


def test_a_running_program_is_looked_at_and_stopped(start: Start) -> None:
    session = start("spin")
    stopped: list[Stop] = []
    told = threading.Event()
    session.on_stop = lambda stop: (stopped.append(stop), told.set())  # type: ignore[func-returns-value]
    to(session, "spin")
    told.clear()
    session.cont()
    with pytest.raises(TimeoutError):
        session.wait(0.05)
    assert session.running
    (quiet,) = session.symbols.find("quiet")
    first = int.from_bytes(session.read(quiet, 8), "little")
    while int.from_bytes(session.read(quiet, 8), "little") == first:
        pass
    with pytest.raises(DebugError, match="is running"):
        session.step()
    session.interrupt()
    stop = session.wait(LONG)
    assert stop.reason == "interrupt"
    assert told.wait(LONG)
    assert stopped[-1] == stop


def test_a_breakpoint_is_added_while_the_program_runs(start: Start) -> None:
    session = start("spin")
    to(session, "spin")
    session.cont()
    (spin,) = session.symbols.find("spin")
    loop = next(a for a, _, text in session.disassemble(spin, 12) if text.startswith("mov rax"))
    point = session.add_breakpoint(loop)
    assert session.wait(LONG).numbers == [point.number]


@pytest.mark.ci
def test_a_blocked_program_is_interrupted(start: Start) -> None:
    reader, writer = os.pipe()
    session = start("read", stdio=(reader, 1, 2))
    to(session, "main")
    session.cont()
    with pytest.raises(TimeoutError):
        session.wait(0.3)
    session.interrupt()
    assert session.wait(LONG).reason == "interrupt"
    os.write(writer, b"abcd")
    assert go(session).text == "the program has ended with status 4"
    os.close(reader)
    os.close(writer)


def test_a_target_that_dies_is_a_stop(start: Start) -> None:
    session = start("spin")
    session.cont()
    os.kill(session.pid, signal.SIGKILL)
    stop = session.wait(LONG)
    assert stop.reason == "gone"
    assert stop.text == "the process of the program was killed by SIGKILL"
    with pytest.raises(DebugError):
        session.registers()


@pytest.mark.ci
def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(DebugError, match="nowhere"):
        Session.launch(["/nowhere"])
    text = tmp_path / "text"
    text.write_text("nothing to run")
    text.chmod(0o755)
    with pytest.raises(DebugError, match="text"):
        Session.launch([str(text)])


@pytest.mark.ci
def test_the_program_starts_again(start: Start) -> None:
    session = start()
    point = session.add_breakpoint("fill")
    go(session)
    session.restart()
    assert (session.time, session.exit_status) == (0, None)
    assert go(session).numbers == [point.number]


def test_the_guest_sees_nothing_of_us(program: Path) -> None:
    """Descriptors, and the process group."""
    reader, writer = os.pipe()
    with Session.launch(["/bin/ls", "/proc/self/fd"], stdio=(0, writer, 2)) as session:
        os.close(writer)
        assert go(session).reason == "exit"
        assert os.read(reader, 100).split() == [b"0", b"1", b"2", b"3"]
    os.close(reader)


@pytest.mark.ci
def test_a_terminal_becomes_the_controlling_one() -> None:
    main, side = os.openpty()
    with Session.launch(["/bin/sh", "-c", "tty; stty size </dev/tty"], stdio=side) as session:
        name = os.ttyname(side)
        os.close(side)
        assert go(session).reason == "exit"
        said = b""
        while said.count(b"\n") < 2:
            said += os.read(main, 200)
        assert said.decode().split() == [name, "0", "0"]
    os.close(main)


def test_calls_are_noted_with_their_times() -> None:
    """Of a program that is recorded; they stay known when one goes back."""
    with Session.launch(["/bin/cat", "/etc/hostname"], options={"calls": True}) as session:
        assert session.calls() == []
        session.cont()
        session.wait(LONG)
        calls = session.calls(count=1000)
        names = [call.text.partition("(")[0] for call in calls]
        assert names[0] == "brk" and {"openat", "read", "close", "exit_group"} <= set(names)
        assert [call.time for call in calls] == sorted(call.time for call in calls)
        opened = next(call for call in calls if "/etc/hostname" in call.text)
        session.goto(opened.time)
        session.wait(LONG)
        assert session.registers()["rax"] == int(opened.text.rpartition(" = ")[2])
        assert session.calls(count=1000) == calls
        assert session.calls(first=1, count=2) == calls[1:3]
