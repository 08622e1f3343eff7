"""The format of the instruction set: forms (encodings), the `insn` decorator, and the registry.

A form's encoding is written as in the Intel SDM, volume 2:

    '81 /0 id'            opcode, ModRM.reg = 0, immediate (immediates are documentation here)
    '66 0F EF /r'         mandatory prefix 66, map 0F, ModRM has a register operand
    'NP 0F 28 /r'         no 66/F2/F3 allowed
    'F3 A4'               for one-byte opcodes, F3/F2 = a REP form
    'REX.W 0F C7 /1'      REX.W must be 1; 'W0' must be 0
    '50+r', 'D8 C0+i'     register number in the opcode, or in a fixed ModRM byte
    '0F 01 D0'            fixed ModRM byte
    'VEX.128.66.0F.WIG EF /r'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from blink.isa.host_simd import hosted
from blink.isa.operands import SIZED, Operand, parse_operands
from blink.isa.rewrite import traceable

F = TypeVar("F", bound=Callable[..., Any])
PP = {"NP": 0, "66": 1, "F3": 2, "F2": 3}
ANY = 255
ADDRESS_MODES = {64: (64,), 32: (16, 32, 64), 16: (16, 32)}  # by address size
MAPS = {"0F": 1, "0F38": 2, "0F3A": 3}


@dataclass
class Encoding:
    """What the decoder must see.  `ANY` matches all; ModRM must give (modrm & mask) == value."""

    enc: str = "legacy"  # legacy, vex or evex
    map: int = 0
    opcode: int = 0
    plus_r: bool = False
    pp: int = ANY
    w: int = ANY
    l: int = ANY  # noqa: E741 - the SDM's name of the field
    modrm: bool = False
    mask: int = 0
    value: int = 0


def _parse_vex(word: str, e: Encoding) -> None:
    enc, *parts = word.split(".")
    e.enc, e.pp = enc.lower(), 0
    for part in parts:
        if part in MAPS:
            e.map = MAPS[part]
        elif part in ("128", "256", "512", "LZ", "L0", "L1"):
            e.l = {"128": 0, "LZ": 0, "L0": 0, "256": 1, "L1": 1, "512": 2}[part]
        elif part in PP:
            e.pp = PP[part]
        elif part in ("W0", "W1"):
            e.w = int(part[1])
        elif part not in ("LIG", "WIG", "LLIG"):
            raise ValueError(f"unknown field {part!r} in {word!r}")


def _parse_modrm(word: str, e: Encoding) -> None:
    e.modrm = True
    if word != "/r":
        e.mask, e.value = 0x38, int(word[1:]) << 3


def _parse_byte(word: str, e: Encoding, seen: bool) -> None:
    base, plus, _ = word.partition("+")
    if seen:  # a fixed ModRM byte
        e.modrm, e.value = True, int(base, 16)
        e.mask = 0xF8 if plus else 0xFF
    else:
        e.opcode, e.plus_r = int(base, 16), bool(plus)


def parse_encoding(text: str) -> Encoding:
    """SDM notation -> Encoding.  ValueError for words that it does not know."""
    e = Encoding()
    words = text.split()
    seen = False
    while words:
        word = words.pop(0)
        if word in PP and not seen and e.map == 0 and e.pp == ANY and words:
            e.pp = PP[word]
            continue
        if word.startswith(("VEX.", "EVEX.")):
            _parse_vex(word, e)
        elif word in ("REX.W", "W0"):
            e.w = 0 if word == "W0" else 1
        elif word == "0F" and not seen and e.map == 0 and words and not words[0].startswith("/"):
            e.map = MAPS.get("0F" + words[0], 1)
            if e.map > 1:
                words.pop(0)
        elif word.startswith("/") and word != "/is4":
            _parse_modrm(word, e)
        elif word[0] in "0123456789ABCDEF":
            _parse_byte(word, e, seen)
            seen = True
        elif word not in ("ib", "iw", "id", "iz", "iv", "io", "cb", "cd", "/is4"):
            raise ValueError(f"unknown word {word!r} in encoding {text!r}")
    return e


@dataclass
class Form:
    """One encoding with its operands.

    `lock`: LOCK is legal when the destination is memory.  `size`: fixed operand size in bits (0: by
    prefixes); `d64`: 64 bits by default in 64-bit mode (push); `f64`: always there (near branches).
    `modes`: the legal ones.
    """

    encoding: str
    operands_text: str = ""
    lock: bool = False
    size: int = 0
    d64: bool = False
    modes: tuple[int, ...] = (16, 32, 64)
    always_lock: bool = False  # XCHG: atomic with memory even without the prefix
    no_rex_b: bool = False  # 90 is NOP, 41 90 is XCHG
    asize: int = 0  # 0: any address size, else 16, 32 or 64
    f64: bool = False
    enc: Encoding = field(init=False)
    operands: tuple[Operand, ...] = field(init=False)
    insn: Insn = field(init=False)

    def __post_init__(self) -> None:
        self.enc = parse_encoding(self.encoding)
        self.operands = parse_operands(self.operands_text)
        if any(o.kind.where in ("reg", "rm") for o in self.operands):
            self.enc.modrm = True

    @property
    def rm(self) -> Operand | None:
        """The operand in ModRM.rm (or moffs), if there is one."""
        return next((o for o in self.operands if o.kind.where in ("rm", "moffs")), None)

    @property
    def vector(self) -> bool:
        """VEX on vector registers: needs their state enabled (XCR0), clears what is above."""
        banks = {o.kind.bank for o in self.operands}
        return self.enc.enc == "vex" and (not banks or bool(banks & {"xmm", "ymm"}))

    @property
    def loads_first(self) -> bool:
        """Whether the engine loads the memory operand into a slot, then acts as on registers."""
        rm = self.rm
        return (
            self.vector
            and rm is not None
            and rm.kind.mem
            and rm.access == "r"
            and rm.kind.bank != "gpr"
            and rm.kind.name not in ("mem", "vsib")
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Operand sizes in bits for which a handler exists, in 64-bit mode."""
        return self.sizes_in(64)

    def sizes_in(self, mode: int) -> tuple[int, ...]:
        """Operand sizes in bits for which a handler exists; 16 and 32-bit modes are alike."""
        if self.size:
            return (self.size,)
        if self.insn.sized or any(o.kind.width in SIZED for o in self.operands):
            if mode != 64:
                return (16, 32)
            return (64,) if self.f64 else (16, 64) if self.d64 else (16, 32, 64)
        if any(o.kind.width == "y" for o in self.operands):
            return (32, 64) if mode == 64 else (32,)
        return (32,)

    @property
    def legacy(self) -> bool:
        """Whether 16 or 32-bit code can have it (gathers there are not implemented)."""
        e = self.enc
        if self.rm is not None and self.rm.kind.name == "vsib":
            return False
        wide = e.w == 1 and (e.enc == "legacy" or self.on_general_registers)
        needs_rex = wide or self.asize == 64 or self.size == 64
        return any(mode != 64 for mode in self.modes) and not needs_rex

    @property
    def on_general_registers(self) -> bool:
        """A VEX form with a general register: outside of 64-bit mode W counts for nothing."""
        return self.enc.enc == "vex" and any(o.kind.bank == "gpr" for o in self.operands)


