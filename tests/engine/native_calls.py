"""Definitions for the tests of the native path: one of each kind of argument."""

import contextlib
from collections.abc import Iterator

from blink.abi.structs import IOVEC, U32
from blink.syscalls import _spec

# ruff: noqa: F821 - a length rule names an argument
from blink.syscalls._spec import (
    ALWAYS,
    UNLESS_POLICY,
    Array,
    Bits,
    Buffer,
    By,
    Call,
    Fd,
    In,
    InOut,
    Int,
    Iov,
    Long,
    NewFd,
    Opaque,
    Out,
    Path,
    Sigset,
    Size,
    Sockaddr,
    Struct,
    UInt,
    syscall,
)


@contextlib.contextmanager
def _own_table() -> Iterator[dict[int, Call]]:
    """Definitions made inside go into a table of their own."""
    real = dict(_spec.CALLS)
    _spec.CALLS.clear()
    try:
        yield _spec.CALLS
    finally:
        _spec.CALLS.clear()
        _spec.CALLS.update(real)


F_GETFD, F_GETLK = 1, 5
FCNTL = {F_GETFD: Int, F_GETLK: InOut[Buffer, 32]}

with _own_table() as made:

    @syscall(0, passthrough=True)
    def read(fd: Fd, buf: Out[Buffer, "count"], count: Size) -> None:
        """Implements read(2)."""

    @syscall(1, passthrough=True)
    def write(fd: Fd, buf: In[Buffer, "count"], count: Size) -> None:
        """Implements write(2)."""

    @syscall(3)
    def close(task: object, fd: Fd) -> None:
        """A call that Python must do."""

    @syscall(7, passthrough=True)
    def poll(fds: InOut[Buffer, "nfds"], nfds: UInt, timeout: Int) -> None:
        """Implements poll(2), less the size of its structure."""

    @syscall(19, passthrough=True)
    def readv(fd: Fd, iov: Out[Iov, "count"], count: Size) -> None:
        """Implements readv(2)."""

    @syscall(20, passthrough=True)
    def writev(fd: Fd, iov: In[Iov, "count"], count: Size) -> None:
        """Implements writev(2)."""

    @syscall(21, passthrough=True)
    def access(path: Path, mode: Int) -> None:
        """Implements access(2)."""

    @syscall(22, passthrough=True)
    def pipe(fds: Out[Array, U32, 2]) -> None:
        """Implements pipe(2)."""

    @syscall(23, passthrough=True)
    def select(
        nfds: Int, readfds: InOut[Bits, "nfds"], writefds: InOut[Bits, "nfds"],
        exceptfds: InOut[Bits, "nfds"], timeout: InOut[Struct, IOVEC],
    ) -> None:  # fmt: skip
        """Implements select(2); a timeval has the size of an iovec."""

    @syscall(33, native=ALWAYS)
    def dup2(task: object, fd: Fd, new: NewFd) -> int:
        """Python's when the new number is ours."""

    @syscall(39, passthrough=True)
    def getpid() -> None:
        """Implements getpid(2)."""

    @syscall(51, passthrough=True)
    def getsockname(fd: Fd, addr: Out[Sockaddr, "addrlen"], addrlen: InOut[Struct, U32]) -> None:
        """Implements getsockname(2)."""

    @syscall(72, native=ALWAYS)
    def fcntl(task: object, fd: Fd, command: Int, arg: By[Long, "command", FCNTL]) -> int:
        """Python's when the command is not known."""

    @syscall(79, native=UNLESS_POLICY)
    def getcwd(task: object, buf: Out[Buffer, "size"], size: Size) -> int:
        """Python's while paths are under policy."""

    @syscall(270, native=ALWAYS)
    def pselect6(
        task: object, nfds: Int, readfds: InOut[Bits, "nfds"], writefds: InOut[Bits, "nfds"],
        exceptfds: InOut[Bits, "nfds"], timeout: InOut[Struct, IOVEC], mask: Opaque[Struct, IOVEC],
    ) -> int:  # fmt: skip
        """Python's when there is a mask."""

    @syscall(271, passthrough=True)
    def ppoll(
        fds: InOut[Buffer, "nfds"], nfds: UInt, timeout: InOut[Struct, IOVEC], mask: Sigset,
        size: Size,
    ) -> None:  # fmt: skip
        """Implements ppoll(2), less the size of its structure."""

    CALLS = tuple(made.values())
