"""Stand-ins for the native parts, for tests of pure logic."""

from __future__ import annotations

from collections.abc import Callable
from errno import EFAULT, ENAMETOOLONG
from typing import Any

from blink.abi.errors import SysError
from blink.abi.layout import PAGE


class FaultError(Exception):
    """Plays _engine.MemoryFault."""


class FakeMemory:
    """Pages in a dict; records what was asked of the host."""

    def __init__(self, skew: int = 0) -> None:
        self.pages: dict[int, bytearray] = {}
        self.prot: dict[int, int] = {}
        self.prepared: list[tuple[int, int]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.skew = skew

    def _each(self, addr: int, length: int) -> range:
        return range(addr // PAGE, (addr + length + PAGE - 1) // PAGE)

    def map(
        self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0
    ) -> None:
        self.calls.append(("map", addr, length, prot, flags, fd, offset))
        for page in self._each(addr, length):
            self.pages[page] = bytearray(PAGE)
            self.prot[page] = prot

    def unmap(self, addr: int, length: int) -> None:
        self.calls.append(("unmap", addr, length))
        for page in self._each(addr, length):
            self.pages.pop(page, None)

    def protect(self, addr: int, length: int, prot: int) -> None:
        self.calls.append(("protect", addr, length, prot))
        for page in self._each(addr, length):
            self.prot[page] = prot

    def remap(self, old: int, old_length: int, new: int, new_length: int) -> None:
        self.calls.append(("remap", old, old_length, new, new_length))
        data = [self.pages.pop(page) for page in self._each(old, old_length)]
        for page in self._each(new, new_length):
            self.pages[page] = data.pop(0) if data else bytearray(PAGE)

    def read(self, addr: int, length: int) -> bytes:
        return bytes(self._byte(addr + i) for i in range(length))

    def _byte(self, addr: int) -> int:
        page = self.pages.get(addr // PAGE)
        if page is None:
            raise FaultError(addr)
        return page[addr % PAGE]

    def read_cstr(self, addr: int, limit: int = 4096) -> bytes:
        out = bytearray()
        while len(out) < limit and (byte := self._byte(addr + len(out))):
            out.append(byte)
        return bytes(out)

    def write(self, addr: int, data: bytes) -> None:
        for i, byte in enumerate(data):
            page = self.pages.get((addr + i) // PAGE)
            if page is None:
                raise FaultError(addr + i)
            page[(addr + i) % PAGE] = byte

    def prepare_write(self, addr: int, length: int) -> None:
        self.prepared.append((addr, length))


class FakeHidden:
    def with_room(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


class FakeProcess:
    def __init__(self) -> None:
        self.tracer: Any = None
        self.at_exit: list[Callable[[], None]] = []
        self.files = None
        self.hidden = FakeHidden()
        self.lines: list[str] = []
        self.once: set[str] = set()

    def hides(self, fd: int) -> bool:
        return 1000 <= fd < 1010

    def log(self, text: str, who: int | None = 0) -> None:
        self.lines.append(text)

    def log_once(self, text: str) -> None:
        if text not in self.once:
            self.once.add(text)
            self.lines.append(text)


class FakeTask:
    MemoryFault = FaultError

    def __init__(self, host: Callable[..., int] = lambda *_: 0, skew: int = 0) -> None:
        self.memory = FakeMemory(skew)
        self.process = FakeProcess()
        self.host_call = host
        self.tid = 1

    def read_path(self, addr: int) -> bytes:
        try:
            path = self.memory.read_cstr(addr)
        except FaultError:
            raise SysError(EFAULT) from None
        if len(path) >= PAGE:
            raise SysError(ENAMETOOLONG)
        return path
