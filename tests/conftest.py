"""What every test may use: the tier, a time quota, a seed, and programs of the host."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator

import pytest

# The unit tier is `./dev test`; each of the others runs all tests of those before it.
TIERS = ("unit", "ci", "all")
STARTED = time.time()
QUOTAS = {"unit": 2.0, "ci": 8.0, "all": 60.0}


def current_tier() -> str:
    """The tier of this run, from BLINK_TIER."""
    name = os.environ.get("BLINK_TIER", "unit")
    if name not in TIERS:
        raise pytest.UsageError(f"BLINK_TIER={name}: not one of {', '.join(TIERS)}")
    return name


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ci: runs from the ci tier on")
    config.addinivalue_line("markers", "long: runs in the all tier only")
    _heed_signals()
    # xdist workers inherit the environment, so all share the seed that the header shows.
    os.environ.setdefault("BLINK_SEED", str(random.SystemRandom().randrange(1 << 32)))


def _heed_signals() -> None:
    """As from a terminal: `nohup ./dev test &` ignores these, and so would all that tests start."""
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


def pytest_report_header() -> str:
    return f"blink: tier {current_tier()}, BLINK_SEED={os.environ['BLINK_SEED']}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """A run without bounds of all tests, or of whole folders, is kept in docs/long-runs.md."""
    option = config.option
    if option.collectonly or option.keyword or option.markexpr or option.deselect:
        return
    tests = _folders(config)
    if not tests or current_tier() != "all" or hasattr(config, "workerinput"):
        return
    from isa.long_runs import keep

    tests += ", stopped" if exitstatus == pytest.ExitCode.INTERRUPTED else ""
    counts = [len(terminalreporter.stats.get(kind, ())) for kind in ("passed", "failed", "error")]
    skips = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
    }
    seconds = round(time.time() - STARTED)
    columns = ("tests", "seed", "passed", "failed", "errors", "skipped because", "seconds")
    because = "; ".join(sorted(skips)) or "-"
    keep("./dev test --all", columns, (tests, os.environ["BLINK_SEED"], *counts, because, seconds))


def _folders(config: pytest.Config) -> str:
    """The folders whose tests all run; "" if only some of one do."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        return "all"
    paths = [config.invocation_params.dir / name for name in config.args]
    names = [path.resolve().relative_to(config.rootpath) for path in paths if path.is_dir()]
    return " ".join(map(str, names)) if len(names) == len(paths) else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what belongs to a later tier."""
    level = TIERS.index(current_tier())
    later = [item for item in items if _level(item) > level]
    if later:
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if _level(item) <= level]


def _level(item: pytest.Item) -> int:
    if item.get_closest_marker("long"):
        return 2
    return 1 if item.get_closest_marker("ci") else 0


@pytest.fixture(scope="session")
def tier() -> str:
    """The tier of this run: "unit", "ci" or "all"."""
    return current_tier()


@pytest.fixture(scope="session")
def quota() -> float:
    """How many seconds one randomized test may search for a failure in this tier."""
    return QUOTAS[current_tier()]


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this run's randomness; BLINK_SEED=N repeats it."""
    return int(os.environ["BLINK_SEED"])


@pytest.fixture(scope="session")
def need() -> Iterator[Callable[[str], str]]:
    """A function that returns the path of a host program.

    Where the program is missing, the test is skipped in the unit tier and fails in the others.
    """

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            complain = pytest.skip if current_tier() == "unit" else pytest.fail
            complain(f"{program} is not installed (tests/apt-packages.txt)")
        return str(path)

    yield find
