"""Shared mappings of one file are one memory, in a replay too, and each copy has its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.session import Session
from debugger.driving import go
from kernel.test_guests import blink
from replay.test_record import run

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

volatile int *first, *second, *third, *fourth, *segment, *again, *nameless, *private;
__attribute__((noinline)) void tick(int i) { __asm__ volatile(""); }

int main(int argc, char **argv) {
  int file = open(argv[1], O_RDWR | O_CREAT, 0600), memory = memfd_create("m", 0);
  ftruncate(file, 16384);
  ftruncate(memory, 4096);
  first = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  second = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
  third = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  int number = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  segment = shmat(number, 0, 0);
  again = shmat(number, 0, 0);
  shmctl(number, IPC_RMID, 0);
  nameless = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 1; i < 5; i++) {
    nameless[0] = i;
    first[1024] = i * 10;
    third[1] = i * 100;
    segment[2] = i * 1000;
    if (i == 2) fourth = mmap(0, 4096, PROT_READ, MAP_SHARED, memory, 0);
    if (i == 2) private = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 4096);
    if (i == 3) first[1025] = private[0];
    if (i == 3) private[2] = 7;
    tick(i);
    if (second[0] != i * 10 || again[2] != i * 1000 || (fourth && fourth[1] != i * 100)) return 50;
  }
  printf("%d %d %d\n", second[0], fourth[1], again[2]);
  return second[1] == 30 && !second[2] ? 0 : 51;
}
"""
WORDS = {"nameless": 0, "first": 4096, "second": 0, "third": 4, "segment": 8, "again": 8}


def look(session: Session) -> list[int]:
    found = []
    for name, offset in WORDS.items():
        (variable,) = session.symbols.find(name)
        address = int.from_bytes(session.read(variable, 8), "little")
        found.append(int.from_bytes(session.read(address + offset, 4), "little"))
    return found


def back_and_forth(session: Session) -> list[tuple[int, list[int], str]]:
    session.add_breakpoint("tick")
    seen = []
    while (stop := go(session, "cont")).reason == "breakpoint":
        seen.append((session.time, look(session), session.digest()))
    assert stop.text == "the program has ended with status 0"
    for row in reversed(seen):
        assert go(session, "reverse_cont").reason == "breakpoint"
        assert (session.time, look(session), session.digest()) == row
    assert go(session, "reverse_cont").reason == "start"
    for row in seen:
        go(session, "cont")
        assert (session.time, look(session), session.digest()) == row
    return seen


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    path = tmp_path_factory.mktemp("shared") / "program"
    command = [need("gcc"), "-g", "-w", "-O1", "-xc", "-", "-o", str(path)]
    subprocess.run(command, input=SOURCE.encode(), check=True, timeout=60)
    return path


def test_live_and_in_a_capsule(program: Path, tmp_path: Path) -> None:
    file, capsule = tmp_path / "file", str(tmp_path / "it.cap")
    with (tmp_path / "out").open("w") as out:
        made = Session.launch([str(program), str(file)], stdio=(0, out.fileno(), 2))
    with made as session:
        seen = back_and_forth(session)
        assert [row[1] for row in seen] == [
            [i, 10 * i, 10 * i, 100 * i, 1000 * i, 1000 * i] for i in range(1, 5)
        ]
        written = file.read_bytes()
        assert int.from_bytes(written[4096:4100], "little") == 40  # no replay has written there
        session.save(capsule)
    file.write_bytes(bytes(16384))
    with Session.open(capsule) as session:
        assert back_and_forth(session) == seen
    assert file.read_bytes() == bytes(16384)


@pytest.mark.ci
def test_the_past_of_a_program_that_goes_on(program: Path, tmp_path: Path) -> None:
    """A replay from a checkpoint does not write into the program's own memory."""
    file = tmp_path / "file"
    with (tmp_path / "out").open("w") as out:
        made = Session.launch([str(program), str(file)], stdio=(0, out.fileno(), 2))
    with made as session:
        session.add_breakpoint("tick", "edi == 3")
        go(session, "cont")
        now = look(session)
        point = session.add_breakpoint("tick", "edi == 1")
        assert go(session, "reverse_cont").numbers == [point.number]
        assert look(session)[:2] == [1, 10]
        assert int.from_bytes(file.read_bytes()[4096:4100], "little") == 30
        go(session, "goto", session.end)
        assert (session.live, look(session)) == (True, now)
        session.remove(point.number)
        assert go(session, "cont").text == "the program has ended with status 0"


