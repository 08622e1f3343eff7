"""Copies of this process, by fork: what checkpoints are."""

from __future__ import annotations

import posix
import sys

from blink import _engine
from blink.kernel import host
from blink.kernel.exec import open_fds
from blink.kernel.fork import freeze
from blink.replay.shared_memory import copy_out, map_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blink.replay.runner import Runner

NR_WAIT4, WNOHANG, WCLONE = 61, 1, 0x80000000
INTERNAL_ERROR = 125


def fork_quietly(runner: Runner, child: Callable[[dict[int, int]], None]) -> int:
    """Forks a process that calls `child` and ends; the guest does not hear of it.  Its shared
    memory is its own: `child` gets the memory files of the files that the log knows by number."""
    host.now(NR_WAIT4, -1, 0, WNOHANG | WCLONE, 0)  # those that have ended
    freeze()
    ranges, files = copy_out(runner.memory)
    keys = runner.shared_files()
    runner.memory.fork_begin()
    pid = _engine.fork_quietly()
    runner.memory.fork_end()

    def begin() -> None:
        map_in(runner.memory, ranges, files)
        child({key: files[file] for key, file in keys.items() if file in files})

    if pid == 0:
        call_and_exit(begin)
    for fd in files.values():
        posix.close(fd)
    if pid < 0:
        raise OSError(-pid, "no further process")
    return pid


def call_and_exit(work: Callable[[], None]) -> None:
    """Ends this process behind `work`; with INTERNAL_ERROR, and a traceback, if that raises."""
    status = INTERNAL_ERROR
    try:
        work()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        posix._exit(status)


def close_others(keep: Iterable[int]) -> None:
    """Closes all descriptors but these: pipes would seem to have a writer more."""
    kept = set(keep)
    for fd in open_fds():
        if fd not in kept:
            host.now(host.NR_CLOSE, fd)
