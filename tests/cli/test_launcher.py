"""The native launcher, with a stand-in for the package that reports how it was started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import launcher_build

GUEST_TOP = 0x2000_0000_0000

REPORT = """
import json, os, sys

def start(ignored, blocked):
    how = sys.argv[1] if len(sys.argv) > 1 else ""
    if how == "print":
        print(sys.argv[2])
        return 0
    if how == "atexit":
        import atexit
        atexit.register(print, "at exit")
        return 4
    if how == "raise":
        raise RuntimeError("as the test asked")
    if how == "exit":
        sys.exit(int(sys.argv[2]))
    if how == "return":
        return int(sys.argv[2])
    with open("/proc/self/status") as file:
        status = dict(line.rstrip().split(":\\t") for line in file if line.startswith("Sig"))
    with open("/proc/self/maps") as file:
        lowest = int(file.read().partition("-")[0], 16)
    report = {
        "ignored": ignored, "blocked": blocked, "lowest": lowest,
        "argv": [os.fsencode(a).hex() for a in sys.argv],
        "status": {name: int(value, 16) for name, value in status.items() if name != "SigQ"},
        "site": "site" in sys.modules, "isolated": sys.flags.isolated,
        "streams": [stream is not None for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "path": sys.path, "prefix": sys.prefix, "encoding": sys.getfilesystemencoding(),
    }
    os.write(int(os.environ["REPORT_FD"]), json.dumps(report).encode())
    return 7
"""

Report = dict[str, Any]
WAYS = ("embedded", "executed")


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launcher")
    package = folder / "src" / "blink" / "cli"
    package.mkdir(parents=True)
    (folder / "src" / "blink" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "launch.py").write_text(REPORT)
    return launcher_build.build_in(folder / "build", folder / "src")


def environment(way: str) -> dict[str, str]:
    return {**os.environ, **({"BLINK_NO_EMBED": "1"} if way == "executed" else {})}


def report(
    launcher: Path,
    way: str,
    *args: bytes,
    before: Callable[[], None] = lambda: None,
    close: tuple[int, ...] = (),
) -> Report:
    """Runs the launcher after `before` ran in the child; returns what the stand-in saw."""
    read, write = os.pipe()
    os.set_inheritable(write, True)

    def prepare() -> None:
        for signo in (signal.SIGPIPE, signal.SIGXFSZ):  # as a shell would start it
            signal.signal(signo, signal.SIG_DFL)
        before()
        for fd in close:
            os.close(fd)

    done = subprocess.run(
        [launcher, *args],
        env={**environment(way), "REPORT_FD": str(write)},
        pass_fds=[write],
        preexec_fn=prepare,
        timeout=200,
        check=False,
    )
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = json.loads(pipe.read())
    assert done.returncode == 7
    assert isinstance(said, dict)
    return said


def bit(signo: int) -> int:
    return 1 << signo - 1


def test_it_is_position_independent(launcher: Path) -> None:
    header = launcher.read_bytes()[:18]
    assert header[:4] == b"\x7fELF"
    assert int.from_bytes(header[16:18], "little") == 3  # ET_DYN


def test_the_guest_range_is_free(launcher: Path) -> None:
    assert report(launcher, "embedded")["lowest"] >= GUEST_TOP


@pytest.mark.parametrize("way", WAYS)
def test_arguments_keep_their_bytes(launcher: Path, way: str) -> None:
    args = (b"", b"-v", "\u00fc".encode(), b"\xff\xfe\x80")
    said = report(launcher, way, *args)["argv"]
    assert [bytes.fromhex(text) for text in said[1:]] == list(args)


@pytest.mark.parametrize("way", WAYS)
def test_python_is_isolated(launcher: Path, way: str) -> None:
    said = report(launcher, way)
    assert (said["site"], said["isolated"], said["encoding"]) == (False, 1, "utf-8")
    assert said["prefix"] == sys.base_prefix


def ignore_some() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGRTMAX})


@pytest.mark.parametrize("way", WAYS)
def test_inherited_signals_are_noted(launcher: Path, way: str) -> None:
    said = report(launcher, way, before=ignore_some)
    assert said["ignored"] == bit(signal.SIGPIPE) | bit(signal.SIGINT) | bit(signal.SIGHUP)
    assert said["blocked"] == bit(signal.SIGUSR1) | bit(signal.SIGRTMAX)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_ignored_that_was_not(launcher: Path, way: str) -> None:
    said = report(launcher, way)
    assert (said["ignored"], said["blocked"]) == (0, 0)


def test_embedded_python_changes_no_disposition(launcher: Path) -> None:
    status = report(launcher, "embedded")["status"]
    assert (status["SigIgn"], status["SigCgt"], status["SigBlk"]) == (0, 0, 0)
    status = report(launcher, "embedded", before=ignore_some)["status"]
    assert status["SigIgn"] == bit(signal.SIGPIPE) | bit(signal.SIGINT) | bit(signal.SIGHUP)
    assert status["SigCgt"] == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("close", [(0,), (1, 2), (0, 1, 2)], ids=str)
def test_closed_streams_stay_closed(launcher: Path, way: str, close: tuple[int, ...]) -> None:
    streams = report(launcher, way, close=close)["streams"]
    assert streams == [fd not in close for fd in range(3)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("args", "status"),
    [(["return", "0"], 0), (["return", "255"], 255), (["exit", "3"], 3), (["raise"], 1)],
    ids=str,
)
def test_exit_status(launcher: Path, way: str, args: list[str], status: int) -> None:
    done = subprocess.run(
        [launcher, *args], env=environment(way), capture_output=True, timeout=200, check=False
    )
    assert done.returncode == status
    assert (b"RuntimeError: as the test asked" in done.stderr) == (args == ["raise"])


@pytest.mark.parametrize("way", WAYS)
def test_output_is_flushed_or_reported_lost(launcher: Path, way: str) -> None:
    command = [launcher, "print", "some text"]
    done = subprocess.run(
        command, env=environment(way), stdout=subprocess.PIPE, timeout=200, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"some text\n")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, env=environment(way), stdout=full, stderr=subprocess.PIPE, timeout=200,
            check=False,
        )  # fmt: skip
    assert done.returncode == 120
    assert b"No space left" in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_exit_handlers_run(launcher: Path, way: str) -> None:
    done = subprocess.run(
        [launcher, "atexit"], env=environment(way), stdout=subprocess.PIPE, timeout=200, check=False
    )
    assert (done.returncode, done.stdout) == (4, b"at exit\n")


@pytest.mark.parametrize("way", WAYS)
def test_the_standard_library_comes_first(launcher: Path, way: str) -> None:
    """What lies beside the package can hide no module of the library."""
    path = report(launcher, way)["path"]
    source = str(launcher.parents[1] / "src")
    library = str(Path(os.__file__).parent)
    assert path.index(library) < path.index(source)
    assert "" not in path


def test_a_link_to_it_works(launcher: Path, tmp_path: Path) -> None:
    link = tmp_path / "other-name"
    link.symlink_to(launcher)
    done = subprocess.run([link, "return", "9"], timeout=200, check=False)
    assert done.returncode == 9


def test_an_absent_package_is_one_line(launcher: Path, tmp_path: Path) -> None:
    lonely = launcher_build.build_in(tmp_path, tmp_path / "nothing")
    done = subprocess.run([lonely, "-v"], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 125
    assert done.stderr.startswith("blink: ")
    assert done.stderr.count("\n") == 1


def test_odd_paths_survive_the_header() -> None:
    text = launcher_build.config_header(Path('/tmp/a "b"\\c?\u00fc'), None)
    assert '#define SOURCES "/tmp/a \\042b\\042\\134c\\077\\303\\274"\n' in text
