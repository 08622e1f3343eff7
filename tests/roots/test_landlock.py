"""The second wall: what the host's kernel refuses once a root has been entered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blink import _engine

SOURCE = Path(__file__).parents[2] / "src"
NR_CREATE, VERSION = 444, 1
# Enters a root as `blink -C` does, then makes calls of its own, as hostile machine code could.
CODE = """
import os, sys
sys.path.insert(0, {source!r})
from blink.kernel.boot import new_process
from blink.kernel.process import Options
from blink.roots.plan import Plan
options = Options()
options.mounts = Plan()
options.mounts.layers = [{root!r}.encode()]
options.mounts.binds = [({read!r}.encode(), b"/seen", True)]
options.log_path = {log!r}.encode()
{before}
new_process(options)
def attempt(call, *arguments):
    try:
        call(*arguments)
        print("done", end=" ")
    except PermissionError:
        print("denied", end=" ")
attempt(open, {outside!r})
attempt(os.listdir, os.path.dirname({outside!r}))
attempt(open, {outside!r} + ".new", "w")
attempt(os.mkdir, {outside!r} + ".d")
attempt(open, {read!r} + "/file")
attempt(open, {read!r} + "/file", "w")
attempt(open, {root!r} + "/file", "w")
attempt(open, "/proc/self/maps")
import wave  # modules can still be imported
print()
"""


def run(tmp_path: Path, before: str = "") -> tuple[list[str], str]:
    """What the attempts gave, and the log."""
    places = {name: tmp_path / name for name in ("root", "read", "outside")}
    for folder in places.values():
        folder.mkdir()
        (folder / "file").write_text("text")
    code = CODE.format(
        source=str(SOURCE),
        root=str(places["root"]),
        read=str(places["read"]),
        outside=str(places["outside"] / "file"),
        log=str(tmp_path / "log"),
        before=before,
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"TMPDIR": str(tmp_path), **os.environ},
    )
    return said.stdout.split(), (tmp_path / "log").read_text()


def test_only_the_root_is_within_reach(tmp_path: Path) -> None:
    if _engine.host_call_now(NR_CREATE, 0, 0, VERSION) <= 0:
        pytest.skip("this host has no Landlock")
    results, log = run(tmp_path)
    assert results == ["denied"] * 4 + ["done", "denied", "done", "done"]
    assert log == ""


def test_a_host_without_it_is_noted(tmp_path: Path) -> None:
    """Then nothing but blink itself confines, and the log says so."""
    before = """
from blink.kernel import host
now = host.now
host.now = lambda number, *words: -38 if number == 444 else now(number, *words)
"""
    results, log = run(tmp_path, before)
    assert results == ["done"] * 8
    assert "this host has no Landlock: paths are confined by blink alone" in log
