"""Shell scripts: pipes, subshells, traps, here-documents, jobs."""

from __future__ import annotations

import pytest

from programs.harness import Same, sections

BASH = sections("bash.txt")


@pytest.mark.parametrize("name", BASH)
def test_bash(same: Same, name: str) -> None:
    same.bash(BASH[name], files={"data": "not a program\n"}, status=None)


@pytest.mark.all_modes
def test_bash_script(same: Same) -> None:
    script = '#!/bin/bash\nset -eu\necho "$0 $*" | tr a-z A-Z\n(exit 4) || echo "got $?"\nexit 9\n'
    same("./script", "x", "y", files={"script": script}, status=9)


SH = sections("sh.txt")


@pytest.mark.parametrize("name", SH)
def test_sh(same: Same, name: str) -> None:
    script = '#!/usr/bin/env -S sh -e\necho $0 $# "$2"\n'
    files = {"script": script, "file": "\x7fELF is no program\n", "dir/x": ""}
    same.sh(SH[name], files=files, status=None)


@pytest.mark.parametrize("signo", ["HUP", "INT", "QUIT", "ABRT", "KILL", "PIPE", "TERM", "USR1"])
def test_death_by_signal(same: Same, signo: str) -> None:
    outcome = same("sh", "-c", f"ulimit -c 0; kill -{signo} $$", status=None)
    assert outcome.status < 0
