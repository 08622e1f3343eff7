"""What can be looked at, and changed, where a session stands."""

from __future__ import annotations

from collections.abc import Sequence

from blink.abi.layout import GUEST_TOP
from blink.debugger import frames
from blink.debugger.blocks import Translations
from blink.debugger.core import Core
from blink.debugger.disassembly import MAX_INSTRUCTION, disassemble
from blink.debugger.errors import DebugError
from blink.debugger.frames import Frame
from blink.debugger.modules import Mapping as Mapped
from blink.debugger.modules import Symbols
from blink.debugger.rows import Thread, View
from blink.debugger.timeline import Timeline
from blink.debugger.wire import bytes_of, text_of


class Inspection:
    """The half of a Session that moves nothing."""

    def __init__(self, core: Core, timeline: Timeline) -> None:
        self._core = core
        self._timeline = timeline

    @property
    def tid(self) -> int:
        """The selected thread."""
        return self._core.tid

    @property
    def symbols(self) -> Symbols:
        """Names of addresses, addresses of names."""
        return self._core.symbols

    # --- threads ---

    def threads(self) -> list[Thread]:
        """All of them."""
        return [Thread(*row) for row in self._core.target.ask("threads")["threads"]]

    def select(self, tid: int) -> None:
        """Makes a thread the one that registers() and steps are about.  Raises DebugError."""
        if all(thread.tid != tid for thread in self.threads()):
            raise DebugError(f"there is no thread {tid}")
        self._core.tid = tid

    # --- registers and memory ---

    def registers(self, tid: int | None = None) -> dict[str, int]:
        """All registers of a thread by name."""
        return self._core.registers(tid)

    def set_register(self, name: str, value: int) -> None:
        """Changes a register of the selected thread.  Raises DebugError."""
        if not isinstance(value, int):
            raise DebugError(f"{name} is a number, not {value!r}")
        for target in self._timeline.edited():
            target.ask("set_register", tid=self.tid, name=name, value=value)

    def read(self, address: int, length: int) -> bytes:
        """Bytes, up to the first that is not mapped."""
        return self._core.read(address, length)

    def write(self, address: int, data: bytes) -> None:
        """Stores bytes, whatever the protection is.  Raises DebugError."""
        for target in self._timeline.edited():
            target.ask("write", address=address, data=text_of(data))

    def view(self, pages: Sequence[int]) -> View:
        """What an interface wants at each stop, in one request; pages up to what is not mapped,
        those that registers point to as well."""
        reply = self._core.target.ask("view", tid=self.tid, pages=pages)
        read = dict(zip(pages, map(bytes_of, reply["pages"]), strict=True))
        read |= {at: bytes_of(text) for at, text in reply["pointed"]}
        return View([Thread(*row) for row in reply["threads"]], reply["registers"], read)

    def maps(self) -> list[Mapped]:
        """The mappings, ascending."""
        return self._core.maps()

    def search(
        self, pattern: bytes, start: int = 0, end: int = GUEST_TOP, limit: int = 1000
    ) -> list[int]:
        """Where a pattern lies in memory, ascending."""
        fields = {"start": start, "end": end, "limit": limit}
        ask = self._core.target.ask
        found: list[int] = ask("search", pattern=text_of(pattern), **fields)["found"]
        return found

    def digest(self) -> str:
        """A hash of all registers and memory."""
        return str(self._core.target.ask("digest")["digest"])

    # --- code ---

    def disassemble(
        self, address: int, count: int = 10, syntax: str = "intel"
    ) -> list[tuple[int, bytes, str]]:
        """Instructions from an address on: address, bytes, text.  `syntax`: intel or att."""
        code = self.read(address, count * MAX_INSTRUCTION)
        return disassemble(code, address, count, syntax) if code else []

    def translations(self, start: int, end: int) -> Translations:
        """What the process that shows this time has made of code, for the selected thread."""
        reply = self._core.target.ask("translations", tid=self.tid, start=start, end=end)
        return Translations(reply["translated"], reply["decoded"])

    def backtrace(
        self,
        tid: int | None = None,
        limit: int = 64,
        registers: dict[str, int] | None = None,
        read: frames.Read | None = None,
    ) -> list[Frame]:
        """The frames of a thread, the innermost first; who knows registers and memory, gives
        them."""
        values = self.registers(tid) if registers is None else registers
        return frames.backtrace(values, read or self.read, self.symbols, limit)
