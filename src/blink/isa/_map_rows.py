"""The notation of `isa.maps`: rows of text to one `Cell` an opcode."""

from __future__ import annotations

from dataclasses import dataclass, field

PREFIXES = {"np": 0, "66": 1, "f3": 2, "f2": 3}
IMMEDIATES = (
    "none", "ib", "iw", "iz", "iv", "jb", "jz", "ap", "moffs", "enter",
    "test_ib", "test_iz", "sse4a",
)  # fmt: skip
KINDS = ("plain", "prefix", "escape", "vex", "vsib", "sib", "regs")

_ALL_REGS = frozenset(range(8))


class RowError(ValueError):
    """A row that does not follow the notation, or contradicts another one."""


@dataclass(frozen=True, slots=True)
class Form:
    """One alternative of a row: which prefixes and ModRM bytes it takes, in which modes."""

    prefixes: frozenset[int]
    memory: bool
    register: bool
    regs: frozenset[int]
    exact: frozenset[int]
    modes: frozenset[int]
    lock: bool

    @property
    def modrm(self) -> bool:
        return self.memory or self.register or bool(self.exact)


@dataclass(slots=True)
class Cell:
    """What the decoder knows of one opcode in one map.

    `mem` has bit pp*8+reg for each memory form (without ModRM: bit pp*8); `reg[pp]` has bit
    ModRM&63 for each register form; `lock` has bit reg where LOCK may precede a memory form.
    """

    modrm: bool = False
    imm: str = "none"
    kind: str = "plain"
    mem: int = 0
    reg: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    lock: int = 0

    @property
    def check(self) -> tuple[int, tuple[int, ...], int]:
        """The masks alone: cells that share them share one generated entry."""
        return self.mem, tuple(self.reg), self.lock

    def add(self, form: Form) -> None:
        """Lets the cell accept what `form` accepts."""
        for pp in form.prefixes:
            self._add_prefix(pp, form)
        if form.lock:
            self.lock |= sum(1 << reg for reg in form.regs)

    def _add_prefix(self, pp: int, form: Form) -> None:
        if not form.modrm:
            self.mem |= 1 << pp * 8
        for reg in form.regs:
            self.mem |= form.memory << pp * 8 + reg
            self.reg[pp] |= form.register * 0xFF << reg * 8
        for byte in form.exact:
            self.reg[pp] |= 1 << (byte & 63)


def numbers(text: str, base: int = 16) -> frozenset[int]:
    """`'10-12,28'` -> {0x10, 0x11, 0x12, 0x28}."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first, base), int(last or first, base) + 1))
    return frozenset(found)


def parse_form(text: str) -> Form:
    """One alternative, such as `np 66 m /0-3 lock i64`."""
    prefixes: set[int] = set()
    shape, regs, exact = "", _ALL_REGS, frozenset[int]()
    modes, lock = frozenset((16, 32, 64)), False
    for word in text.split():
        if word in PREFIXES:
            prefixes.add(PREFIXES[word])
        elif word in ("M", "m", "r"):
            shape = word
        elif word[0] == "/":
            regs = numbers(word[1:], 8)
        elif word[0] == "=":
            exact = numbers(word[1:])
        elif word in ("i64", "o64"):
            modes = frozenset((64,)) if word == "o64" else frozenset((16, 32))
        elif word == "lock":
            lock = True
        else:
            raise RowError(f"unknown word {word!r} in {text!r}")
    return Form(
        frozenset(prefixes or range(4)), shape in ("M", "m"), shape in ("M", "r"),
        regs, exact, modes, lock,
    )  # fmt: skip


def _parse_head(text: str) -> tuple[frozenset[int], str, str]:
    """`'80,83 ib'` -> the opcodes, the immediate, the kind."""
    imm, kind = "none", "plain"
    opcodes, *words = text.split()
    for word in words:
        if word in IMMEDIATES:
            imm = word
        elif word in KINDS:
            kind = word
        else:
            raise RowError(f"unknown word {word!r} in {text!r}")
    return numbers(opcodes), imm, kind


def _cell(forms: list[Form], imm: str, kind: str) -> Cell:
    cell = Cell(modrm=forms[0].modrm, imm=imm, kind=kind)
    if any(form.modrm != cell.modrm for form in forms):
        raise RowError("an opcode either has a ModRM byte or has none")
    for form in forms:
        cell.add(form)
    return cell


def parse(rows: str, mode: int) -> dict[int, Cell]:
    """The defined opcodes of one map in `mode` (16 and 32 are alike)."""
    cells: dict[int, Cell] = {}
    for line in rows.strip().splitlines():
        head, _, body = line.partition("#")[0].partition(":")
        opcodes, imm, kind = _parse_head(head)
        forms = [parse_form(text) for text in body.split("|")]
        forms = [form for form in forms if mode in form.modes]
        if forms and opcodes & cells.keys():
            raise RowError(f"defined twice: {line.strip()!r}")
        cells.update((opcode, _cell(forms, imm, kind)) for opcode in opcodes if forms)
    return cells
