"""The target: serves the protocol inside the process that runs the guest.

Besides the guest's own threads there are two of ours, deaf to signals.  The listener only waits for
messages; the controlling thread does all the work, and runs the guest.  A request that comes while
the guest runs is put in a queue, and the run is interrupted for as long as it takes to answer.
When the session is gone, so is the target, unless it was told to let the guest go on alone.
"""

from __future__ import annotations

import _thread
import os
import posix
from _queue import SimpleQueue

from blink.abi.encoding import decode
from blink.debugger import requests
from blink.debugger.errors import DebugError
from blink.debugger.start import launch
from blink.debugger.stops import Stops
from blink.debugger.wire import Incompatible, Message, TargetGone, Wire, hello
from blink.replay.live import LiveRunner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from blink.replay.runner import Runner

CONTROL = "control"  # our socket's name among the hidden descriptors
LISTENER_STACK = 1 << 20


class Target:
    """One guest process, or the copy of one that replays it.

    runner    what runs the guest
    wire      the socket to the session
    stops     what the session wants to stop at
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        hidden = runner.process.hidden.fds
        self.wire = Wire(lambda: hidden[CONTROL])
        self.stops = Stops()
        self._inbox: SimpleQueue[Message | None] = SimpleQueue()
        self._moving = False
        self._wanted = False  # the user asked for a stop
        self.alone = False  # the session has let the guest go
        self.sent: int | None = None  # a descriptor to close when its message has gone

    def control(self) -> None:
        """The life of the controlling thread."""
        old = _thread.stack_size(LISTENER_STACK)
        _thread.start_new_thread(self._listen, ())
        _thread.stack_size(old)
        while not self.alone:
            self._answer(self._inbox.get())
        while True:
            self.runner.run()

    def _listen(self) -> None:
        message: Message | None = {}
        while message is not None:
            try:
                message = self.wire.receive()
            except (TargetGone, Incompatible):
                message = None
            self._inbox.put(message)
            if self._moving:
                self.runner.interrupt()

    # --- motions ---

    def begin_motion(self) -> None:
        """From here on the listener interrupts the runner."""
        self._moving, self._wanted = True, False

    def end_motion(self) -> None:
        """Requests wait in the queue again."""
        self._moving = False

    def serve_waiting(self) -> bool:
        """Between two stretches of a run: answers what has come; whether the user wants a stop."""
        while not self._inbox.empty():
            self._answer(self._inbox.get())
        return self._wanted

    @property
    def asked(self) -> bool:
        """Whether requests wait."""
        return not self._inbox.empty()

    def want_stop(self) -> None:
        """The motion, if there is one, ends."""
        self._wanted = self._moving

    # --- answers ---

    def _answer(self, message: Message | None) -> None:
        if message is None:
            self.end()
        reply, fd = reply_to(lambda: requests.handle(self, message, self._moving), message)
        try:
            self.wire.send(reply, fd)
        except TargetGone:
            self.end()
        if self.sent is not None:
            posix.close(self.sent)
            self.sent = None

    def end(self) -> NoReturn:
        """The session is gone, and the guest goes with it."""
        self.runner.process.files.close()
        posix._exit(0)


def serve_copy(runner: Runner, fd: int) -> NoReturn:
    """The life of a copy of a target: it serves `fd`."""
    hidden = runner.process.hidden
    hidden.fds.pop(CONTROL, None)  # closed already
    hidden.adopt(CONTROL, fd)
    target = Target(runner)
    target.wire.send(hello(os.getpid()))
    runner.serve(target.control)
    posix._exit(0)


def keep(runner: Runner, fd: int) -> int:
    """Hides the control socket from a guest, and from its children; its new number."""
    if isinstance(runner, LiveRunner):
        return runner.keep_private(CONTROL, fd)
    return runner.process.hidden.keep(CONTROL, fd)


def reply_to(work: requests.Work, message: Message) -> tuple[Message, int | None]:
    """Does what a request asks for; the reply, and a descriptor that goes with it."""
    reply: Message = {"id": message.get("id")}
    try:
        reply |= work()
    except DebugError as error:
        reply["error"] = str(error)
    except OSError as error:
        reply["error"] = f"{decode(error.filename or 'the host')}: {error.strerror}"
    except Exception:  # our bug: the session shows it
        from traceback import format_exc

        reply["error"] = reply["bug"] = format_exc()
    return reply, reply.pop("fd", None)


def main(fd: int, inherited: tuple[int, int] | None, checked: bool) -> int:
    """Serves a session on a descriptor that the starter handed down; returns without a program."""
    numbers = [fd]
    wire = Wire(lambda: numbers[0])
    runner: list[Runner] = []
    try:
        wire.send(hello(os.getpid()))
        while not runner:
            message = wire.receive()

            def work(message: Message = message) -> Message:
                runner.append(launch(message, inherited, checked))
                numbers[0] = keep(runner[0], numbers[0])
                return requests.where(runner[0])

            wire.send(reply_to(work, message)[0])
    except (TargetGone, Incompatible):
        return 0
    target = Target(runner[0])
    runner[0].serve(target.control)
    return 0
