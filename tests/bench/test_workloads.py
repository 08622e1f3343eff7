"""The list of workloads, and our own programs among them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from bench import inputs, runner
from bench.aims import SPEEDUP
from bench.workloads import SECTIONS, WORKLOADS

KERNELS = ("sse2-integer", "sse2-float", "ssse3-shuffle", "avx2-integer", "avx2-float")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> inputs.Folder:
    need("gcc")
    return inputs.Folder(tmp_path_factory.mktemp("bench"))


def test_names_are_unique() -> None:
    names = [workload.name for workload in WORKLOADS]
    assert len(set(names)) == len(names)


def test_what_an_aim_refers_to_is_measured() -> None:
    names = {workload.name for workload in WORKLOADS}
    for section in SECTIONS:
        for workload in section.workloads:
            assert workload.base in names | {""}
            for aim in workload.aims:
                assert aim.ours in section.engines
                expected = {workload.base} if aim.kind == SPEEDUP else {*section.engines, ""}
                assert aim.theirs in expected


@pytest.mark.parametrize("kernel", KERNELS)
def test_vector_kernels_compute_the_same_without_their_instructions(
    folder: inputs.Folder, kernel: str
) -> None:
    """The x86-64-v1 CPU has SSE2 only."""
    command = [str(folder.program("vectors")), kernel, "7"]
    plain = [runner.BLINK, "--cpu", "x86-64-v1", *command]
    best, other = (subprocess.run(c, capture_output=True, check=True) for c in (command, plain))
    assert other.stderr.endswith(b"path: sse2\n")
    assert best.stdout == other.stdout != b""


def test_one_and_two_threads_sort_the_same(folder: inputs.Folder) -> None:
    threads = str(folder.program("threads"))
    said = [subprocess.check_output([threads, "3000", count]) for count in ("1", "2")]
    assert said[0] == said[1] != b""


@pytest.mark.parametrize(
    ("call", "said"), [("getppid", b"9\n"), ("read", b"9\n"), ("pipe", b"10\n")]
)
def test_system_call_loops(folder: inputs.Folder, call: str, said: bytes) -> None:
    assert subprocess.check_output([str(folder.program("syscalls")), call, "9"]) == said
