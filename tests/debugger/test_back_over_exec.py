"""Backwards over an exec, and over the load of a library: names mean what they mean there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.debugger.session import Session
from blink.debugger.stop import Stop
from debugger.driving import go

FIRST = r"""
#include <unistd.h>
__attribute__((noinline)) int early(int n) { return n + 1; }
int main(int argc, char **argv) {
  if (early(3) == 4) execl(argv[1], argv[1], (char *)0);
  return 9;
}
"""
SECOND = r"""
#include <dlfcn.h>
#include <stdio.h>
char padding[100000];
__attribute__((noinline)) int late(int n) { return n * 2; }
int main(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW);
  int (*twice)(int) = dlsym(library, "plugin_entry");
  int n = late(twice(4));
  dlclose(library);
  return late(n);
}
"""
LOADED = "int plugin_entry(int n) { return n + 1; }"


def place(session: Session, stop: Stop) -> tuple[str, str]:
    found = session.symbols.at(stop.rip or 0)
    return found.name, Path(found.object).name


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A folder with `first`, which executes `second`, which loads `loaded.so`."""
    folder = tmp_path_factory.mktemp("exec")
    library = str(folder / "loaded.so")
    for source, *words in (
        (FIRST, "-o", str(folder / "first")),
        (SECOND, "-o", str(folder / "second"), f'-DLIBRARY="{library}"', "-ldl"),
        (LOADED, "-o", library, "-shared", "-fPIC"),
    ):
        command = [need("gcc"), "-O1", "-xc", "-", *words]
        subprocess.run(command, input=source.encode(), check=True, timeout=60)
    return folder


def test_breakpoints_of_the_earlier_program(programs: Path) -> None:
    with Session.launch([str(programs / "first"), str(programs / "second")]) as session:
        session.add_breakpoint("main")
        session.add_breakpoint("early")
        session.add_breakpoint("late", pending=True)
        forwards = []
        while (stop := go(session, "cont")).reason == "breakpoint":
            forwards.append((session.time, *place(session, stop)))
        assert stop.text == "the program has ended with status 20"
        assert [row[1:] for row in forwards] == [
            *(("main", "first"), ("early", "first")),
            *(("main", "second"), ("late", "second"), ("late", "second")),
        ]
        backwards = []
        while (stop := go(session, "reverse_cont")).reason == "breakpoint":
            backwards.append((session.time, *place(session, stop)))
        assert backwards == forwards[::-1]
        assert (stop.reason, session.time) == ("start", 0)
        go(session, "goto", forwards[1][0])
        assert go(session, "cont").time == forwards[2][0]


def test_names_that_only_the_past_knows(programs: Path) -> None:
    with Session.launch([str(programs / "first"), str(programs / "second")]) as session:
        assert go(session, "cont").reason == "exit"
        early = session.add_breakpoint("early", pending=True)
        loaded = session.add_breakpoint("plugin_entry", pending=True)
        assert (early.pending, loaded.pending) == (True, True)
        stop = go(session, "reverse_cont")
        assert (stop.numbers, place(session, stop)) == (
            [loaded.number],
            ("plugin_entry", "loaded.so"),
        )
        assert session.registers()["rdi"] == 4
        assert (early.pending, loaded.pending) == (True, False)
        stop = go(session, "reverse_cont")
        assert (stop.numbers, place(session, stop)) == ([early.number], ("early", "first"))
        assert (early.pending, loaded.pending) == (False, True)
        assert go(session, "reverse_cont").reason == "start"
        stop = go(session, "cont")
        assert stop.numbers == [early.number]
        assert go(session, "cont").numbers == [loaded.number]
        assert (early.hits, loaded.hits) == (3, 2)


@pytest.mark.ci
def test_events_on_the_way_back(programs: Path) -> None:
    with Session.launch([str(programs / "first"), str(programs / "second")]) as session:
        assert go(session, "cont").reason == "exit"
        session.catch("exec")
        session.catch("load", ["loaded.so"])
        session.add_breakpoint("early", pending=True)
        assert go(session, "reverse_cont").text.startswith(f"loaded {programs}/loaded.so")
        assert go(session, "reverse_cont").text.startswith(f"executes {programs}/second")
        assert place(session, go(session, "reverse_cont")) == ("early", "first")
