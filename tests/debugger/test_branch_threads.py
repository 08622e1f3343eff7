"""Branches of programs with threads: they go on by themselves, one thread at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blink.debugger.session import Session
from debugger.driving import LONG, ended, go

SOURCE = r"""
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t together;
static volatile long turn, sum;
volatile long rounds = 3, workers = 3, n;
static volatile sig_atomic_t handled;

static void handler(int signo) { handled++; }

__attribute__((noinline)) static void *work(void *which) {
  long me = (long)which;
  for (long i = 0; i < rounds; i++) {
    pthread_mutex_lock(&lock);
    while (turn != me) pthread_cond_wait(&changed, &lock);
    sum = sum * 3 + me;
    turn = (turn + 1) % workers;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  return which;
}

static void *wait_long(void *which) {
  struct timespec most = {100, 0};
  while (!handled) nanosleep(&most, 0);
  return 0;
}

__attribute__((noinline)) void begin(void) { __asm__ volatile(""); }

int main(void) {
  pthread_t threads[8];
  char data[8];
  struct timespec before, behind, short_time = {0, 20000000};
  n = read(0, data, 5);
  begin();
  for (long i = 0; i < workers; i++) pthread_create(&threads[i], 0, work, (void *)i);
  for (long i = 0; i < workers; i++) pthread_join(threads[i], 0);
  printf("sum %ld\n", sum);
  fflush(stdout);
  if (n == 6) {
    signal(SIGUSR1, handler);
    pthread_create(&threads[0], 0, wait_long, 0);
    clock_gettime(CLOCK_MONOTONIC, &before);
    nanosleep(&short_time, 0);
    clock_gettime(CLOCK_MONOTONIC, &behind);
    long passed = (behind.tv_sec - before.tv_sec) * 1000000000 + behind.tv_nsec - before.tv_nsec;
    pthread_kill(threads[0], SIGUSR1);
    pthread_join(threads[0], 0);
    printf("handled %d, %s\n", (int)handled, passed >= 20000000 ? "slept" : "awake");
  }
  if (n == 7) { pthread_mutex_lock(&lock); pthread_mutex_lock(&lock); }
  return n;
}
"""


def expected(workers: int, rounds: int) -> bytes:
    total = 0
    for turn in range(workers * rounds):
        total = total * 3 + turn % workers
    return b"sum %d\n" % total


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Iterator[Session]:
    """Before its threads begin, with all that follows in the recording."""
    folder = tmp_path_factory.mktemp("threads")
    with ended(SOURCE, folder, need, "-O1", "-pthread") as (session, output):
        assert output == expected(3, 3)
        session.add_breakpoint("begin")
        assert go(session, "reverse_cont").reason == "breakpoint"
        yield session


def branch(session: Session, **changes: int) -> Session:
    """A branch with other values of variables."""
    other = session.branch()
    other.set_register("rax", 0)  # of no use in begin(): that makes it a branch
    for name, value in changes.items():
        (address,) = other.symbols.find(name)
        other.write(address, value.to_bytes(8, "little"))
    return other


def test_what_is_not_changed_goes_on_as_recorded(recorded: Session) -> None:
    with branch(recorded) as other:
        assert go(other, "cont").text == "the program has ended with status 5"
        assert other.output() == recorded.output() == expected(3, 3)
        assert other.time == recorded.end
        assert not other.differs(recorded)


@pytest.mark.parametrize(("workers", "rounds"), [(3, 7), (5, 4), (1, 1)])
def test_more_or_fewer_rounds_and_threads(workers: int, rounds: int, recorded: Session) -> None:
    with branch(recorded, workers=workers, rounds=rounds) as other:
        assert go(other, "cont").text == "the program has ended with status 5"
        assert other.output() == expected(workers, rounds)


def test_where_they_part(recorded: Session) -> None:
    with branch(recorded, rounds=5) as other:
        found = other.differs(recorded)
        assert found.instruction and found.call
        assert found.output == (1, 4, expected(3, 5)[4:], expected(3, 3)[4:])
        go(other, "goto", found.instruction[0])
        assert other.registers()["rip"] == found.instruction[1]


def test_a_branch_with_threads_has_a_past(recorded: Session) -> None:
    with branch(recorded, workers=4, rounds=4) as other:
        other.add_breakpoint("work")
        times, tids = [], []
        while (stop := go(other, "cont")).reason == "breakpoint":
            times.append((other.time, other.digest()))
            tids.append(stop.tid)
        assert len(set(tids)) == 4
        end = other.time
        for tid in reversed(tids):
            stop = go(other, "reverse_cont")
            assert (stop.tid, other.time, other.digest()) == (tid, *times.pop())
        go(other, "goto", end - 1)
        assert tids[0] not in [thread.tid for thread in other.threads()]
        other.reverse_step(only=tids[0])
        assert other.wait(LONG).reason == "step"
        assert other.registers(tids[0])["rax"] == 60  # exit(2)
        assert go(other, "cont").text == "the program has ended with status 5"


def test_sleep_and_signals_between_threads(recorded: Session) -> None:
    with branch(recorded, n=6) as other:
        assert go(other, "cont").text == "the program has ended with status 6"
        assert other.output() == expected(3, 3) + b"handled 1, slept\n"


@pytest.mark.parametrize("n", [pytest.param(5, marks=pytest.mark.ci), 6])
def test_a_branch_with_threads_is_saved(n: int, recorded: Session, tmp_path: Path) -> None:
    path = str(tmp_path / "branch.cap")
    with branch(recorded, workers=4, rounds=2, n=n) as other:
        began = other.time
        assert go(other, "cont").text == f"the program has ended with status {n}"
        output = other.output()
        assert output.startswith(expected(4, 2))
        other.save(path)
        with Session.open(path) as opened:
            for mark in range(9):
                for session in (other, opened):
                    go(session, "goto", began + (other.end - began) * mark // 8)
                assert (other.time, other.digest()) == (opened.time, opened.digest())
            assert (opened.exit_status, opened.output()) == (n, output)


def test_a_deadlock_is_told(recorded: Session) -> None:
    with branch(recorded, n=7) as other:
        stop = go(other, "cont")
        assert stop.text.startswith("all threads of the branch wait for each other")
        assert go(other, "reverse_step").reason == "step"
