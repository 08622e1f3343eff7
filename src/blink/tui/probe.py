"""One look at the program where it stands: what panels ask for, each thing asked once."""

from __future__ import annotations

from blink.debugger.blocks import Translations
from blink.tui import code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from blink.debugger.session import Session
    from blink.tui.code import Access, Line

    T = TypeVar("T")

PAGE = 4096
EXEC = 4
FRAMES = 64
PAGES = 64  # that are asked for at once
CHAIN = 3  # how many pointers are followed
STRING = 48  # bytes of a string that are shown
PRINTABLE = frozenset(range(32, 127)) | {9, 10}


class Probe:
    """The program at one time.  Lives in the driver's thread and ends when the program moves."""

    def __init__(self, session: Session, history: History) -> None:
        self.session = session
        self.history = history
        self.time = session.time
        self.end = session.end
        self.tid = session.tid
        self._pages: dict[int, bytes] = {}
        self._looked = False
        self._used: set[int] = set()  # pages, since then
        self._known: dict[object, Any] = {}
        self._registers: dict[str, int] | None = None
        self._threads: list[Any] | None = None

    def look(self, code: Iterable[int] = ()) -> None:
        """Asks at once for what panels will want: what they wanted the last time, and the code at
        these addresses."""
        if self._looked:
            return
        wanted = {address & -PAGE for address in code}.union(self.history.pages[-PAGES:])
        view = self.ask(self.session.view, None, tuple(sorted(wanted)))
        self.history.pages = []
        self._looked = True
        if view is not None:
            self._pages |= view.pages
            self._registers = view.registers
            self._threads = view.threads

    @property
    def registers(self) -> dict[str, int]:
        """The registers of the selected thread; empty when there is no program any more."""
        if self._registers is None:
            nothing: dict[str, int] = {}
            self._registers = self.ask(self.session.registers, nothing)
        return self._registers

    def ask(self, question: Callable[..., T], otherwise: T, *words: Any, **names: Any) -> T:
        """Asks the session, once; `otherwise` where it has no answer."""
        key = (getattr(question, "__name__", question), words, *names.items())
        if key not in self._known:
            try:
                self._known[key] = question(*words, **names)
            except self.history.refusals:
                self._known[key] = otherwise
        answer: T = self._known[key]
        return answer

    @property
    def previous(self) -> dict[str, int]:
        """The registers at the stop before this one."""
        return self.history.registers

    @property
    def rip(self) -> int:
        return self.registers.get("rip", 0)

    @property
    def rsp(self) -> int:
        return self.registers.get("rsp", 0)

    def changed(self, name: str) -> bool:
        """Whether a register is another than at the stop before."""
        old = self.previous.get(name)
        return old is not None and old != self.registers.get(name)

    # --- memory ---------------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes:
        """The bytes from an address on, up to the first that is not mapped."""
        parts = []
        while length > 0:
            page, offset = address & -PAGE, address & (PAGE - 1)
            part = self._page(page)[offset : offset + length]
            parts.append(part)
            address += len(part)
            length -= len(part)
            if not part or (length and address & (PAGE - 1)):
                break
        return b"".join(parts)

    def _page(self, start: int) -> bytes:
        known = 0 <= start < 1 << 64
        if known and self._looked and start not in self._used:
            self._used.add(start)
            self.history.pages.append(start)
        if start not in self._pages:
            self._pages[start] = self.ask(self.session.read, b"", start, PAGE) if known else b""
        return self._pages[start]

    def word(self, address: int) -> int | None:
        """The 64-bit word at an address, None where nothing is mapped."""
        data = self.read(address, 8)
        return int.from_bytes(data, "little") if len(data) == 8 else None

    @property
    def maps(self) -> list[Any]:
        return self.ask(self.session.maps, [])

    def mapping(self, address: int) -> Any | None:
        """The mapping that holds an address."""
        return next((m for m in self.maps if m.start <= address < m.end), None)

    @property
    def frames(self) -> list[Any]:
        """The backtrace of the selected thread."""
        return self.ask(self._backtrace, [])

    def _backtrace(self) -> list[Any]:
        frames: list[Any] = self.session.backtrace(
            limit=FRAMES, registers=self.registers, read=self.read
        )
        return frames

    def translations(self, start: int, end: int) -> Translations:
        """What the engine has made of a range of code."""
        return self.ask(self.session.translations, Translations([], []), start, end)

    @property
    def threads(self) -> list[Any]:
        if self._threads is None:
            nobody: list[Any] = []
            self._threads = self.ask(self.session.threads, nobody)
        return self._threads

    @property
    def stops(self) -> list[Any]:
        """Breakpoints, watchpoints and catchpoints."""
        return self.ask(self.session.breakpoints, [])

    # --- names ----------------------------------------------------------------------------------

    def place(self, address: int) -> Any | None:
        """Symbol, offset, file and line of an address of code."""
        return self.ask(self.session.symbols.at, None, address)

    def source(self, address: int) -> tuple[str, int] | None:
        """File and line of an address of code."""
        place = self.place(address)
        return None if place is None else source_of(place)

    def name(self, address: int) -> str:
        """`symbol+0x12`, or an empty text."""
        place = self.place(address)
        if place is None or not place.name:
            return ""
        return f"{place.name}+{place.offset:#x}" if place.offset else str(place.name)

    def meaning(self, value: int, depth: int = CHAIN) -> list[tuple[str, str]]:
        """What a value may stand for, followed like a telescope: pairs of a text and its style."""
        chain: list[tuple[str, str]] = []
        while depth and value >= PAGE and (mapping := self.mapping(value)):
            depth -= 1
            if mapping.prot & EXEC and (name := self.name(value)):
                return [*chain, (f" → {name}", "symbol")]
            if text := self.string(value):
                return [*chain, (f' → "{text}"', "string")]
            if (value_there := self.word(value)) is None:
                break
            value = value_there
            chain.append((f" → {value:#x}", "number"))
        return chain

    def string(self, address: int) -> str:
        """The text at an address if there is one of four characters or more; escaped."""
        data = self.read(address, STRING)
        text = data.partition(b"\0")[0]
        if len(text) < 4 or not PRINTABLE.issuperset(text):
            return ""
        cut = "…" if len(text) == STRING else ""
        return text.decode("ascii").replace("\n", "\\n").replace("\t", "\\t") + cut

    # --- code -----------------------------------------------------------------------------------

    def lines(self, address: int, count: int) -> list[Line]:
        """Up to `count` instructions from an address on."""
        return code.decode(self.read(address, count * 15), address, count)

    def here(self) -> Line | None:
        """The instruction that runs next."""
        return next(iter(self.lines(self.rip, 1)), None)

    def accesses(self, registers: dict[str, int] | None = None) -> list[Access]:
        """The memory that the next instruction touches; or that which has these registers."""
        values = self.registers if registers is None else registers
        rip = values.get("rip", 0)
        return code.accesses(self.read(rip, 15), rip, values)


