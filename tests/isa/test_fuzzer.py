"""The fuzzer finds what is wrong: CPUs that lie are caught, and their lies are shrunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from . import fuzz, long_runs
from .asm import assemble
from .compare import agree, differences
from .cpustate import HIGH_BASE, RMW, Case, Outcome, set_xmm
from .hostcpu import HostCpu
from .regression import parse_line
from .session import Session
from .shrink import shrink

Lie = Callable[[Case, Outcome], Outcome]


class Liar:
    """The host, but for what `lie` changes."""

    name = "liar"

    def __init__(self, lie: Lie) -> None:
        self.lie, self.host = lie, HostCpu()

    def run(self, cases: Sequence[Case]) -> list[Outcome]:
        return [self.lie(c, o) for c, o in zip(cases, self.host.run(cases), strict=True)]


ADD = Case(assemble("add eax, ebx"))
STORE = Case(assemble("mov [rcx], eax")).with_regs(rcx=HIGH_BASE, rax=0x01020304)


def test_a_lie_is_found_shrunk_and_reported(host: HostCpu) -> None:
    def lie(case: Case, o: Outcome) -> Outcome:
        return o._replace(flags=o.flags ^ 1) if case.reg("rax") & 0xF0 else o

    liar = Liar(lie)
    session = Session(host, [liar])
    noisy = ADD.with_regs(rax=0x12345678, rbx=99, rdx=5, r9=7)
    noisy = noisy._replace(flags=0x40, memory=((HIGH_BASE, b"noise"),), label="ADD")
    (finding,) = session.check([noisy])
    report = session.shrunk(finding).report()
    liar.host.close()
    head, line = report.splitlines()
    assert "flags" in head and "liar" in head
    case = parse_line(line.strip()).case
    assert (case.memory, case.flags, case.reg("rdx"), case.reg("r9")) == ((), 0, 0, 0)
    assert case.reg("rax") & 0xF0


@pytest.mark.parametrize(
    ("lie", "word"),
    [
        (lambda o: o._replace(gpr=b"\1" + o.gpr[1:]), "rax"),
        (lambda o: o._replace(rip=o.rip + 1), "rip"),
        (lambda o: o._replace(flags=o.flags ^ 0x400), "flags"),
        (lambda o: o._replace(fx=set_xmm(o.fx, {15: 1})), "xmm15"),
        (lambda o: o._replace(fx=o.fx[:24] + b"\xff" + o.fx[25:]), "mxcsr"),
        (lambda o: o._replace(fx=o.fx[:4] + b"\x01" + o.fx[5:]), "tags"),
        (lambda o: o._replace(ymmh=b"\1" + o.ymmh[1:]), "ymm0h"),
        (lambda o: o._replace(dirty_off=1), "memory"),
        (lambda o: o._replace(dirty=b""), "memory"),
        (lambda o: o._replace(vector=14), "fault"),
        (lambda o: o._replace(fs_base=1), "fs_base"),
    ],
)
def test_every_part_of_the_state_counts(
    host: HostCpu, lie: Callable[[Outcome], Outcome], word: str
) -> None:
    truth = host.run([STORE])[0]
    assert agree(STORE, truth, truth) and not differences(STORE, truth, truth)
    assert not agree(STORE, truth, lie(truth))
    assert differences(STORE, truth, lie(truth))[0].startswith(word)


def test_what_is_undefined_does_not_count(host: HostCpu) -> None:
    truth = host.run([STORE])[0]
    loose = STORE._replace(undefined=1, ignore=((HIGH_BASE + 1, 3),))
    other = truth._replace(flags=truth.flags ^ 1, dirty=truth.dirty[:1] + b"abc")
    assert agree(loose, truth, other) and not agree(STORE, truth, other)


def test_fault_addresses_have_slack_only_where_allowed(host: HostCpu) -> None:
    case = STORE.with_regs(rcx=0x2000)
    truth = host.run([case])[0]
    other = truth._replace(addr=0x2004, error=truth.error ^ 2)
    assert not agree(case, truth, other)
    assert agree(case._replace(slack=RMW), truth, other)
    assert not agree(case._replace(slack=RMW), truth, truth._replace(addr=0x2020))


def test_shrinking_keeps_what_matters() -> None:
    case = ADD.with_regs(rax=5, rbx=6, rcx=7)._replace(memory=((HIGH_BASE, b"abcd\0\0"),))

    def differs(c: Case) -> bool:
        return c.reg("rbx") == 6 and c.memory != () and c.memory[0][1].startswith(b"ab")

    small = shrink(case, differs)
    assert (small.reg("rax"), small.reg("rbx"), small.reg("rcx")) == (0, 6, 0)
    assert small.memory == ((HIGH_BASE, b"ab"),)


def test_command_line(capsys: pytest.CaptureFixture[str], host: HostCpu) -> None:
    assert fuzz.main(["--filter", "no such thing"]) == 2
    assert fuzz.main(["--line", "add eax, ebx ; rax=2 rbx=3"]) == 0
    line = capsys.readouterr().out.strip()
    assert line == "01 d8 ; add eax,ebx ; rax=2 rbx=3 ; rax=5 flags=pf"


def test_endless_programs_end(host: HostCpu) -> None:
    loop = Case(assemble("jmp .") + b"\xcc", run=True)
    assert host.run([loop, ADD])[1] == host.run([ADD])[0]


def test_runs_are_kept(tmp_path: Path) -> None:
    page = tmp_path / "runs.md"
    for n in range(long_runs.KEPT + 2):
        long_runs.keep("one", ("cases",), (f"{n},000",), page)
        long_runs.keep("two", ("a", "b"), (n, "x|y"), page)
    head, one, two = page.read_text().split("\n## ")
    assert head + "\n" == long_runs.HEAD + "\n" or head == long_runs.HEAD
    assert one.startswith("one\n\n| date | processor | commit | cases |\n")
    assert one.count("\n| 2") == two.count("\n| 2") == long_runs.KEPT
    assert one.splitlines()[4].endswith(f"| {long_runs.KEPT + 1},000 |")
    assert "| x/y |" in two
