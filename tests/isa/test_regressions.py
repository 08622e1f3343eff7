"""Each line of regressions.txt on the host, on the engine, and on the Python semantics."""

from __future__ import annotations

from pathlib import Path

import pytest

from .compare import differences
from .cpustate import Subject
from .hostcpu import HostCpu
from .regression import FormatError, Regression, format_line, parse, parse_line
from .session import SUBJECTS, make_subject

LINES = parse((Path(__file__).parent / "regressions.txt").read_text())


@pytest.fixture(scope="module", params=("host", *SUBJECTS))
def cpu(request: pytest.FixtureRequest) -> HostCpu | Subject:
    """Each CPU in turn."""
    if request.param == "host":
        oracle: HostCpu = request.getfixturevalue("host")
        return oracle
    return make_subject(request.param)


def test_all_lines(cpu: HostCpu | Subject) -> None:
    outcomes = cpu.run([line.case for line in LINES])
    bad = [
        f"line {r.number}: {'; '.join(found)}\n    {r.text}"
        for r, got in zip(LINES, outcomes, strict=True)
        if (found := differences(r.case, r.expected, got))
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("line", LINES, ids=lambda r: f"line{r.number}")
def test_format_and_parse_agree(line: Regression) -> None:
    disassembly = line.text.split(";")[1].strip()
    assert format_line(line.case, disassembly, line.expected) == line.text


@pytest.mark.parametrize(
    "text",
    [
        "90 ; nop ; ",
        "90 ; nop ; rax ; ",
        "90 ; nop ; rzx=1 ; ",
        "90 ; nop ; flags=xf ; ",
        "9 ; nop ; ; ",
        "90 ; nop ; ; [10]=00",
        "90 ; nop ; ; fault=zz",
    ],
)
def test_bad_lines_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_line(text)