def source_of(place: Any) -> tuple[str, int] | None:
    """File and line of a Place, if it has them."""
    line = place.line
    return None if line is None or not line.file else (line.file, line.line)


class History:
    """What the driver remembers from stop to stop: registers, accesses, visits of code."""

    def __init__(self, refusals: tuple[type[Exception], ...] = (OSError, ValueError)) -> None:
        self.refusals = refusals
        self.registers: dict[str, int] = {}
        self.accesses: dict[int, tuple[int, int, bool]] = {}  # address -> (when, size, written)
        self.last_read = self.last_write = 0
        self.pages: list[int] = []  # that the last look needed
        self.visits: dict[int, int] = {}
        self.exact = True  # all that ran was counted; else what was stepped, and samples
        self.samples: dict[str, int] = {}
        self._clock = 0

    def forget(self) -> None:
        """The program starts again."""
        self.__init__(self.refusals)  # type: ignore[misc]

    def access(self, access: Access) -> None:
        """Notes an access; only the newest few are kept."""
        self._clock += 1
        self.accesses.pop(access.address, None)
        self.accesses[access.address] = (self._clock, access.size, access.write)
        if len(self.accesses) > 64:
            del self.accesses[next(iter(self.accesses))]
        if access.write:
            self.last_write = access.address
        else:
            self.last_read = access.address

    def visit(self, rip: int) -> None:
        """Notes that an instruction ran."""
        self.visits[rip] = self.visits.get(rip, 0) + 1

    def sample(self, name: str) -> None:
        """Notes in which function the program was seen."""
        self.samples[name] = self.samples.get(name, 0) + 1

    def heats(self, start: int, end: int, unit: int = 1) -> dict[int, tuple[int, bool]]:
        """(age, written) of the newest access to each cell of `unit` bytes from `start` up to
        `end`, by the cell's address; age 0 is the newest of all."""
        found: dict[int, tuple[int, bool]] = {}
        for address, (when, size, write) in self.accesses.items():  # the newest comes last
            if address >= end or address + size <= start:
                continue
            first = start + (max(address, start) - start) // unit * unit
            for cell in range(first, min(address + size, end), unit):
                found[cell] = self._clock - when, write
        return found
