"""Shared CPUs of the instruction tests, and their count at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import hostcpu
from .session import SUBJECTS, Session, make_subject

CASES = "instruction cases"


@pytest.fixture(scope="session")
def host() -> Iterator[hostcpu.HostCpu]:
    """The host CPU; without one (another architecture) its tests are skipped."""
    if not hostcpu.available():
        pytest.skip("the host CPU is no x86-64 with Linux and a C compiler")
    with hostcpu.HostCpu() as cpu:
        yield cpu


@pytest.fixture(scope="session")
def session(host: hostcpu.HostCpu) -> Iterator[Session]:
    """The host with all CPUs under test."""
    made = Session(host, [make_subject(name) for name in SUBJECTS]).with_batches()
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cases were compared, and in what time."""
    count, seconds = 0, 0.0
    for reports in terminalreporter.stats.values():
        for report in reports:
            found = dict(getattr(report, "user_properties", ())).get(CASES)
            if found and report.when == "call":
                count, seconds = count + int(str(found)), seconds + report.duration
    if count:
        terminalreporter.write_line(f"{count} {CASES} compared with the host in {seconds:.1f} s")
