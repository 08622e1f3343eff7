"""CPython's own tests: each that succeeds natively does so under blink."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from programs.harness import BLINK, ENVIRONMENT, GUESTS, execute

PYTHON = "/usr/bin/python3"
SUITE = Path("/usr/lib/python3.11/test/test_asyncio")  # of libpython3.11-testsuite
LIMIT = 1500  # seconds; natively the longest takes less than one hundred

# Most of these wait more than they compute.
QUICK = {
    "memory": ("test_mmap",),
    "os": ("test_os",),
    "signal": (
        "test_signal.PosixTests",
        "test_signal.WakeupSignalTests",
        "test_signal.GenericTests",
    ),
    "threads": (
        "test_threading.LockTests",
        "test_threading.ConditionTests",
        "test_threading.BarrierTests",
        "test_threading.ThreadJoinOnShutdown",
    ),
    "processes": ("test_subprocess.RunFuncTestCase", "test_subprocess.ContextManagerTests"),
    "sockets": (
        "test_socket.GeneralModuleTests",
        "test_socket.BasicTCPTest",
        "test_socket.RecvmsgSCMRightsStreamTest",
        "test_socket.SendmsgTCPTest",
        "test_selectors.PollSelectorTestCase",
    ),
    "asyncio": ("test_asyncio.test_locks", "test_asyncio.test_sock_lowlevel.EPollEventLoopTests"),
}
MODULES = ("signal", "threading", "subprocess", "mmap", "socket", "os", "selectors", "asyncio")


def outcomes(prefix: list[str], names: tuple[str, ...], folder: Path) -> tuple[dict[str, str], str]:
    """How each test ended, and what the failed ones said."""
    folder.mkdir()
    command = [*prefix, PYTHON, str(GUESTS / "cpython_suite.py"), "out", *names]
    environment = {**ENVIRONMENT, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    _, _, stderr = execute(command, folder, b"", environment, LIMIT)
    lines = (folder / "out").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines), stderr.decode(errors="replace")


def compare(folder: Path, names: tuple[str, ...], options: list[str]) -> None:
    """What is worse under blink on a busy machine runs again: three times is no accident."""
    native, _ = outcomes([], names, folder / "native")
    good = {name: how for name, how in native.items() if how in ("ok", "expected")}
    assert good
    for attempt in range(3):
        prefix = [str(BLINK), *options]
        emulated, said = outcomes(prefix, names, folder / f"blink{attempt}")
        good = {name: how for name, how in good.items() if emulated.get(name) != how}
        if not good:
            return
        names = tuple(name.removeprefix("test.") for name in good)
        warnings.warn(f"worse under blink, attempt {attempt}: {names}", stacklevel=2)
    pytest.fail(said[-9000:])


@pytest.fixture(autouse=True)
def suite_is_there(need: Callable[[str], str]) -> None:
    if not SUITE.exists():
        need("libpython3.11-testsuite")  # says that it is missing


@pytest.mark.ci
@pytest.mark.parametrize("name", QUICK)
def test_quick(tmp_path: Path, name: str) -> None:
    compare(tmp_path, QUICK[name], [])


@pytest.mark.long
@pytest.mark.timeout(4 * LIMIT)
@pytest.mark.parametrize("options", [[], ["-j"]], ids=["plain", "interpreted"])
@pytest.mark.parametrize("module", MODULES)
def test_whole(tmp_path: Path, module: str, options: list[str]) -> None:
    compare(tmp_path, (f"test_{module}",), options)
