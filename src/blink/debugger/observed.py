"""Runs a program in a child process that tells what it does through a pipe.

The child's end of the pipe is hidden from the guest; what reads it (pyarrow, say) cannot get into
the guest's way.  Messages are marshalled tuples, the first item says which.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys

from blink.abi.encoding import decode
from blink.debugger.crash import report
from blink.debugger.stepper import mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn, TypeVar

    from blink.kernel.process import Options, Process
    from blink.replay.live import LiveRunner

    R = TypeVar("R", bound=LiveRunner)
    Body = Callable[["Channel"], LiveRunner]

BATCH = 2048
CANNOT_START = 125
PIPE = "trace"


class Channel:
    """The child's end: messages are collected and sent in batches."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: list[tuple[Any, ...]] = []

    def hide(self, runner: LiveRunner) -> None:
        """Keeps the descriptor from the guest and its children."""
        self._fd = runner.keep_private(PIPE, self._fd)

    def send(self, *message: Any) -> None:
        self._waiting.append(message)
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        data = marshal.dumps(self._waiting)
        self._waiting = []
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except BrokenPipeError:
            os._exit(1)  # the parent has enough


class Told:
    """The parent's end: an iterator of messages; afterwards `status` is as of subprocess."""

    def __init__(self, pid: int, fd: int) -> None:
        self._pid = pid
        self._file = os.fdopen(fd, "rb")
        self.status = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while True:
            try:
                yield from marshal.load(self._file)
            except EOFError:
                break
        self.finish()

    def stop(self) -> None:
        """Ends the program: enough is known."""
        os.kill(self._pid, signal.SIGKILL)
        self._file.close()
        os.waitpid(self._pid, 0)

    @property
    def exit_status(self) -> int:
        """The status as a shell shows it."""
        return self.status if self.status >= 0 else 128 - self.status

    def finish(self) -> None:
        self._file.close()
        self.status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def start(body: Body, follow: Callable[[LiveRunner, Channel], None]) -> Told:
    """Forks; in the child `body` makes what runs the program, `follow` controls it."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        for signo in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(signo, signal.SIG_IGN)  # the terminal sends them to the program, too
        return Told(pid, reader)
    os.close(reader)
    _child(Channel(writer), body, follow)
    os._exit(1)


def _child(channel: Channel, body: Body, follow: Callable[[LiveRunner, Channel], None]) -> None:
    from blink.loader import LoadError

    try:
        runner = body(channel)
    except LoadError as error:
        _refuse(channel, str(error), error.exit_status)
    except OSError as error:
        place = decode(error.filename or "cannot start")
        _refuse(channel, f"{place}: {error.strerror}", CANNOT_START)
    channel.hide(runner)
    runner.serve(lambda: follow(runner, channel))


def _refuse(channel: Channel, problem: str, status: int) -> NoReturn:
    channel.send("error", problem, status)
    channel.flush()
    os._exit(status)


def to_the_end(runner: LiveRunner, channel: Channel) -> None:
    """Runs the program until it ends, and lets it end."""
    runner.catch(("load", "exec"))
    tell_mappings(runner.process, channel)
    while runner.run().reason not in ("exit", "killed"):
        tell_mappings(runner.process, channel)
    channel.flush()
    runner.run()


def tell_mappings(process: Process, channel: Channel) -> None:
    """Which files lie where, from here on."""
    channel.send("maps", mappings(process))


def launch(
    kind: type[R], program: str | None, argv: Sequence[str], env: Sequence[bytes] | None,
    options: Options, inherited: tuple[int, int] | None,
) -> R:  # fmt: skip
    """A runner of that kind for a command line; without `env` the environment is ours."""
    if env is None:
        env = [name + b"=" + value for name, value in os.environb.items()]
    runner = kind.launch(program or argv[0], list(argv), env, options, inherited)
    runner.process.report = report
    return runner
