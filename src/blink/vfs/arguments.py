"""What calls with paths and directories have in common, whatever the root."""

from __future__ import annotations

from blink.abi import numbers as nr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType, TracebackType

    from blink.syscalls._spec import Arg


class Temporary:
    """Descriptors that are open during one call: `with files.temporary(task) as opened`."""

    __slots__ = ("fds", "host")

    def __init__(self, host: ModuleType) -> None:
        self.host = host
        self.fds: list[int] = []

    def __enter__(self) -> list[int]:
        return self.fds

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        for fd in self.fds:
            self.host.now(nr.NR_CLOSE, fd)


def follows(arg: Arg, registers: tuple[int, ...]) -> bool:
    """Whether the last symbolic link of a path argument is followed."""
    if isinstance(arg.follow, bool):
        return arg.follow
    index, bit, sense = arg.follow
    return bool(registers[index] & bit) == sense


def records(data: bytes) -> Iterator[bytes]:
    """The records of getdents: d_ino, d_off, d_reclen, ..."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at + 16 : at + 18], "little")
        yield data[at : at + length]
        at += length
