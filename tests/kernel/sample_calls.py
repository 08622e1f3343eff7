"""Calls that exist for tests of the framework only; numbers from 9001."""
# ruff: noqa: F821

from collections.abc import Callable
from typing import Any

from blink.abi.flags import FlagSet
from blink.abi.structs import S32, TIMESPEC, U64
from blink.syscalls._spec import (
    CALLS,
    Array,
    Bits,
    Buffer,
    Fd,
    Flags,
    In,
    InOut,
    Int,
    Iov,
    Long,
    Mode,
    Out,
    Path,
    Size,
    Sockaddr,
    Struct,
    UInt,
    ULong,
    syscall,
)

OPEN = FlagSet({"O_CREAT": 0o100}, enum={0: "O_RDONLY", 1: "O_WRONLY", 2: "O_RDWR"}, mask=3)
sink: Callable[..., Any] = lambda *_: 0  # noqa: E731
_before = set(CALLS)


@syscall(9001)
def sample_values(task: Any, a: Int, b: UInt, c: Long, d: ULong) -> Any:
    return sink(a, b, c, d)


@syscall(9002, passthrough=True)
def sample_read(fd: Fd, buf: Out[Buffer, "count"], count: Size) -> None:
    pass


@syscall(9003, passthrough=True)
def sample_pipe(fds: Out[Array, S32, 2]) -> None:
    pass


@syscall(9004, passthrough=True)
def sample_poll(fds: InOut[Array, U64, "n"], n: Size, timeout: In[Struct, TIMESPEC]) -> None:
    pass


@syscall(9005, passthrough=True)
def sample_iov(fd: Fd, iov: Out[Iov, "count"], count: Int) -> None:
    pass


@syscall(9006)
def sample_open(task: Any, path: Path, flags: Flags[Int, OPEN], mode: Mode) -> Any:
    return sink(path, flags, mode)


@syscall(9007, passthrough=True)
def sample_select(n: Int, fds: InOut[Bits, "n"]) -> None:
    pass


@syscall(9008, passthrough=True)
def sample_accept(fd: Fd, addr: Out[Sockaddr, "addrlen"], addrlen: InOut[Struct, S32]) -> None:
    pass


SAMPLES = {number: CALLS.pop(number) for number in set(CALLS) - _before}
