"""Backwards: steps, calls, breakpoints and watchpoints, and who wrote a byte last."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.errors import DebugError
from blink.debugger.session import Session
from blink.debugger.stop import Stop
from debugger.driving import LONG, go

Start = Callable[..., Session]


def to(session: Session, where: str) -> Stop:
    session.add_breakpoint(where, temporary=True)
    return go(session, "cont")


def test_steps_back_and_forth_lead_to_the_same_state(start: Start) -> None:
    session = start()
    to(session, "fill")
    now, state = session.time, session.digest()
    seen = {now: session.registers()}
    for _ in range(20):
        stop = go(session, "reverse_step")
        assert (stop.reason, stop.time) == ("step", session.time)
        seen[session.time] = session.registers()
    assert min(seen) == now - 20
    assert session.end == now
    assert not session.live
    for _ in range(20):
        go(session, "step")
        assert session.registers() == seen[session.time]
    assert (session.time, session.digest(), session.live) == (now, state, True)
    assert go(session, "cont").text == "the program has ended with status 5"


def test_the_whole_run_backwards_from_its_end(start: Start) -> None:
    session = start()
    first = session.digest()
    end = go(session, "cont")
    assert (end.reason, session.exit_status) == ("exit", 5)
    session.add_breakpoint("fill")
    point = session.add_breakpoint("fib", "edi == 6")
    stop = go(session, "reverse_cont")
    assert (stop.reason, session.symbols.at(stop.rip or 0).name) == ("breakpoint", "fill")
    assert session.exit_status is None
    stop = go(session, "reverse_cont")
    assert stop.numbers == [point.number]
    assert session.registers()["rdi"] == 6
    stop = go(session, "reverse_cont")
    assert (stop.reason, session.time) == ("start", 0)
    assert session.digest() == first
    assert go(session, "cont").numbers == [point.number]
    go(session, "cont")
    stop = go(session, "cont")
    assert (stop.reason, stop.time, session.exit_status) == ("exit", end.time, 5)


def test_out_of_functions_and_over_calls_backwards(start: Start) -> None:
    session = start()
    to(session, "fib")
    call = go(session, "reverse_step").rip
    go(session, "step")
    session.add_breakpoint("fib", "edi == 2", temporary=True)
    go(session, "cont")
    for _ in range(5):  # from fib(2) to fib(6), then to main
        go(session, "reverse_finish")
    assert session.stop is not None and session.stop.rip == call
    before = session.time
    go(session, "next")
    assert session.registers()["rax"] == 8  # fib(6)
    go(session, "reverse_next")
    assert session.time == before


def test_a_breakpoint_where_the_program_stands_is_met_from_the_past(start: Start) -> None:
    session = start()
    to(session, "fill")
    now = session.time
    go(session, "reverse_step", 10)
    point = session.add_breakpoint("fill")
    stop = go(session, "cont")
    assert (stop.numbers, stop.time) == ([point.number], now)
    assert go(session, "cont").reason == "exit"


@pytest.mark.ci
def test_who_wrote_it_last(start: Start) -> None:
    session = start()
    to(session, "printf") if session.symbols.find("printf") else to(session, "main")
    session.add_breakpoint("printf", pending=True)
    go(session, "cont")
    (total,) = session.symbols.find("total")
    assert int.from_bytes(session.read(total, 8), "little") == 42
    for value in (41, 41, 0):
        stop = go(session, "last_write", total, 8)
        assert stop.reason == "watchpoint"
        assert session.symbols.at(stop.rip or 0).name == "fill"
        assert int.from_bytes(session.read(total, 8), "little") == value
    now = session.time
    stop = go(session, "last_write", total, 8)
    assert (stop.reason, stop.time, session.time) == ("error", now, now)
    assert stop.text == f"nobody has written to 8 bytes at {total:#x} since the start"
    assert "nothing is mapped there" in go(session, "last_write", 0x20, 1).text
    session.add_watchpoint(total, 8, "change")
    assert "0x0 -> 0x29" in go(session, "cont").text
    assert "0x29 -> 0x2a" in go(session, "cont").text
    stop = go(session, "reverse_cont")
    assert "0x29 -> 0x2a" in stop.text
    assert int.from_bytes(session.read(total, 8), "little") == 41


def test_the_last_of_many_writes(start: Start) -> None:
    """Each write before it is met on the way; a reply once carried all of them in one another."""
    session = start("spin")
    to(session, "spin")
    go(session, "step", 30_000)
    (quiet,) = session.symbols.find("quiet")
    value = int.from_bytes(session.read(quiet, 8), "little")
    assert value > 5_000
    assert go(session, "last_write", quiet, 8).reason == "watchpoint"
    assert int.from_bytes(session.read(quiet, 8), "little") == value - 1


@pytest.mark.ci
def test_a_crash_is_followed_back(start: Start) -> None:
    session = start("crash")
    stop = go(session, "cont")
    assert (stop.reason, session.exit_status) == ("killed", -11)
    session.add_breakpoint("main")
    assert session.symbols.at(go(session, "reverse_cont").rip or 0).name == "main"
    assert go(session, "cont").reason == "killed"


@pytest.mark.ci
def test_times_and_marks(start: Start) -> None:
    session = start()
    session.mark("start")
    to(session, "main")
    session.mark("main")
    state = session.digest()
    go(session, "goto", session.marks()["start"])
    assert session.time == 0
    with pytest.raises(DebugError, match="the past cannot be changed"):
        session.set_register("rax", 1)
    go(session, "goto", session.marks()["main"])
    assert session.digest() == state
    assert session.live
    stop = go(session, "goto", session.end + 1)
    assert (stop.reason, session.time) == ("error", session.marks()["main"])
    assert stop.text == f"the recording ends at {session.end}"


def test_a_recording_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(40_000_000))
    options = {"limit": 12_000_000}
    out = tmp_path / "out"
    command = ["/bin/dd", f"if={tmp_path}/big", f"of={out}", "bs=64K", "status=none"]
    with Session.launch(command, options=options) as session:
        assert go(session, "cont").text == "the program has ended with status 0"
        assert out.stat().st_size == 40_000_000
        stop = go(session, "reverse_step")
        assert stop.text.startswith("the recording ends at ")
        assert go(session, "goto", 1000).reason == "step"
        assert go(session, "reverse_step").time == 999
    with pytest.raises(DebugError, match="limit is too small"):
        Session.launch(["/bin/true"], options={"limit": 10_000})


def test_what_is_not_recorded_has_no_past(start: Start) -> None:
    session = start(record=False)
    assert not session.reversible
    to(session, "main")
    stop = go(session, "reverse_step")
    assert stop.text == "nothing is recorded: there is no way back"
    assert go(session, "cont").reason == "exit"


@pytest.mark.ci
def test_a_search_is_interrupted(start: Start) -> None:
    session = start("spin")
    to(session, "spin")
    go(session, "step", 30_000_000)
    now = session.time
    session.add_breakpoint("main", "rdi == 77")
    (quiet,) = session.symbols.find("quiet")
    session.add_watchpoint(quiet + 4, 1)
    session.reverse_cont()
    time.sleep(0.2)
    session.interrupt()
    stop = session.wait(LONG)
    assert (stop.reason, session.time) == ("interrupt", now)


def test_a_branch_changes_the_past(start: Start) -> None:
    session = start()
    to(session, "fill")
    value = session.registers()["rdi"]
    go(session, "cont")
    session.add_breakpoint("fill")
    go(session, "reverse_cont")
    now, state = session.time, session.digest()
    with session.branch() as other:
        assert (other.time, other.digest()) == (now, state)
        other.set_register("rdi", 1000)
        (total,) = other.symbols.find("total")
        other.add_watchpoint(total, 8, "change")
        assert "0x0 -> 0x3e8" in go(other, "cont").text
        stop = go(other, "goto", now)
        assert (stop.reason, other.registers()["rdi"]) == ("start", 1000)
        with pytest.raises(DebugError, match="the past cannot be changed"):
            go(other, "step")
            other.set_register("rdi", 1)
    assert (session.registers()["rdi"], session.digest()) == (value, state)
    assert go(session, "cont").reason == "exit"


def test_a_recording_is_saved_and_opened(start: Start, tmp_path: Path) -> None:
    session = start()
    to(session, "fill")
    now, state = session.time, session.digest()
    go(session, "cont")
    session.save(str(tmp_path / "capsule"))
    end = session.end
    session.close()
    with Session.open(str(tmp_path / "capsule")) as opened:
        assert (opened.time, opened.end) == (0, end)
        opened.add_breakpoint("fill")
        assert go(opened, "cont").time == now
        assert opened.digest() == state
        assert go(opened, "cont").text == "the program has ended with status 5"
        assert go(opened, "reverse_cont").time == now
        assert opened.auxv()
    (tmp_path / "damaged").write_bytes(b"no capsule")
    for name in ("damaged", "absent"):
        with pytest.raises(DebugError):
            Session.open(str(tmp_path / name))
