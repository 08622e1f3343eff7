"""The protocol between a session and the process that runs the guest: JSON lines on a socket pair.

    {"id": 7, "op": "read", "address": 4096, "length": 16}      a request
    {"id": 7, "data": "AAAA..."}                                its reply
    {"id": 7, "error": "0x1000 is not mapped"}                  the reply when the user can mend it
    {"hello": "blink", "version": 1, "pid": 4711}               the target's first line

Bytes are base64 text; numbers may have any width.  A reply may carry one descriptor (SCM_RIGHTS).
Each request has exactly one reply; replies come in any order, because a request that is made while
the guest runs is served between two stretches of the run.
"""

from __future__ import annotations

import array
import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from blink.debugger.errors import DebugError

VERSION = 1
MAX_MESSAGE = 64 << 20
_CHUNK = 1 << 18

Message = dict[str, Any]


class TargetGone(DebugError):
    """The process that runs the guest is not there any more."""


class Incompatible(DebugError):
    """The two ends speak different versions of the protocol."""


class Wire:
    """One end.  One thread may receive while another sends.

    `fileno` gives the descriptor anew each time: the kernel layer moves ours out of a guest's way.
    """

    __slots__ = ("_fds", "_fileno", "_lines", "_rest", "_sizes")

    def __init__(self, fileno: Callable[[], int]) -> None:
        self._fileno = fileno
        self._rest: list[bytes] = []
        self._sizes = 0
        self._lines: list[bytes] = []
        self._fds: list[int] = []

    def send(self, message: Message, fd: int | None = None) -> None:
        """Raises TargetGone when nobody listens."""
        if fd is not None:
            message = message | {"fd": True}
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if len(data) > MAX_MESSAGE:
            raise ValueError(f"a message of {len(data)} bytes")
        ancillary = []
        if fd is not None:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        with _Borrowed(self._fileno()) as peer:
            try:
                sent = peer.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)
                peer.sendall(memoryview(data)[sent:], socket.MSG_NOSIGNAL)
            except OSError as error:
                raise TargetGone(f"the other end is gone: {error.strerror}") from None

    def receive(self) -> Message:
        """The next message; a descriptor that came with it is its "fd".

        Raises TargetGone at the end of the stream, Incompatible for what is no message.
        """
        while not self._lines:
            self._more()
        message = _parse(self._lines.pop(0))
        if message.get("fd") is True:
            message["fd"] = self._fds.pop(0) if self._fds else -1
        return message

    def _more(self) -> None:
        with _Borrowed(self._fileno()) as peer:
            try:
                data, ancillary, _, _ = peer.recvmsg(_CHUNK, socket.CMSG_SPACE(4))
            except OSError as error:
                raise TargetGone(f"the other end is gone: {error.strerror}") from None
        if not data:
            raise TargetGone("the other end has closed")
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._fds.append(int.from_bytes(payload[:4], "little"))
        self._sizes += len(data)
        if self._sizes > MAX_MESSAGE:
            raise Incompatible(f"a message of more than {MAX_MESSAGE} bytes")
        self._split(data)

    def _split(self, data: bytes) -> None:
        if b"\n" not in data:
            self._rest.append(data)
            return
        *lines, rest = b"".join((*self._rest, data)).split(b"\n")
        self._lines = lines
        self._rest = [rest]
        self._sizes = len(rest)


class _Borrowed:
    """A descriptor as a socket object, for as long as a `with` block."""

    __slots__ = ("_socket",)

    def __init__(self, fd: int) -> None:
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
        except (OSError, ValueError) as error:  # closed by ourselves
            raise TargetGone(f"the other end is gone: {error}") from None

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.detach()


def _parse(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except ValueError:
        raise Incompatible(f"this is no message: {line[:60]!r}") from None
    if not isinstance(message, dict):
        raise Incompatible(f"this is no message: {line[:60]!r}")
    return message


def hello(pid: int) -> Message:
    """What a target says first."""
    return {"hello": "blink", "version": VERSION, "pid": pid}


def check_hello(message: Message) -> int:
    """The process number of a target that we can talk to.  Raises Incompatible."""
    if message.get("hello") != "blink":
        raise Incompatible("the other end is no blink target")
    if message.get("version") != VERSION:
        raise Incompatible(
            f"the target speaks version {message.get('version')} of the protocol, we {VERSION}"
        )
    return int(message["pid"])


def text_of(data: bytes) -> str:
    """Bytes, as they travel."""
    return b64encode(data).decode()


def bytes_of(text: str) -> bytes:
    """What `text_of` was given."""
    return b64decode(text, validate=True)
