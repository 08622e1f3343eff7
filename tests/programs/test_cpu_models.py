"""`--cpu`: what a program finds is the model's, in all of its threads, children and programs."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest

from blink.isa.cpuid import LEVELS, MODELS
from programs.harness import BLINK, Same

TRIED = "SSE2 SSE3 SSSE3 SSE4.1 SSE4.2 POPCNT MOVBE BMI1 BMI2 RDTSCP XSAVE XSAVEC LZCNT".split()
MODES = pytest.mark.parametrize("mode", [(), ("-j",), ("-m",)], ids=["plain", "-j", "-m"])


def run(*command: str) -> str:
    said = subprocess.run(
        [str(BLINK), *command], capture_output=True, text=True, timeout=300, check=False
    )
    assert (said.returncode, said.stderr) == (0, ""), said
    return said.stdout


def expected(model: str) -> str:
    """What guests/cpu_model.c finds on a CPU with the model's features."""
    there = set(MODELS[model])
    found = " ".join(f"{'+' if name in there else '-'}{name}" for name in TRIED)
    line = f"{found} {'tzcnt' if 'BMI1' in there else 'bsf'}"
    cpuid = f"hwcap 1, sse4.2 {int('SSE4.2' in there)}, osxsave {int('OSXSAVE' in there)}"
    lines = [f"main: {line}", cpuid, f"thread: {line}", f"child: {line}", f"exec: {line}", cpuid]
    return "".join(text + "\n" for text in lines)


@MODES
@pytest.mark.parametrize("model", MODELS)
def test_instructions(model: str, mode: tuple[str, ...], compile_c: Callable[..., str]) -> None:
    program = compile_c("cpu_model", "-mlzcnt", "-mbmi", "-pthread")
    assert run("--cpu", model, *mode, program) == expected(model)


@pytest.mark.parametrize("model", MODELS)
def test_glibc_searches_the_levels_that_are_complete(model: str) -> None:
    said = run("-M", model, "/lib64/ld-linux-x86-64.so.2", "--help")
    searched = [
        line.split()[0]
        for line in said.partition("glibc-hwcaps")[2].splitlines()
        if line.startswith("  x86-64-v") and line.endswith("(supported, searched)")
    ]
    names, complete, whole = list(LEVELS)[1:], [], set(LEVELS["x86-64-v1"])
    for name in names:
        whole |= set(LEVELS[name])
        complete += [name] if whole <= set(MODELS[model]) else []
    assert sorted(searched) == complete


def test_the_host_agrees_about_max(compile_c: Callable[..., str]) -> None:
    """If it has all these features, the program says the same there."""
    program = compile_c("cpu_model", "-mlzcnt", "-mbmi", "-pthread")
    native = subprocess.run([program], capture_output=True, text=True, timeout=300, check=True)
    if "-" in native.stdout:
        pytest.skip("this host lacks some of the features")
    assert native.stdout == run(program)


SCRIPT = """
printf '%s\\n' one two three äöü | tr a-z A-Z | sort | grep -c O
seq 1 2000 | awk '{s += $1 * 1.5} END {print s}'
python3 -c 'import hashlib; print(hashlib.sha256(repr([2**70] * 99).encode()).hexdigest())'
head -c 100000 /usr/bin/bash | gzip -9 | gzip -d | cksum
"""


@pytest.mark.parametrize("level", LEVELS)
def test_programs_run_at_each_level(same: Same, level: str) -> None:
    """glibc and others choose other functions for each of them."""
    same.need("awk")
    same.need("python3")
    same.bash(SCRIPT, options=("--cpu", level))


def test_models_are_listed() -> None:
    said = run("--cpu", "help")
    names = [line for line in said.splitlines() if not line.startswith(" ")]
    assert names == list(MODELS)
    assert set(MODELS["max"]) <= set(said.split())


def test_cpuinfo() -> None:
    said = run("--cpu", "x86-64-v1", "grep", "-m1", "flags", "/proc/cpuinfo")
    flags = said.partition(":")[2].split()
    assert len(flags) == len(MODELS["x86-64-v1"]) and "sse2" in flags and "pni" not in flags


def test_a_crash_report_names_the_model(compile_c: Callable[..., str]) -> None:
    program = compile_c("cpu_model", "-mlzcnt", "-mbmi", "-pthread", "-DUNCAUGHT")
    said = subprocess.run(
        [str(BLINK), "-e", "--cpu", "x86-64-v1", program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert said.returncode == -signal.SIGILL
    assert "an invalid instruction on the CPU model x86-64-v1, at 0x" in said.stderr


def test_another_name_is_refused() -> None:
    said = subprocess.run(
        [str(BLINK), "--cpu", "i486", "true"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 48
    assert said.stderr == (
        f"blink: there is no CPU model i486: {', '.join(MODELS)}; see blink -h\n"
    )