SPARSE = r"""
#include <sys/mman.h>
__attribute__((noinline)) void tick(volatile char *p) { __asm__ volatile(""); }
int main(void) {
  volatile char *p = mmap(0, 2UL << 30, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (int i = 1; i < 4; i++) {
    p[i * 500000000UL] = i;
    tick(p);
  }
  return 0;
}
"""


@pytest.mark.ci
def test_what_nobody_has_touched_costs_no_memory(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    program = tmp_path / "sparse"
    command = [need("gcc"), "-w", "-O1", "-xc", "-", "-o", str(program)]
    subprocess.run(command, input=SPARSE.encode(), check=True, timeout=60)
    with Session.launch([str(program)]) as session:
        session.add_breakpoint("tick")
        for _ in range(3):
            go(session, "cont")
        address = session.registers()["rdi"]
        for last in (2, 1):
            assert go(session, "reverse_cont").reason == "breakpoint"
            found = [session.read(address + i * 500_000_000, 1)[0] for i in (1, 2, 3)]
            assert found == [i if i <= last else 0 for i in (1, 2, 3)]
            assert _shared_kilobytes(session._core.target.pid) < 100_000


def _shared_kilobytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("RssShmem:")[2].split()[0])


CHILD = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct box { volatile int value, done; char text[90]; volatile int sums[8192]; } *box;

static void work(int go, int ready) {
  char byte;
  while (read(go, &byte, 1) == 1) {
    box->value = box->value * 10 + getpid() % 10;
    sprintf(box->text, "child %d, parent of %d", getpid(), getppid());
    for (int i = 0; i < 8192; i += 100) box->sums[i] += getpid() + i;
    write(ready, "", 1);
  }
  for (volatile int i = 0; i < 100000; i++);
  box->done = 1;
  _exit(3);
}

int main(int argc, char **argv) {
  int go[2], ready[2], status;
  long total = 0;
  char byte;
  box = mmap(0, sizeof *box, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pipe(go), pipe(ready);
  pid_t child = fork();
  if (!child) close(go[1]), work(go[0], ready[1]);
  for (int i = 0; i < 5; i++) {
    write(go[1], "", 1);
    read(ready[0], &byte, 1);
    box->value++;
    for (int k = 0; k < 8192; k++) total += box->sums[k] * i;
    printf("%d %s %ld\n", box->value, box->text, total);
  }
  close(go[1]);
  if (argc > 1) while (!box->done) total++;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}
"""


@pytest.fixture
def child(tmp_path: Path, need: Callable[[str], str]) -> Path:
    program = tmp_path / "child"
    command = [need("gcc"), "-g", "-O1", "-w", "-xc", "-", "-o", str(program)]
    subprocess.run(command, input=CHILD.encode(), check=True, timeout=60)
    return program


@pytest.mark.ci
def test_what_a_child_writes_is_recorded(child: Path, tmp_path: Path) -> None:
    capsule = str(tmp_path / "it.cap")
    live = run([*blink("record", "-o", capsule), str(child)], tmp_path)
    assert live.returncode == 3
    assert live.stdout.count(b"child ") == 5
    again = run([*blink("replay"), capsule], tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (3, live.stdout, b"")
    assert run([*blink("replay", "--verify"), capsule], tmp_path).returncode == 0
    with Session.open(capsule) as session:
        go(session, "cont")
        (box,) = session.symbols.find("box")
        at = int.from_bytes(session.read(box, 8), "little")
        assert session.read(at + 8, 90).startswith(b"child ")
        stop = go(session, "last_write", at + 8, 8)
        assert stop.reason == "watchpoint"
        assert stop.details["syscall"]


@pytest.mark.ci
def test_who_waits_for_a_child_without_system_calls_diverges(child: Path, tmp_path: Path) -> None:
    capsule = str(tmp_path / "it.cap")
    assert run([*blink("record", "-o", capsule), str(child), "spin"], tmp_path).returncode == 3
    again = run([*blink("replay"), capsule], tmp_path)
    if again.returncode != 3:  # the child may have been so quick that nobody waited
        assert b"it shares memory with a child" in again.stderr, again.stderr
