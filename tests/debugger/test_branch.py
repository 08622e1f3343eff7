"""A changed past: the branch goes on by itself, and can be compared with what it left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blink.debugger.errors import DebugError
from blink.debugger.session import Session
from debugger.driving import ended, go

SOURCE = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void handler(int signo) { write(1, "handled\n", 8); }

int main(void) {
  char data[8];
  struct timespec now;
  signal(SIGUSR1, handler);
  int n = read(0, data, 5);
  printf("read %d\n", n);
  if (n != 5) {
    char *more = malloc(1 << 20);
    for (int i = 0; i < 1000; i++) more[i * 100] = i;
    if (clock_gettime(CLOCK_REALTIME, &now) || now.tv_sec < 1700000000) return 99;
    raise(SIGUSR1);
    free(more);
  }
  if (n == 7) open("/etc/passwd", O_RDONLY);
  if (n == 8) abort();
  if (n == 9) *(volatile int *)16 = 1;
  puts("end");
  return n;
}
"""


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Iterator[Session]:
    """Behind its read(2), which gave 5, with all that follows in the recording."""
    with ended(SOURCE, tmp_path_factory.mktemp("branch"), need) as (session, output):
        assert output == b"read 5\nend\n"
        session.catch("syscall", ["read"])
        stop = go(session, "reverse_cont")
        while session.registers()["rdi"] != 0:
            stop = go(session, "reverse_cont")
        go(session, "step")  # behind the call
        assert (stop.reason, session.registers()["rax"]) == ("syscall", 5)
        yield session


def states_of(session: Session, began: int) -> list[str]:
    """Behind a change, and at some times from there to the end."""
    times = [began + (session.end - began) * mark // 5 for mark in range(6)]
    found = []
    for time in times:
        go(session, "goto", time)
        assert session.time == time
        found.append(session.digest())
    return found


def branch(session: Session, result: int) -> Session:
    other = session.branch()
    other.set_register("rax", result)
    return other


def test_what_is_not_changed_goes_on_as_recorded(recorded: Session) -> None:
    with branch(recorded, 5) as other:
        assert go(other, "cont").text == "the program has ended with status 5"
        assert other.output() == b"read 5\nend\n"
        assert other.time == recorded.end
        assert not other.differs(recorded)


def test_another_result_leads_another_way(recorded: Session) -> None:
    with branch(recorded, 3) as other:
        began = other.time
        assert other.replayed and other.changeable and not recorded.replayed
        assert go(other, "cont").text == "the program has ended with status 3"
        assert not other.changeable
        assert other.output() == b"handled\nread 3\nend\n" != recorded.output()
        pieces, more = other.writes(0, other.end)
        assert b"".join(data for _, _, data in pieces) == other.output() and not more
        times = [time for time, _, _ in pieces]
        assert began < times[0] < times[-1] <= other.end and times == sorted(times)
        assert other.writes(1, other.end)[0] == pieces[1:]
        assert other.writes(0, times[-1] - 1)[0] == pieces  # known by now, whatever is asked for
        state = other.digest()
        go(other, "reverse_step", 5000)  # and back again: the same, clocks and all
        go(other, "step", 5000)
        assert other.digest() == state


def test_a_branch_is_saved(recorded: Session, tmp_path: Path) -> None:
    path = str(tmp_path / "branch.cap")
    with branch(recorded, 3) as other:
        began, ended = other.time, go(other, "cont")
        states = states_of(other, began)
        other.save(path)
        go(other, "goto", began + 10)
        with other.branch() as second, pytest.raises(DebugError, match="branch of a branch"):
            second.set_register("rax", 1)
            second.save(path)
    with Session.open(path) as opened:
        assert go(opened, "cont").text == ended.text
        assert opened.output() == b"handled\nread 3\nend\n"
        assert states_of(opened, began) == states
        go(opened, "goto", began - 2)  # before the change, too
        assert go(recorded, "goto", began - 2).rip == opened.registers()["rip"]
        assert recorded.digest() == opened.digest()
        go(recorded, "goto", began)


@pytest.mark.parametrize("result", [7, 9])
def test_a_branch_is_saved_as_far_as_it_comes(
    result: int, recorded: Session, tmp_path: Path
) -> None:
    path = str(tmp_path / "branch.cap")
    with branch(recorded, result) as other:
        stop = go(other, "cont")
        state = other.digest()
        other.save(path)
    with Session.open(path) as opened:
        again = go(opened, "cont")
        assert again.reason == {7: "end", 9: "killed"}[result]
        assert (again.time, opened.digest()) == (stop.time, state)


def test_where_they_part(recorded: Session) -> None:
    with branch(recorded, 3) as other:
        found = other.differs(recorded)
        assert found.instruction and found.call and found.output
        time, here, there = found.instruction
        assert other.time <= time
        assert here != there
        assert found.output == (1, 0, b"handled\nread 3\nend\n", b"read 5\nend\n")
        assert found.call[1] and "mmap(NULL, 1052672" in found.call[1][2]
        go(other, "goto", other.time)
        go(other, "step", time - other.time)
        assert other.registers()["rip"] == here
        few = other.differs(recorded, instructions=10)
        assert (few.instruction, few.compared) == (None, 10)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (7, "the branch makes the system call open"),
        (8, "the program was killed by SIGABRT"),
        (9, "the program was killed by SIGSEGV (SEGV_MAPERR, 0x10)"),
    ],
)
def test_how_a_branch_ends(result: int, text: str, recorded: Session) -> None:
    with branch(recorded, result) as other:
        assert go(other, "cont").text.startswith(text)
        assert go(other, "reverse_step").reason == "step"


def test_calls_of_a_recording_and_of_a_branch(recorded: Session, tmp_path: Path) -> None:
    whole = recorded.calls(count=10_000)
    assert whole[0].text.startswith("brk(NULL) = 0x")
    assert [c.text for c in whole if c.text.startswith("read(0")] == ['read(0, "five\\n", 5) = 5']
    assert whole[-1].text == "exit_group(5) = ?"
    assert whole[-2].text == 'write(1, "read 5\\nend\\n", 11) = 11'
    assert [c.time for c in whole] == sorted(c.time for c in whole)
    assert recorded.calls(first=1, count=2) == whole[1:3]
    with branch(recorded, 3) as other:
        texts = [call.text for call in other.calls(count=100)]
        assert any(text.startswith("tgkill(") for text in texts)
        assert texts[-1] == "exit_group(3) = ?"
    recorded.save(str(tmp_path / "it.cap"))
    with Session.open(str(tmp_path / "it.cap")) as opened:
        assert opened.calls(count=10_000) == whole
