"""Lists of calls in several processes: list N of a run has the seed N more than the first."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path
from random import Random

from blink.syscalls._spec import Call
from syscalls.fuzz import generate, run
from syscalls.fuzz.campaign import Campaign

Step = tuple[int, int, list[str]]
_mine: list[Campaign] = []  # of this process


def _start(folder: str, word: str, length: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = Path(folder) / str(os.getpid())
    own.mkdir(mode=0o755)
    user = run.NOBODY - 1 - os.getpid() % 1000
    _mine.append(Campaign(own, chosen(word), length, user))


def _step(seed: int) -> Step:
    """The seed, how many calls were made, and what differs."""
    campaign = _mine[0]
    before = campaign.count
    found = campaign.step(Random(seed))
    return seed, campaign.count - before, found


def chosen(word: str) -> list[Call]:
    """The definitions that are fuzzed whose names contain a word."""
    return [call for call in generate.calls() if word in call.name]


def steps(seeds: Iterator[int], jobs: int, word: str, length: int) -> Iterator[Step]:
    """What `_step` says of each seed, as long as somebody asks."""
    with tempfile.TemporaryDirectory(prefix="blink-fuzz-") as folder:
        Path(folder).chmod(0o755)
        context = multiprocessing.get_context("spawn")
        with Pool(jobs, _start, (folder, word, length), context=context) as pool:
            try:
                yield from _ahead(pool, seeds, jobs)
            finally:  # guests that are at work would go on without their parent
                pool.close()
                pool.join()


def _ahead(pool: Pool, seeds: Iterator[int], jobs: int) -> Iterator[Step]:
    """Some lists more than there are processes wait, for one may be slow; `imap` would take all."""
    waiting = [pool.apply_async(_step, (next(seeds),)) for _ in range(3 * jobs)]
    while waiting:
        yield waiting.pop(0).get()
        waiting.append(pool.apply_async(_step, (next(seeds),)))
