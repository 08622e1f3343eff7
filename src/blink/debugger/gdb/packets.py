"""Packets of GDB's remote protocol: `$data#checksum`, acknowledged until both agree not to.

Source: the GDB manual, appendix E, "Overview" and "Packet Acknowledgment".
"""

from __future__ import annotations

import socket

INTERRUPT = b"\x03"  # ctrl-C, outside of packets
MAX_PACKET = 1 << 17
_ESCAPE, _FLIP = 0x7D, 0x20
_SPECIAL = frozenset(b"#$}*")


class Disconnected(Exception):
    """GDB has closed the connection."""


class Packets:
    """The server's end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._last = b""
        self.acknowledge = True

    def fileno(self) -> int:
        """For select()."""
        return self._connection.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something has come that receive() has not given yet."""
        return bool(self._buffer)

    def receive(self) -> bytes:
        """The contents of the next packet, or INTERRUPT.  Raises Disconnected."""
        while True:
            found = self._next()
            if found is not None:
                return found
            self._more()

    def _more(self) -> None:
        try:
            data = self._connection.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise Disconnected
        self._buffer += data
        if len(self._buffer) > 4 * MAX_PACKET:
            raise Disconnected

    def _next(self) -> bytes | None:
        """A packet of what has come already; bad checksums are asked for again."""
        buffer = self._buffer
        while buffer:
            first = buffer[0]
            if first == INTERRUPT[0]:
                del buffer[0]
                return INTERRUPT
            if first != ord("$"):
                del buffer[0]
                if first == ord("-"):
                    self._connection.sendall(self._last)
                continue
            end = buffer.find(b"#")
            if end < 0 or len(buffer) < end + 3:
                return None
            body, sent = bytes(buffer[1:end]), bytes(buffer[end + 1 : end + 3])
            del buffer[: end + 3]
            good = sent.lower() == b"%02x" % (sum(body) & 0xFF)
            if self.acknowledge:
                self._connection.sendall(b"+" if good else b"-")
            if good or not self.acknowledge:
                return unescaped(body)
        return None

    def send(self, data: bytes) -> None:
        """Raises Disconnected."""
        body = escaped(data)
        self._last = b"$" + body + b"#%02x" % (sum(body) & 0xFF)
        try:
            self._connection.sendall(self._last)
        except OSError:
            raise Disconnected from None


def escaped(data: bytes) -> bytes:
    """Binary data as it may stand in a packet."""
    if _SPECIAL.isdisjoint(data):
        return data
    out = bytearray()
    for byte in data:
        out += bytes((_ESCAPE, byte ^ _FLIP)) if byte in _SPECIAL else bytes((byte,))
    return bytes(out)


def unescaped(data: bytes) -> bytes:
    """What `escaped` was given."""
    first, *rest = data.split(bytes((_ESCAPE,)))
    return first + b"".join(bytes((part[0] ^ _FLIP,)) + part[1:] for part in rest if part)