@dataclass
class Insn:
    """A mnemonic: forms, semantics, and properties that cannot be read off the semantics.

    `undefined`: status flags that the SDM leaves undefined (masked when compared with the host).
    `feature`: CPUID feature name.  `sized`: has operand sizes although no operand shows them.
    `before`: a C body that runs before operands are read (x87, MMX: pending exceptions come first).
    `cond`: forms exist for the 16 conditions; the opcode's low nibble is passed as `s.cc`.
    """

    name: str
    forms: tuple[Form, ...]
    body: Callable[..., Any]
    undefined: tuple[str, ...] = ()
    feature: str = ""
    sized: bool = False
    cond: int | None = None
    before: str = ""
    family: str = ""
    doc: str = ""


REGISTRY: list[Insn] = []


def insn(
    name: str,
    *forms: Form,
    undefined: str = "",
    feature: str = "",
    sized: bool = False,
    before: str = "",
) -> Callable[[F], F]:
    """Register an instruction: `name` as in the SDM, forms; the decorated function is its body.

    The body is called as body(s, *operands): read operands are Bits, written-only ones are Bits of
    zero (for their width), memory operands are loaded already.  It returns the new value of the
    written operand, or a tuple of them in operand order.  Encodings overlap -> codegen refuses.
    """

    def register(fn: F) -> F:
        family = fn.__module__.rpartition(".")[2]
        flags, doc = tuple(undefined.split()), fn.__doc__ or ""
        body = hosted(name, traceable(fn), forms[0].operands_text.partition(" ")[0].endswith(":w"))
        add(Insn(name, forms, body, flags, feature, sized, None, before, family, doc))
        return fn

    return register


def add(i: Insn) -> None:
    """Register an instruction that is made from another one's definition."""
    for form in i.forms:
        form.insn = i
    REGISTRY.append(i)


CONDITIONS = (
    "O",
    "NO",
    "B",
    "AE",
    "E",
    "NE",
    "BE",
    "A",
    "S",
    "NS",
    "P",
    "NP",
    "L",
    "GE",
    "LE",
    "G",
)


def insn_cc(name: str, make: Callable[[int], list[Form]], feature: str = "") -> Callable[[F], F]:
    """Register 16 instructions, one a condition; `make` gives the forms for its number 0..15."""

    def register(fn: F) -> F:
        body = traceable(fn)
        family = fn.__module__.rpartition(".")[2]
        for cc, suffix in enumerate(CONDITIONS):
            forms = tuple(make(cc))
            doc = fn.__doc__ or ""
            add(Insn(name + suffix, forms, body, (), feature, False, cc, "", family, doc))
        return fn

    return register
