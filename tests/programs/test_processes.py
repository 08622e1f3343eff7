"""Processes, descriptors and signals, by small C programs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from programs.harness import BLINK, Same

Compile = Callable[..., str]


def test_closed_standard_descriptors(same: Same, compile_c: Compile) -> None:
    outcome = same(compile_c("closed_fds"), status=13)
    assert outcome.stdout == outcome.stderr == b""
    assert {"first", "second", "third"} <= set(outcome.tree)


@pytest.mark.all_modes
def test_spawn_reports_its_error(same: Same, compile_c: Compile) -> None:
    same(compile_c("spawn"))


def test_no_signal_is_lost(same: Same, compile_c: Compile) -> None:
    same(compile_c("signal_handshake"), "100000", "0")


def test_no_signal_is_lost_when_calls_restart(same: Same, compile_c: Compile, tier: str) -> None:
    same(compile_c("signal_handshake"), "10000" if tier == "unit" else "100000", "1")


def test_queued_signals_all_come(same: Same, compile_c: Compile, tier: str) -> None:
    same(compile_c("signal_queue"), "10000" if tier == "unit" else "100000")


def test_stop_and_continue(same: Same, tmp_path: Path) -> None:
    """A stop stops the process that its parent sees; a continue lets it go on."""
    process = subprocess.Popen(
        [BLINK, *same.options, "sh", "-c", "kill -TSTP $$; echo continued; exit 3"],
        stdout=subprocess.PIPE,
        process_group=0,
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTSTP
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=200) == (b"continued\n", None)
    assert process.returncode == 3


def test_input_is_shared(same: Same) -> None:
    """The emulator itself reads nothing of the guest's standard input."""
    text = "".join(f"line {i}\n" for i in range(5000))
    script = 'exec <file; "$@" sh -c "read a; read b; echo got \\$b"; read c; echo then $c'
    native = subprocess.run(["sh", "-c", script, "sh"], **shared(same, text))
    blink = subprocess.run(["sh", "-c", script, "sh", BLINK, *same.options], **shared(same, text))
    assert blink.stdout == native.stdout == b"got line 1\nthen line 2\n"


def shared(same: Same, text: str) -> dict[str, Any]:
    (same.folder / "file").write_text(text)
    return {"cwd": same.folder, "capture_output": True, "timeout": 200, "check": True}


@pytest.mark.parametrize(
    "limit", ["-v 600000", "-n 12", "-s unlimited", "-s 200", "-c 0", "-u 5000"]
)
def test_limits_of_the_caller(same: Same, limit: str) -> None:
    script = f'ulimit {limit} && exec "$@" bash -c "ulimit -n; ulimit -s; ulimit -v; echo | cat"'
    runs = [
        subprocess.run(["bash", "-c", script, "bash", *prefix], capture_output=True, timeout=300)
        for prefix in ((), (BLINK, *same.options))
    ]
    assert runs[1].returncode == runs[0].returncode == 0
    assert (runs[1].stdout, runs[1].stderr) == (runs[0].stdout, runs[0].stderr)


@pytest.mark.all_modes
def test_timer_interrupts_a_loop(same: Same, compile_c: Compile) -> None:
    same(compile_c("timers"))


@pytest.mark.all_modes
def test_faults_are_signals(same: Same, compile_c: Compile) -> None:
    same(compile_c("faults"), status=-11)


@pytest.mark.all_modes
def test_odd_instructions(same: Same, compile_c: Compile) -> None:
    """What raises signals, does nothing, or reads what belongs to the CPU."""
    same(compile_c("odd_instructions"))
