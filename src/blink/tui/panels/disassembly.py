"""Disassembly: code around the instruction that runs next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding

from blink.tui import code
from blink.tui.panel import Content, Panel, Row, row
from blink.tui.panels._arrows import WIDTH, arrows
from blink.tui.sources import Sources

if TYPE_CHECKING:
    from textual import events

    from blink.tui.code import Line
    from blink.tui.probe import Probe

BEHIND = 4096  # a function is decoded from its start if that is no further back
WIDE, NARROW = 60, 46
BLOCK, TRANSLATED, DECODED = "▛▌▘"  # begins a translated block; is in one; begins a decoded one
LANES = " " * WIDTH  # until the arrows are known


class Disassembly(Panel):
    """Keeps still while RIP moves within it; scrolls when it leaves."""

    TITLE: ClassVar[str] = "Disassembly"
    SHORT: ClassVar[str] = "Asm"
    BINDINGS = [
        Binding("shift+up", "scroll_lines(-1)", show=False),
        Binding("shift+down", "scroll_lines(1)", show=False),
    ]

    class Wheel(Panel.Stale):
        """The wheel turned over the code: a step in time; negative goes back."""

        def __init__(self, steps: int) -> None:
            super().__init__()
            self.steps = steps

    def __init__(self, **names: Any) -> None:
        super().__init__(**names)
        self.top = 0
        self.pinned: int | None = None  # an address that the user wants to see
        self.shift = 0  # lines scrolled from there
        self.sources = Sources()

    # --- what the user does ---------------------------------------------------------------------

    def look_at(self, address: int | None) -> None:
        """Shows an address; None follows RIP again."""
        self.pinned = address
        self.shift = 0
        self.stale()

    def action_scroll_lines(self, count: int) -> None:
        self.shift += count
        self.stale()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1)

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        event.stop()
        if event.shift:
            self.action_scroll_lines(3 * direction)
        else:
            self.post_message(self.Wheel(direction))

    def on_click(self, event: events.Click) -> None:
        address = self.target_at(event.y)
        if address is not None:
            what = "breakpoint" if event.x < 4 or event.chain > 1 else "place"
            self.post_message(self.Chosen(self, address, what))

    # --- rows -----------------------------------------------------------------------------------

    def collect(self, probe: Probe) -> Content:
        if not probe.registers:
            return Content([row((" the program has ended", "dim"))])
        height, width = self.size.height, self.size.width
        focus = probe.rip if self.pinned is None else self.pinned
        lines = self._window(probe, focus, height)
        marks = self._marks(probe)
        made = _made(probe, lines)
        rows, targets, addresses = self._rows(probe, lines, marks, made, width, height)
        jumps = arrows(addresses, {ln.address: ln.target for ln in lines}, probe.rip)
        rows = [_with_arrow(cells, jumps[y]) for y, cells in enumerate(rows)]
        return Content(rows, targets, f"{probe.name(probe.rip)}{_counted(probe, width)}")

    def _window(self, probe: Probe, focus: int, height: int) -> list[Line]:
        """The lines from the top of the panel on; the top moves only if it must."""
        lines = probe.lines(self.top, height) if self.top else []
        inner = [ln.address for ln in lines[: max(1, height - 2)]]
        if self.shift or focus not in inner:
            above = max(1, height // 3) - self.shift
            self.shift = 0 if self.pinned is None else self.shift
            self.top = before(probe, focus, above) if above > 0 else after(probe, focus, -above)
            lines = probe.lines(self.top, height)
        return lines

    def _marks(self, probe: Probe) -> dict[int, str]:
        """The mark of each address with a breakpoint."""
        marks: dict[int, str] = {}
        for stop in probe.stops:
            if stop.kind == "breakpoint":
                marks |= dict.fromkeys(stop.addresses, "●" if stop.enabled else "○")
        return marks

    def _rows(
        self,
        probe: Probe,
        lines: list[Line],
        marks: dict[int, str],
        made: dict[int, str],
        width: int,
        height: int,
    ) -> tuple[list[Row], list[int | None], list[int | None]]:
        rows: list[Row] = []
        targets: list[int | None] = []
        addresses: list[int | None] = []
        seen: tuple[str, int] | None = None
        for line in lines:
            place = probe.place(line.address)
            if place is not None and place.name and not place.offset and rows:
                rows.append(row((f"{'':4}{place.name}:", "header")))
                targets.append(line.address)
                addresses.append(None)
            source = probe.source(line.address)
            if source is not None and source != seen and self.sources.line(*source).strip():
                seen = source
                rows.append(self._source(seen))
                targets.append(line.address)
                addresses.append(None)
            mark, block = marks.get(line.address, " "), made.get(line.address, " ")
            rows.append(self._row(probe, line, mark, block, width))
            targets.append(line.address)
            addresses.append(line.address)
        rows, targets, addresses = self._trim(probe, rows, targets, addresses, height)
        return rows, targets, addresses

    def _trim(
        self,
        probe: Probe,
        rows: list[Row],
        targets: list[int | None],
        addresses: list[int | None],
        height: int,
    ) -> tuple[list[Row], list[int | None], list[int | None]]:
        """Rows of source push the present down: those above give way."""
        focus = probe.rip if self.pinned is None else self.pinned
        at = addresses.index(focus) if focus in addresses else 0
        start = max(0, at - height + 3)
        cut = slice(start, start + height)
        return rows[cut], targets[cut], addresses[cut]

    def _source(self, seen: tuple[str, int]) -> Row:
        text = self.sources.line(*seen).strip()
        return row((f"{'':4}{seen[1]:>5} ", "dim"), (text, "source"))

    def _row(self, probe: Probe, line: Line, mark: str, block: str, width: int) -> Row:
        here = " current" if line.address == probe.rip else ""
        arrow = "▶" if here else " "
        address = f"{line.address:012x}" if width >= NARROW else f"…{line.address & 0xFFFFF:05x}"
        count = probe.history.visits.get(line.address)
        parts = [
            (mark, ("mark" if mark == "●" else "off") + here),
            (arrow, "current"[: 7 * bool(here)]),
            (address, "address" + here),
            (block, "block" + here),
            (LANES, "arrow" + here),
        ]
        if width >= WIDE:
            parts.append((f"{count or '':>4} ", "dim" + here))
        parts.append((f"{line.mnemonic:<7} ", _flavour(line) + here))
        name = probe.name(line.target) if line.target is not None else ""
        if name:
            return (*parts, (name, "symbol" + here))
        parts += [(text, names + here) for text, names in operands(line.operands)]
        if note := self._note(probe, line):
            parts.append((f"  {note[0]}", note[1] + here))
        return tuple(parts)

    def _note(self, probe: Probe, line: Line) -> tuple[str, str] | None:
        """What the operand of a line is called."""
        if line.memory is not None:
            if name := probe.name(line.memory):
                return f"<{name}>", "symbol"
            if text := probe.string(line.memory):
                return f'"{text}"', "string"
        return None


def _made(probe: Probe, lines: list[Line]) -> dict[int, str]:
    """The mark of each address whose code the engine has translated, or where a block begins."""
    if not lines:
        return {}
    made = probe.translations(lines[0].address, lines[-1].end)
    starts = {address for address, _ in made.translated}
    found = dict.fromkeys(made.decoded, DECODED)
    for line in lines:
        if line.address in starts:
            found[line.address] = BLOCK
        elif any(first < line.address < first + length for first, length in made.translated):
            found[line.address] = TRANSLATED
    return found


def _counted(probe: Probe, width: int) -> str:
    """What the counts beside the lines are, where there is room for them."""
    history = probe.history
    sampled = history.visits and not history.exact and width >= WIDE
    return "  counts: sampled" if sampled else ""


def _with_arrow(cells: Row, arrow: str) -> Row:
    """Puts the lanes of jumps where the row has room for them."""
    return tuple(
        (arrow, names) if text is LANES and "arrow" in names else (text, names)
        for text, names in cells
    )


def _flavour(line: Line) -> str:
    return "jump" if line.flow else "mnemonic"


def operands(text: str) -> list[tuple[str, str]]:
    """Operands in parts: registers, numbers, the rest."""
    parts: list[tuple[str, str]] = []
    word = ""
    for character in text + "\0":
        if character.isalnum() or character in "_%$.":
            word += character
            continue
        if word:
            parts.append((word, _kind(word)))
            word = ""
        if character != "\0":
            parts.append((character, "operand"))
    return parts


WORDS = frozenset("ptr byte word dword qword xmmword ymmword tbyte short near far bcst".split())


def _kind(word: str) -> str:
    if word[0].isdigit() or word.startswith("$"):
        return "number"
    return "dim" if word in WORDS else "register"


def before(probe: Probe, address: int, count: int) -> int:
    """The address `count` instructions before one, as far as it can be known."""
    place = probe.place(address)
    starts: list[int] = []
    if place is not None and place.name and 0 < place.offset <= BEHIND:
        start = address - place.offset
        starts = code.lengths(probe.read(start, place.offset), start)
    if not starts or starts[-1] >= address or not _lands(probe, starts[-1], address):
        starts = _guess(probe, address)
    return starts[-count] if len(starts) >= count else (starts[0] if starts else address)


def _lands(probe: Probe, last: int, address: int) -> bool:
    """Whether the last instruction ends where the next is to begin."""
    lines = probe.lines(last, 1)
    return bool(lines) and lines[0].end == address


def _guess(probe: Probe, address: int) -> list[int]:
    """Instruction starts before an address with no symbol: the longest chain that lands there."""
    for back in range(64, 0, -1):
        data = probe.read(address - back, back)
        if len(data) != back:
            continue
        starts = code.lengths(data, address - back)
        if starts and _lands(probe, starts[-1], address):
            return starts
    return []


def after(probe: Probe, address: int, count: int) -> int:
    """The address `count` instructions after one."""
    lines = probe.lines(address, count + 1)
    return lines[-1].address if lines else address
