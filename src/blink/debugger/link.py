"""The session's end of a connection to one target process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blink.debugger.errors import DebugError
from blink.debugger.wire import Message, TargetGone, Wire, check_hello
from blink.replay.kept import KeptFiles

START_TIMEOUT = 60.0  # seconds until a new process must have said something
Reply = Callable[[Message], None]


class Link:
    """Requests to a target, and a thread that reads its replies."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._wire = Wire(sock.fileno)
        self._lock = threading.Lock()
        self._next = 0
        self._waiting: dict[int, Reply] = {}
        self._closing = False
        self._child: subprocess.Popen[bytes] | None = None
        self.gone = False
        self.known_points = 0  # the version of the session's breakpoints that it has been told
        sock.setblocking(True)
        if not select.select([sock], [], [], START_TIMEOUT)[0]:
            raise TargetGone("the target says nothing")
        self.pid = check_hello(self._wire.receive())
        threading.Thread(target=self._read, name="blink-link", daemon=True).start()

    @classmethod
    def from_fd(cls, fd: int) -> Link:
        """To a target whose socket came in a message."""
        return cls(socket.socket(fileno=fd))

    # --- requests ---

    def send(self, op: str, reply: Reply, **fields: Any) -> None:
        """A request whose reply comes, later, to a function in the reader's thread."""
        with self._lock:
            if self.gone:
                raise TargetGone(self.end_text())
            self._next += 1
            number = self._next
            self._waiting[number] = reply
            try:
                self._wire.send({"id": number, "op": op, **fields})
            except TargetGone:
                del self._waiting[number]
                if self.reap() is None:  # nobody's child: all that is known is the broken pipe
                    raise
                raise TargetGone(self.end_text()) from None

    def ask(self, op: str, **fields: Any) -> Message:
        """A request, and its reply.  Raises DebugError, TargetGone."""
        done = threading.Event()
        box: list[Message] = []

        def keep(message: Message) -> None:
            box.append(message)
            done.set()

        self.send(op, keep, **fields)
        done.wait()
        return checked(box[0])

    # --- the reader ---

    def _read(self) -> None:
        while True:
            try:
                message = self._wire.receive()
            except DebugError:
                break
            with self._lock:
                reply = self._waiting.pop(message.get("id", 0), None)
            if reply is not None:
                reply(message)
        self._lost()

    def _lost(self) -> None:
        with self._lock:
            self.gone = True
            waiting, self._waiting = self._waiting, {}
        if not self._closing:
            self.reap()
        for reply in waiting.values():
            reply({"error": self.end_text(), "gone": True})
        self._socket.close()

    # --- the end ---

    def own(self, child: subprocess.Popen[bytes]) -> None:
        """The process at the other end is our child."""
        self._child = child

    def reap(self, timeout: float | None = 5.0) -> int | None:
        """Waits for the process; its exit status, negative for a signal, None when unknown."""
        if self._child is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._child.wait(timeout)
        return None

    def end_text(self) -> str:
        """What is known of how the target ended."""
        # Not poll(): it knows nothing while another thread waits for the process.
        status = self.reap(0.0 if self._closing else 5.0)
        if status is None:
            return "the process of the program is gone"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"the process of the program was killed by {signal.Signals(-status).name}"
        return f"the process of the program has ended with status {status}"

    def leave(self) -> None:
        """Ends the connection; the target goes on."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the target, and the reader."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._child is not None:
            try:
                self._child.wait(2.0)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()


def checked(message: Message) -> Message:
    """A reply that is no error.  Raises DebugError or TargetGone."""
    if "bug" in message:
        raise RuntimeError(f"in the target: {message['bug']}")
    if message.get("gone"):
        raise TargetGone(message["error"])
    if "error" in message:
        raise DebugError(message["error"])
    return message


Stdio = tuple[int, int, int] | int | None


def spawn(stdio: Stdio, cwd: str | None) -> Link:
    """Starts a target that has no program yet.

    stdio: three descriptors, or one terminal, which becomes the controlling one; None inherits.
    Raises DebugError.
    """
    return _spawn(stdio, cwd, ())


def spawn_replay(recording: str) -> tuple[Link, KeptFiles]:
    """Starts a target at the beginning of a recording; the files that this holds.  Raises
    DebugError."""
    try:
        fd = os.open(recording, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DebugError(f"{recording}: {error.strerror}") from None
    kept = KeptFiles(fd)
    try:
        target = _spawn((subprocess.DEVNULL,) * 3, None, (fd,))
    except DebugError:
        kept.close()
        raise
    try:
        target.ask("replay", log=fd)
    except DebugError as error:
        kept.close()
        target.close()
        raise DebugError(f"{recording}: {error}") from None
    return target, kept


def _spawn(stdio: Stdio, cwd: str | None, others: tuple[int, ...]) -> Link:
    ours, theirs = socket.socketpair()
    terminal = isinstance(stdio, int)
    fds: tuple[int | None, ...] = (stdio,) * 3 if isinstance(stdio, int) else stdio or (None,) * 3
    try:
        child = subprocess.Popen(
            [*_command(), f"--debug-target={theirs.fileno()}"],
            stdin=fds[0],
            stdout=fds[1],
            stderr=fds[2],
            cwd=cwd,
            pass_fds=(theirs.fileno(), *others),
            start_new_session=terminal,
        )
    except OSError as error:
        ours.close()
        raise DebugError(f"cannot start a process: {error.strerror}") from None
    finally:
        theirs.close()
    try:
        link = Link(ours)
    except DebugError as error:
        child.kill()
        raise DebugError(f"the target did not start: {error} ({child.wait()})") from None
    link.own(child)
    return link


def _command() -> list[str]:
    """How to start a target: the native launcher, which leaves low addresses to the guest, else
    this interpreter."""
    places = [Path("/proc/self/exe").resolve()] if _is_launcher() else []
    places += [Path(sys.executable).parent / "blink", Path(sysconfig.get_path("scripts")) / "blink"]
    for place in places:
        if os.access(place, os.X_OK):
            return [str(place)]
    source = str(Path(__file__).parents[2])
    code = (
        "import sys; sys.path.append(sys.argv.pop(1));"
        " from blink.cli.main import main; sys.exit(main())"
    )
    return [sys.executable, "-I", "-S", "-X", "utf8", "-c", code, source]


def _is_launcher() -> bool:
    """Whether this very process is the `blink` command."""
    return Path("/proc/self/exe").resolve().name.startswith("blink")
