"""Backwards in a program with threads: by thread, over calls, to before one began or behind its
end; directly and with GDB."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blink.debugger.session import Session
from debugger.driving import go

SOURCE = r"""
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
volatile long shared, last[3];

__attribute__((noinline)) long add(long n) {
  pthread_mutex_lock(&lock);
  shared += n;
  for (volatile int i = 0; i < 50; i++);
  pthread_mutex_unlock(&lock);
  return n + 1;
}

__attribute__((noinline)) void meet(void) { pthread_barrier_wait(&both); }

static void *work(void *which) {
  long me = (long)which;
  for (int i = 0; i < 30; i++) {
    last[me] = add(me);
    if (i == 10) meet();
  }
  return 0;
}

__attribute__((noinline)) void joined(void) { last[0] = shared; }

int main(void) {
  pthread_t threads[2];
  pthread_barrier_init(&both, 0, 2);
  for (long i = 0; i < 2; i++) pthread_create(&threads[i], 0, work, (void *)(i + 1));
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  joined();
  printf("shared %ld\n", shared);
  return 0;
}
"""


@pytest.fixture(scope="module")
def threaded(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    folder = tmp_path_factory.mktemp("threaded")
    program = folder / "threaded"
    command = [need("gcc"), "-g", "-O1", "-pthread", "-xc", "-", "-o", str(program)]
    subprocess.run(command, input=SOURCE.encode(), check=True, timeout=60)
    return program


@pytest.fixture
def session(threaded: Path, tmp_path: Path) -> Iterator[Session]:
    """Its program has run to its end, and is back where both threads were joined."""
    with (tmp_path / "out").open("w") as out:
        made = Session.launch([str(threaded)], stdio=(0, out.fileno(), 2))
    with made:
        assert go(made, "cont").text == "the program has ended with status 0"
        made.add_breakpoint("joined", temporary=True)
        assert go(made, "reverse_cont").reason == "breakpoint"
        yield made


def workers(session: Session) -> list[int]:
    return [t.tid for t in session.threads() if t.tid != session.pid]


def back_to_both(session: Session) -> tuple[int, int]:
    """To where both threads are half way; their numbers."""
    session.add_breakpoint("meet", temporary=True)
    go(session, "reverse_cont")
    first, second = workers(session)
    return first, second


def test_steps_back_of_one_thread_alone(session: Session) -> None:
    first, second = back_to_both(session)
    now = session.time
    for tid in (first, second, session.pid):
        rip = session.registers(tid)["rip"]
        seen = []
        for _ in range(5):
            stop = go(session, "reverse_step", only=tid)
            assert (stop.reason, session.tid) == ("step", tid)
            seen.append((session.time, session.registers()["rip"]))
        assert [time for time, _ in seen] == sorted((t for t, _ in seen), reverse=True)
        there = seen[-1]
        go(session, "goto", seen[0][0])
        go(session, "step")  # what came next was this thread's
        assert session.registers(tid)["rip"] == rip
        go(session, "goto", now)
        go(session, "reverse_step", 5, only=tid)
        assert (session.time, session.registers()["rip"]) == there
        go(session, "goto", now)


def test_a_thread_has_a_start(session: Session) -> None:
    first, second = back_to_both(session)
    stop = go(session, "reverse_step", 10_000_000, only=second)
    assert stop.text.startswith(f"the start of thread {second}")
    assert second in workers(session)
    began = session.time
    assert go(session, "reverse_step", only=second).reason == "start"
    assert session.time == began
    assert go(session, "reverse_step").time == began - 1
    go(session, "goto", 0)
    assert go(session, "reverse_step", only=first).text == f"there was no thread {first}"
    assert session.time == 0


def test_a_thread_that_has_ended(session: Session) -> None:
    assert workers(session) == []
    now = session.time
    first, second = back_to_both(session)
    go(session, "goto", now)
    for tid in (first, second):
        stop = go(session, "reverse_step", only=tid)
        assert (stop.reason, stop.tid, session.tid) == ("step", tid, tid)
        assert tid in workers(session)
        code = session.read(session.registers()["rip"], 2)
        assert code == b"\x0f\x05"  # exit(2), its last
        go(session, "step")
        assert tid not in workers(session)
        go(session, "goto", now)


def test_over_calls_and_out_of_them_backwards(session: Session) -> None:
    first, second = back_to_both(session)
    now = session.time
    for tid in (first, second):
        go(session, "goto", now)
        session.select(tid)
        add = session.add_breakpoint("add", f"rdi == {1 + (tid == second)}")
        stop = go(session, "reverse_cont")
        while session.tid != tid:
            stop = go(session, "reverse_cont")
        assert stop.numbers == [add.number]
        session.remove(add.number)
        stop = go(session, "reverse_finish")
        before, tid_there = session.time, session.tid
        assert (tid_there, session.symbols.at(stop.rip or 0).name) == (tid, "work")
        go(session, "next")
        assert (session.tid, session.registers()["rax"]) == (tid, 2 + (tid == second))
        go(session, "reverse_next")
        assert (session.tid, session.time) == (tid, before)


@pytest.mark.ci
def test_gdb_steps_back_by_thread(debug: Callable[..., str], threaded: Path) -> None:
    said = debug(
        threaded,
        *("break joined", "continue", "delete", "tbreak meet", "reverse-continue", "info threads"),
        *("thread 2", "echo at\\n", "reverse-stepi", "thread", "reverse-stepi", "thread"),
        *("thread 3", "echo and\\n", "reverse-stepi", "thread", "tbreak add", "reverse-continue"),
        *("echo out\\n", "reverse-finish", "thread", "tbreak joined", "continue", "info threads"),
    )
    before, _, after = said.partition("\nat\n")
    two, _, three = after.partition("\nand\n")
    called, _, left = three.partition("\nout\n")
    assert "hit Temporary breakpoint 2, meet ()" in before
    assert two.count("[Current thread is 2 ") == 2
    assert called.count("[Current thread is 3 ") == 1
    assert "hit Temporary breakpoint 3, add (n=" in called
    assert "in work (which=" in left or "\nwork (which=" in left
    assert "hit Temporary breakpoint 4, joined ()" in left
    assert len(re.findall(r"^[* ] \d+ +Thread", left, re.MULTILINE)) == 1
