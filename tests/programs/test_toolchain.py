"""gcc, make, git: programs that start many programs."""

from __future__ import annotations

import pytest

from programs.harness import Same

HELLO = r"""
#include <math.h>
#include <stdio.h>
int square(int);
int main(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("%s %d %.3f\n", argv[i], square(i), sqrt(i + 2.0));
  return 3;
}
"""
SQUARE = "int square(int x) { return x * x; }\n"
CXX = r"""
#include <iostream>
#include <map>
#include <string>
#include <stdexcept>
int main() {
  std::map<std::string, int> counts;
  for (std::string word : {"a", "b", "a"}) counts[word]++;
  try { counts.at("z"); } catch (const std::out_of_range &e) { std::cout << "caught\n"; }
  for (auto &[word, n] : counts) std::cout << word << ' ' << n << std::endl;
}
"""
MAKEFILE = """\
CFLAGS = -O1
program: main.o square.o
\t$(CC) -o $@ $^ -lm
%.o: %.c
\t$(CC) $(CFLAGS) -c -o $@ $<
run: program
\t./program a || echo "status $$?"
clean:
\trm -f *.o program
.PHONY: run clean
"""
SOURCES = {"main.c": HELLO, "square.c": SQUARE, "Makefile": MAKEFILE}


def test_gcc_compiles_and_the_result_runs(same: Same) -> None:
    same.need("gcc")
    same.sh("gcc -O2 -o program main.c square.c -lm && ./program x; echo $?", files=SOURCES)


def test_gcc_reports_errors(same: Same) -> None:
    files = {"bad.c": "int main(void) { return missing; }\n"}
    same("gcc", "-c", "bad.c", files=files, status=1)


@pytest.mark.ci
@pytest.mark.parametrize("flags", ["-g -O0", "-O3 -ffast-math", "-static", "-flto -O2", "-S -O2"])
def test_gcc_flags(same: Same, flags: str) -> None:
    run = "" if "-S" in flags else "&& ./program"
    out = "" if "-S" in flags else "-o program"
    same.sh(f"gcc {flags} {out} main.c square.c -lm {run}", files=SOURCES, status=None)


@pytest.mark.ci
def test_cxx(same: Same) -> None:
    same.need("g++")
    same.sh("g++ -std=c++17 -o program main.cc && ./program", files={"main.cc": CXX})


def test_make(same: Same) -> None:
    same.need("gcc")
    same("make", "run", files=SOURCES)


@pytest.mark.ci
def test_make_in_parallel(same: Same) -> None:
    """-Oline, because the order of parallel output is nobody's promise."""
    same.sh("make -s -j2 program && make run && make clean && ls", files=SOURCES)


def test_make_without_compiler(same: Same) -> None:
    text = "all: a b\n\t@echo $^ > $@; cat $@\n"
    text += "a b:\n\t@sleep 0.01; echo made $@; touch $@\nfail:\n\tfalse\n"
    same.sh(
        "make; make -q; echo $?; make fail; echo $?; make nosuch; echo $?", files={"Makefile": text}
    )


GIT = {
    "GIT_AUTHOR_NAME": "A U Thor",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "C O Mitter",
    "GIT_COMMITTER_EMAIL": "committer@example.com",
    "GIT_AUTHOR_DATE": "1234567890 +0000",
    "GIT_COMMITTER_DATE": "1234567890 +0000",
    "GIT_PAGER": "cat",
}
HOOKS = [".git/hooks/*"]


def test_git(same: Same) -> None:
    same.sh(
        "git init -q -b main . && git add . && git commit -m first && git log --stat &&"
        " echo more >>square.c && git diff && git commit -qam second && git log --oneline --graph",
        files=SOURCES,
        env=GIT,
        ignore=[".git/index"],
    )


@pytest.mark.ci
def test_git_branches(same: Same) -> None:
    same.sh(
        "git init -q -b main . && git add . && git commit -qm first && git checkout -qb side &&"
        " echo '// side' >>main.c && git commit -qam side && git checkout -q main &&"
        " echo '// main' >>square.c && git commit -qam main && git merge -m merged side &&"
        " git log --oneline --graph --all && git -c pack.threads=1 gc -q && git fsck &&"
        " git status &&"
        " git clone -q . ../work/clone && git -C clone log -1 && git stash list && git tag v1 &&"
        " git archive HEAD | tar t && git blame main.c | head -3; git show nosuch",
        files=SOURCES,
        env=GIT,
        status=None,
        ignore=["*.git/index", "*.git/objects/pack/*", "*.git/logs/*", "*.git/gc.pid"],
    )
