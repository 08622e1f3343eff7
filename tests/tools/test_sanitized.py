"""The engine with ASan and UBSan (`./dev build --sanitize`): its own tests again, and guests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import engine_build

ROOT = Path(__file__).parents[2]
SUITES = (
    "tests/engine",
    "tests/machine",
    "tests/isa/test_hostcpu.py",
    "tests/isa/test_regressions.py",
)

# ASan keeps its shadow where linear guests live (0x7fff8000 to 0x10007fff8000), so what maps there
# cannot run in linear memory; in paged memory the same tests run.
COLLIDING = (
    "test_a_signal_ends_run",
    "test_signals_end_native_calls",
    "test_a_kick_ends_run",
    "test_reservations_of_terabytes_are_cheap and linear",
    "test_flags_of_gigabytes_next_to_small_changes and linear",
    "test_reset_drops_everything and linear",
    "test_tracking_a_huge_mapping and linear",
)


def runtimes(gcc: str) -> str:
    """The sanitizers' libraries, which the interpreter must load before all else."""
    names = ("libasan.so", "libubsan.so")
    return " ".join(
        subprocess.run(
            [gcc, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in names
    )


@pytest.fixture(scope="module")
def environment(need: Callable[[str], str]) -> dict[str, str]:
    """For a Python with the sanitized engine, which is built first."""
    gcc = need("gcc")
    engine_build.build(engine_build.sanitize())
    settings = {
        "LD_PRELOAD": runtimes(gcc),
        "ASAN_OPTIONS": "detect_leaks=0",  # CPython keeps what it allocated
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "BLINK_TIER": "unit",
    }
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | settings


def check_clean(output: str) -> None:
    assert "AddressSanitizer" not in output, output
    assert "runtime error:" not in output, output


@pytest.mark.ci
@pytest.mark.timeout(1800)
def test_engine_tests_are_clean_under_sanitizers(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=600"]
    command += ["-o", "pythonpath=build/sanitize . tests tools", *SUITES]
    command += ["--ignore=tests/engine/test_tail_calls.py"]  # reads the release build
    command += ["-k", "not (" + " or ".join(f"({name})" for name in COLLIDING) + ")"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    check_clean(done.stdout)
    assert done.returncode == 0, done.stdout


# --- Guests ------------------------------------------------------------------------------------

# The guest shall not inherit what this Python was started with.
START = f"""
import os, sys
os.environ.pop("LD_PRELOAD")
sys.path.insert(0, {str(ROOT / "build" / "sanitize")!r})
from blink.cli.main import main
sys.exit(main())
"""
SCRIPT = """
i=0; while [ $i -lt 500 ]; do i=$((i * 3 % 1000 + 1)); done 2>&1 & kill $!; wait
busybox seq 3000 | busybox sort -r | busybox head -3
busybox gzip < /bin/busybox | busybox gunzip | busybox sha256sum
(exit 9); echo $?; trap 'echo caught' USR1; kill -USR1 $$
echo 'scale=20; 4*a(1)' | busybox bc -l
exit 5
"""


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A folder with the static guests of tests/kernel, and a busybox."""
    folder = tmp_path_factory.mktemp("guests")
    for name in ("memory", "signals", "faults", "processes", "misc", "storm", "deaths"):
        source = ROOT / "tests" / "kernel" / "guests" / f"{name}.c"
        command = [need("gcc"), "-std=gnu11", "-static", "-O1", "-w", "-o", str(folder / name)]
        subprocess.run([*command, str(source), "-lrt"], check=True, timeout=60)
    (folder / "busybox").symlink_to(need("busybox"))
    return folder


@pytest.mark.ci
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("options", ["", "-j", "-m", "-jm"])
@pytest.mark.parametrize(
    "line",
    [
        ["memory"],
        ["signals"],
        ["faults"],
        ["processes"],
        ["misc"],
        ["storm", "3000"],
        ["deaths", "segv"],
        ["deaths", "no-stack"],
        ["busybox", "sh", "-c", SCRIPT],
    ],
    ids=lambda line: "-".join(line[:2]),
)
def test_guests_are_clean_under_sanitizers(
    line: list[str], options: str, environment: dict[str, str], guests: Path, tmp_path: Path
) -> None:
    """All are linked at 0x400000 or ask for addresses as libc does, which ASan leaves free."""
    program = [str(guests / line[0]), *line[1:]]
    blink = [sys.executable, "-I", "-S", "-c", START, *options.split()]
    native, emulated = (
        subprocess.run(
            [*command, *program],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        for command, env in (([], os.environ), (blink, environment))
    )
    check_clean(emulated.stderr)
    assert emulated.stdout.splitlines() == native.stdout.splitlines(), emulated.stderr
    assert emulated.returncode == native.returncode, emulated.stderr
