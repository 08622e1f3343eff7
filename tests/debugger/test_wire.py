"""The protocol: framing, and what happens when the other end is gone, mad or of another version."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from blink.debugger import wire
from blink.debugger.link import Link
from blink.debugger.wire import Incompatible, TargetGone, Wire


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def test_messages_arrive_whole_and_in_order(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = (Wire(end.fileno) for end in ends)
    long = {"id": 2, "data": wire.text_of(bytes(range(256)) * 4096)}
    sent = [{"id": 1, "value": 1 << 255}, long, {"id": 3}]
    sender = threading.Thread(target=lambda: [here.send(message) for message in sent])
    sender.start()
    assert [there.receive() for _ in sent] == sent
    sender.join()
    assert wire.bytes_of(long["data"]) == bytes(range(256)) * 4096  # type: ignore[arg-type]


def test_a_descriptor_travels_with_its_message(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = (Wire(end.fileno) for end in ends)
    reader, writer = os.pipe()
    here.send({"id": 1}, writer)
    os.close(writer)
    fd = there.receive()["fd"]
    os.write(fd, b"x")
    assert os.read(reader, 1) == b"x"
    os.close(fd)
    os.close(reader)


def test_a_dead_peer_is_told_from_a_mad_one(ends: tuple[socket.socket, socket.socket]) -> None:
    here = Wire(ends[0].fileno)
    ends[1].sendall(b"GET / HTTP/1.0\n[1]\n")
    for _ in range(2):
        with pytest.raises(Incompatible, match="no message"):
            here.receive()
    ends[1].close()
    with pytest.raises(TargetGone):
        here.receive()
    with pytest.raises(TargetGone):
        here.send({"id": 1})


def test_a_message_has_a_largest_size(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_MESSAGE", 1000)
    here, there = (Wire(end.fileno) for end in ends)
    with pytest.raises(ValueError, match="bytes"):
        here.send({"id": 1, "data": "x" * 1000})
    ends[0].sendall(b"x" * 2000)
    with pytest.raises(Incompatible, match="more than 1000"):
        there.receive()


@pytest.mark.parametrize(
    ("hello", "match"),
    [
        (wire.hello(1) | {"version": 99}, "version 99 of the protocol, we 1"),
        ({"id": 1}, "no blink target"),
    ],
)
def test_another_version_is_refused(
    ends: tuple[socket.socket, socket.socket], hello: wire.Message, match: str
) -> None:
    Wire(ends[1].fileno).send(hello)
    with pytest.raises(Incompatible, match=match):
        Link(ends[0])
