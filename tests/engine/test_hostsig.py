"""Host signals: inherited state, dispositions, the box, threads, many signals."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path
from signal import SIGABRT, SIGHUP, SIGPIPE, SIGRTMIN, SIGSEGV, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ

import pytest

from engine.host_help import ALL, SA_RESTART, SYNCHRONOUS, bit, output, run, start

FULL = ALL & ~SYNCHRONOUS & ~bit(9) & ~bit(19)  # what /proc shows when we block everything


def ignoring(*signals: int) -> object:
    """For Popen: ignores these in the child before it starts Python."""

    def before_exec() -> None:
        for signo in signals:
            signal.signal(signo, signal.SIG_IGN)

    return before_exec


# --- inherited state ---


def test_without_a_launcher_cpythons_changes_are_undone() -> None:
    assert output("masks", restore_signals=True).split() == list(
        map(str, (0, 0, 0, 0, SYNCHRONOUS))
    )


def test_ignored_signals_stay_ignored() -> None:
    out = output("masks", preexec_fn=ignoring(SIGHUP, signal.SIGINT, SIGRTMIN + 5))
    expected = bit(SIGHUP) | bit(signal.SIGINT) | bit(SIGRTMIN + 5)
    assert out.split() == list(map(str, (expected, 0, expected, 0, SYNCHRONOUS)))


def test_the_launchers_masks_win() -> None:
    """`trap '' PIPE`, which CPython hides; a synchronous signal always keeps our handler."""
    ignored = bit(SIGPIPE) | bit(SIGXFSZ) | bit(SIGSEGV)
    blocked = bit(SIGUSR1) | bit(SIGSEGV)
    out = output("masks", ignored, blocked).split()
    shown = ignored & ~bit(SIGSEGV)
    assert out == list(map(str, (ignored, blocked, shown, bit(SIGUSR1), SYNCHRONOUS)))


def test_dispositions_survive_exec_as_linux_does_it() -> None:
    assert int(output("inherit_exec").split()[1], 16) == bit(SIGUSR2)


# --- dying ---


@pytest.mark.parametrize("signo", [SIGTERM, SIGSEGV, SIGABRT, 9, signal.SIGINT, 33, SIGRTMIN, 64])
def test_death_is_by_the_same_signal(signo: int) -> None:
    assert run("die", signo).returncode == -signo


@pytest.mark.parametrize("signo", [SIGTERM, SIGSEGV, SIGRTMIN])
def test_no_handler_or_mask_stops_death(signo: int) -> None:
    assert run("die_caught_and_blocked", signo).returncode == -signo


def test_what_does_not_kill_by_default_exits() -> None:
    assert run("die", int(signal.SIGCHLD)).returncode == 128 + signal.SIGCHLD


@pytest.mark.parametrize("dumps", [False, True])
def test_core_status_is_the_hosts(dumps: bool, tmp_path: Path) -> None:
    """WCOREDUMP as for a native program under the same limit."""

    def before_exec() -> None:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard if dumps else 0, hard))
        os.chdir(tmp_path)

    def wait_status(child: subprocess.Popen[bytes]) -> int:
        return os.waitpid(child.pid, 0)[1]

    ours = wait_status(start("die", int(SIGABRT), preexec_fn=before_exec))
    native = wait_status(
        subprocess.Popen(["/bin/sh", "-c", "kill -ABRT $$"], preexec_fn=before_exec)
    )
    assert ours == native


def test_a_fault_of_our_own_is_reported_and_kills() -> None:
    done = run("our_own_fault")
    assert done.returncode == -SIGSEGV
    text = done.stderr.decode()
    assert text.startswith("blink: internal error: signal 11 at address 0x10 in our own code at 0x")


# --- the synchronous five, sent by another process ---


def test_sent_segv_follows_the_disposition() -> None:
    assert output("sent_segv", "catch") == "alive (11, 0)\n"
    assert output("sent_segv", "ignore") == "alive None\n"
    assert run("sent_segv", "default").returncode == -SIGSEGV


def test_blocked_segv_waits() -> None:
    assert output("blocked_segv", "catch") == "True None\nTrue True 11 0\n"
    assert output("blocked_segv", "ignore") == "True None\nTrue False 0 0\n"
    done = run("blocked_segv", "default")
    assert (done.returncode, done.stdout) == (-SIGSEGV, b"True None\n")


def test_segv_is_not_lost_behind_a_full_box() -> None:
    assert output("full_box_and_segv") == f"10 -512 {FULL} 11 0\n"


# --- the box ---


def test_the_second_signal_stays_in_the_host() -> None:
    lines = output("box").splitlines()
    assert lines == ["True -512 -512", str(FULL), "10 None True 12", f"True {bit(14)} 0"]


def test_siginfo_is_complete() -> None:
    assert output("siginfo_fields") == f"{SIGRTMIN:d} -1 0x123456789abc 128\n"


def test_every_signal_but_two_can_be_caught() -> None:
    assert output("all_catchable") == "[(9, 22), (19, 22)] 62 True\n"


# --- restarts, timers, children ---


@pytest.mark.parametrize(
    ("flags", "call", "result"),
    [(0, "read", -4), (SA_RESTART, "read", -512), (0, "poll", -4), (SA_RESTART, "poll", -4),
     (0, "nanosleep", -4), (SA_RESTART, "nanosleep", -4)],
)  # fmt: skip
def test_the_host_decides_about_restarts(flags: int, call: str, result: int) -> None:
    assert output("interrupted_call", flags, call) == f"{result} 10\n"


def test_restarts_do_not_lose_wake_ups() -> None:
    assert output("restarted_call_at_once", 10_000) == "{-512}\n"


def test_a_timer_interrupts() -> None:
    assert output("alarm") == "-4 14\n"


def test_nocldwait_reaches_the_host() -> None:
    assert output("no_zombies") == "-10\n"


# --- threads and forks ---


def test_a_thread_gets_its_own_signal() -> None:
    assert output("thread_gets_its_signal") == "[(5, 0), (-4, 10)] None\n"


def test_a_kick_ends_a_call_without_a_signal() -> None:
    assert output("kick") == "[-512, True, None, True]\n"


def test_kicks_end_waits_and_let_calls_begin() -> None:
    assert output("kicks") == "1 -512 1 -4 0 1\n"


def test_a_foreign_thread_hands_signals_on() -> None:
    assert output("foreign_thread") == "10 True\n"


def test_signal_stacks_are_guarded_and_freed() -> None:
    assert output("signal_stacks") == "True True\nrw-p rw-p ---p\n"


def test_a_fork_inherits_no_signal() -> None:
    assert output("fork") == "(None, True) 10\n10\n"


# --- many signals ---


def test_no_wake_up_is_missed() -> None:
    assert output("ping_pong", 100_000) == "100000 0\n"


def test_no_signal_is_lost() -> None:
    assert output("storm", 100_000) == "100000\n"


# --- while the guest runs ---


def test_a_signal_ends_run() -> None:
    assert output("signal_in_run", 300) == "300\n"


@pytest.mark.parametrize("paged", [False, True])
def test_signals_end_native_calls(paged: bool) -> None:
    assert output("pausing_guest", 50_000, paged) == "50000\n"


def test_a_kick_ends_run() -> None:
    assert output("kick_in_run") == "True None\n"
