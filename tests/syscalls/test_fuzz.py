"""A share of the fuzzer's work (`./dev fuzz-syscalls` does more), and the fuzzer itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from blink.syscalls import _table
from syscalls.fuzz import generate, policy, run
from syscalls.fuzz.campaign import Campaign
from syscalls.fuzz.parallel import steps

LENGTH = 150


def test_calls_are_as_the_hosts(need: Callable[[str], str], quota: float, seed: int) -> None:
    need("gcc")
    with TemporaryDirectory(prefix="blink-fuzz-") as folder:  # nobody must reach it
        campaign = Campaign(Path(folder), generate.calls(), LENGTH)
        deadline = time.monotonic() + quota
        number = seed
        while time.monotonic() < deadline:
            assert not campaign.step(Random(number)), (
                f"./dev fuzz-syscalls --length {LENGTH} --seed {number}"
            )
            number += 1
        assert campaign.count > LENGTH // 2


@pytest.mark.ci
def test_several_lists_at_once(need: Callable[[str], str], seed: int) -> None:
    need("gcc")
    with closing(steps(count(seed), 2, "getp", 40)) as done:
        told = list(islice(done, 3))
    assert [(number, calls) for number, calls, _ in told] == [(seed + i, 40) for i in range(3)]
    assert not any(found for *_, found in told)


def test_what_is_left_out_exists() -> None:
    names = {call.name for call in _table.every()}
    for table in (policy.LEFT_OUT, policy.RESULT_DIFFERS, policy.STORES_ELSEWHERE):
        assert not set(table) - names
    assert not {name for name, *_ in policy.FORGIVEN} - names


def test_a_store_behind_no_argument_is_found() -> None:
    (read,) = (call for call in _table.every() if call.name == "read")
    made = generate.Made(read)
    made.args = [3, generate.DATA, 16, 0, 0, 0]
    inside = (16, 0, 1, 0, 16, *[0] * 14)
    outside = (16, 0, 1, 0, 17, *[0] * 14)
    assert run.stray(made, inside) == ""
    assert run.stray(made, outside).startswith("0x0+17")


def test_a_difference_is_found() -> None:
    (getpid,) = (call for call in _table.every() if call.name == "getpid")
    made = [generate.Made(getpid)]
    nothing = (0, 0, 0, *[0] * 16)
    host = run.Outcome([nothing], 0, "")
    assert run.difference(made, host, host) is None
    assert run.difference(made, host, run.Outcome([(-1, *nothing[1:])], 0, "")) == (
        0,
        "host 0x0, blink -1 EPERM",
    )
    assert run.difference(made, host, run.Outcome([], 125, "internal error")) is not None
