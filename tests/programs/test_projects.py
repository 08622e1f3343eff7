"""git, rsync, ssh-keygen, cmake and ninja, zsh, dash, programs of Go and Rust."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from programs.harness import Same, sections

SCRIPTS = sections("projects.txt")
VENV = Path(sys.executable).parent
PROGRAMS = {
    "git": ("git",),
    "rsync": ("rsync",),
    "ssh-keygen": ("ssh-keygen",),
    "cmake": ("cmake", "ninja", "g++"),
    "make-j": ("make", "g++"),
    "zsh": ("zsh",),
    "dash": ("dash",),
    "neofetch": ("neofetch", "apt-get", "dpkg"),
    "wheels": tuple(str(VENV / program) for program in ("shfmt", "ruff", "uv")),
}
CMAKE = """\
cmake_minimum_required(VERSION 3.18)
project(p CXX)
enable_testing()
add_library(l STATIC src/twice.cc)
add_executable(main src/main.cc)
target_link_libraries(main l)
add_test(NAME t COMMAND main 21)
"""
MAIN = """\
#include <cstdlib>
#include <iostream>
int twice(int);
int main(int, char **v) { std::cout << twice(std::atoi(v[1])) << std::endl; }
"""
FILES = {
    "CMakeLists.txt": CMAKE,
    "src/main.cc": MAIN,
    "src/twice.cc": "int twice(int a) { return a * 2; }\n",
}


@pytest.mark.tiers(plain="ci", interpreted="long")
@pytest.mark.parametrize("name", SCRIPTS)
def test_project(same: Same, name: str) -> None:
    for program in PROGRAMS[name]:
        same.need(program)
    path = f"/usr/local/bin:/usr/bin:/bin:{VENV}"
    same.sh(SCRIPTS[name], files=FILES, env={"PATH": path}, ignore=["*"], timeout=300)
