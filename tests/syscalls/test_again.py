"""What programs do with /proc/self for longer: execute it by links, keep it open."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from syscalls.guest import blink

HERE = Path(__file__).parent / "guests"
OPTIONS = [(), ("-m",), ("-C", "/"), ("-N", "-C", "/")]


@pytest.mark.parametrize("options", OPTIONS, ids=["linear", "checked", "mounts", "root"])
def test_again(options: tuple[str, ...], need: Callable[[str], str], tmp_path: Path) -> None:
    program, link = tmp_path / "again", tmp_path / "link"
    command = [need("gcc"), "-w", "-o", str(program), str(HERE / "again.c")]
    subprocess.run(command, check=True, timeout=300)
    link.symlink_to("/proc/self/exe")
    runs = [
        subprocess.run(
            [*prefix, str(program), str(link)],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        for prefix in ([], blink(*options))
    ]
    assert runs[1].stdout == runs[0].stdout == "/again 2\n/again 3\n/again 4\n"
    assert runs[1].stderr == runs[0].stderr == ""


@pytest.mark.parametrize("options", OPTIONS, ids=["linear", "checked", "mounts", "root"])
def test_kept(options: tuple[str, ...], need: Callable[[str], str], tmp_path: Path) -> None:
    program = tmp_path / "kept"
    command = [need("gcc"), "-w", "-static", "-o", str(program), str(HERE / "kept.c")]
    subprocess.run(command, check=True, timeout=60)
    runs = [
        subprocess.run(
            [*prefix, str(program)], capture_output=True, text=True, timeout=60, check=True
        )
        for prefix in ([], blink(*options))
    ]
    assert runs[1].stdout == runs[0].stdout
    assert runs[1].stdout.startswith("read: 4096\npread: 8192\nwrite: 1\n")
