"""Processes, descriptors and signals, by small C programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from programs.harness import Same

Compile = Callable[..., str]


def test_closed_standard_descriptors(same: Same, compile_c: Compile) -> None:
    outcome = same(compile_c("closed_fds"), status=13)
    assert outcome.stdout == outcome.stderr == b""
    assert {"first", "second", "third"} <= set(outcome.tree)


@pytest.mark.both
def test_spawn_reports_its_error(same: Same, compile_c: Compile) -> None:
    same(compile_c("spawn"))


def test_no_signal_is_lost(same: Same, compile_c: Compile) -> None:
    same(compile_c("signal_handshake"), "100000", "0")


def test_no_signal_is_lost_when_calls_restart(same: Same, compile_c: Compile, tier: str) -> None:
    same(compile_c("signal_handshake"), "10000" if tier == "unit" else "100000", "1")


def test_queued_signals_all_come(same: Same, compile_c: Compile, tier: str) -> None:
    same(compile_c("signal_queue"), "10000" if tier == "unit" else "100000")


@pytest.mark.both
def test_timer_interrupts_a_loop(same: Same, compile_c: Compile) -> None:
    same(compile_c("timers"))


@pytest.mark.both
def test_faults_are_signals(same: Same, compile_c: Compile) -> None:
    same(compile_c("faults"), status=-11)
