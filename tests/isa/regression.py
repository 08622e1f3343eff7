"""One line a case: bytes ; disassembly ; state in ; state out.

    01 d8 ; add eax,ebx ; rax=7fffffff rbx=1 ; rax=80000000 flags=pf,af,sf,of

Numbers are hexadecimal.  What the line does not name is zero or default before, and unchanged after
(RIP: the next instruction; after a fault: this one).  Words:

    rax=.. r8=.. rip=.. fs_base=.. gs_base=..   registers; rip before is CODE_BASE by default
    flags=cf,zf                                 the flags that are set, of cf pf af zf sf df of
    xmm3=.. ymm3h=.. mxcsr=..                   128 bits; the upper half of ymm3
    st0=.. cw=.. sw=.. tags=..                  80 bits; tags: bit i set when physical i is full
    [24600010]=0011aabb                         bytes in memory, lowest address first
    until=int3                                  before: run all up to INT3, not one instruction
    mode=16 seg=f,7,f,f,0,0                     before, if not 64; ES CS SS DS FS GS (see ldt.py)
    fault=pf error=6 cr2=..                     after: the exception
    undefined=af,of                             after: flags that the SDM leaves undefined
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .cpustate import (
    COMPARED_FLAGS,
    FLAG_BITS,
    FX_DEFAULT,
    FX_FIELDS,
    GPRS,
    NO_FAULT,
    VECTORS,
    Case,
    Outcome,
    flat_offset,
    guest_address,
)
from .ldt import RIP, SELECTORS

VECTOR_NAMES = {number: name for name, number in VECTORS.items()}


class Regression(NamedTuple):
    """A line, parsed: the case, what must come out, and where the line stands."""

    case: Case
    expected: Outcome
    text: str
    number: int


class FormatError(ValueError):
    """A line that cannot be read."""


def flags_text(flags: int) -> str:
    """Names of the set flags, or '-'."""
    return ",".join(n for n, bit in FLAG_BITS.items() if flags >> bit & 1) or "-"


def segments_text(seg: tuple[int, ...]) -> str:
    """Selectors in their order."""
    return ",".join(f"{s:x}" for s in seg)


def _flags_value(text: str) -> int:
    return sum(1 << FLAG_BITS[n] for n in text.split(",")) if text != "-" else 0


# -- writing -------------------------------------------------------------------------------------


def _changes(gpr: bytes, fx: bytes, ymmh: bytes, old: Case) -> Iterator[str]:
    """Words for the registers that differ from those of `old`."""
    for i, name in enumerate(GPRS):
        value = gpr[8 * i : 8 * i + 8]
        if value != old.gpr[8 * i : 8 * i + 8]:
            yield f"{name}={int.from_bytes(value, 'little'):x}"
    for name, (at, size) in FX_FIELDS.items():
        if fx[at : at + size] != old.fx[at : at + size]:
            yield f"{name}={int.from_bytes(fx[at : at + size], 'little'):x}"
    for i in range(16):
        half = ymmh[16 * i : 16 * i + 16]
        if half != old.ymmh[16 * i : 16 * i + 16]:
            yield f"ymm{i}h={int.from_bytes(half, 'little'):x}"


def input_words(case: Case) -> list[str]:
    """The state before, as words."""
    words = list(_changes(case.gpr, case.fx, case.ymmh, Case(b"")))
    if case.mode != 64:
        words.append(f"mode={case.mode}")
    if case.seg != SELECTORS[case.mode]:
        words.append(f"seg={segments_text(case.seg)}")
    if case.rip != RIP[case.mode]:
        words.append(f"rip={case.rip:x}")
    words += ["until=int3"] if case.run else []
    words += [f"{n}={getattr(case, n):x}" for n in ("fs_base", "gs_base") if getattr(case, n)]
    if case.flags & COMPARED_FLAGS:
        words.append(f"flags={flags_text(case.flags)}")
    return words + [f"[{address:x}]={data.hex()}" for address, data in case.memory]


def output_words(case: Case, after: Outcome) -> list[str]:
    """The state after, as words: only what changed."""
    words = list(_changes(after.gpr, after.fx, after.ymmh, case))
    if after.rip != _default_rip(case, after.vector):
        words.append(f"rip={after.rip:x}")
    if after.seg != case.seg:
        words.append(f"seg={segments_text(after.seg)}")
    for name in ("fs_base", "gs_base"):
        if getattr(case, name) != getattr(after, name):
            words.append(f"{name}={getattr(after, name):x}")
    if (after.flags ^ case.flags) & COMPARED_FLAGS & ~case.undefined:
        words.append(f"flags={flags_text(after.flags & ~case.undefined)}")
    if after.dirty:
        words.append(f"[{guest_address(after.dirty_off):x}]={after.dirty.hex()}")
    if after.vector != NO_FAULT:
        words.append(f"fault={VECTOR_NAMES.get(after.vector, after.vector)}")
        words += [f"error={after.error:x}"] if after.error else []
        words += [f"cr2={after.addr:x}"] if after.addr else []
    if case.undefined:
        words.append(f"undefined={flags_text(case.undefined)}")
    return words


def format_line(case: Case, disassembly: str, after: Outcome) -> str:
    """The line of a case and its outcome."""
    before, behind = input_words(case), output_words(case, after)
    words = [case.code.hex(" "), ";", disassembly, ";", *before, ";", *behind]
    return " ".join(words)


def _default_rip(case: Case, vector: int) -> int:
    return case.rip + len(case.code) if vector in (NO_FAULT, VECTORS["bp"]) else case.rip


# -- reading -------------------------------------------------------------------------------------


class _State:
    """Registers while the words of a line are applied to them."""

    def __init__(self, gpr: bytes, fx: bytes, ymmh: bytes) -> None:
        self.gpr, self.fx, self.ymmh = bytearray(gpr), bytearray(fx), bytearray(ymmh)
        self.memory: list[tuple[int, bytes]] = []
        self.other: dict[str, int] = {}
        self.seg: tuple[int, ...] | None = None

    def apply(self, word: str) -> None:
        name, equals, text = word.partition("=")
        if not equals:
            raise FormatError(f"no value in {word!r}")
        if name.startswith("["):
            self.memory.append((int(name[1:-1], 16), bytes.fromhex(text)))
        elif name in ("flags", "undefined"):
            self.other[name] = _flags_value(text)
        elif name == "until" and text == "int3":
            self.other[name] = 1
        elif name == "mode":
            self.other[name] = int(text)
        elif name == "seg":
            self.seg = tuple(int(s, 16) for s in text.split(","))
        elif name == "fault":
            self.other[name] = VECTORS[text]
        else:
            self._number(name, int(text, 16))

    def _number(self, name: str, value: int) -> None:
        if name in GPRS:
            at = 8 * GPRS.index(name)
            self.gpr[at : at + 8] = value.to_bytes(8, "little")
        elif name in FX_FIELDS:
            at, size = FX_FIELDS[name]
            self.fx[at : at + size] = value.to_bytes(size, "little")
        elif name.startswith("ymm") and name.endswith("h"):
            at = 16 * int(name[3:-1])
            self.ymmh[at : at + 16] = value.to_bytes(16, "little")
        elif name in ("rip", "fs_base", "gs_base", "error", "cr2"):
            self.other[name] = value
        else:
            raise FormatError(f"unknown register {name!r}")


def _read_state(words: str, start: _State) -> _State:
    for word in words.split():
        start.apply(word)
    return start


def read_case(code: bytes, words: str) -> Case:
    """A case from machine code and the words of the state before."""
    s = _read_state(words, _State(bytes(128), FX_DEFAULT, bytes(256)))
    mode = s.other.get("mode", 64)
    return Case(
        code, bytes(s.gpr), s.other.get("rip", RIP[mode]), s.other.get("flags", 0), bytes(s.fx),
        bytes(s.ymmh), s.other.get("fs_base", 0), s.other.get("gs_base", 0), tuple(s.memory),
        run="until" in s.other, mode=mode, seg=s.seg or SELECTORS[mode],
    )  # fmt: skip


def _read_outcome(case: Case, words: str) -> tuple[Case, Outcome]:
    s = _read_state(words, _State(case.gpr, case.fx, case.ymmh))
    other = s.other
    case = case._replace(undefined=other.get("undefined", 0))
    vector = other.get("fault", NO_FAULT)
    at, dirty = s.memory[0] if s.memory else (guest_address(0), b"")
    off = flat_offset(at)
    if off is None or len(s.memory) > 1:
        raise FormatError("one range of changed memory, please")
    return case, Outcome(
        vector, other.get("error", 0), other.get("cr2", 0), bytes(s.gpr),
        other.get("rip", _default_rip(case, vector)), other.get("flags", case.flags),
        other.get("fs_base", case.fs_base), other.get("gs_base", case.gs_base), bytes(s.fx),
        bytes(s.ymmh), off, dirty, s.seg or case.seg,
    )  # fmt: skip


def parse_line(text: str, number: int = 0) -> Regression:
    """The case and the expected outcome of a line.  FormatError if it cannot be read."""
    parts = [p.strip() for p in text.split(";")]
    if len(parts) != 4:
        raise FormatError(f"line {number}: four parts, please: {text!r}")
    try:
        case, expected = _read_outcome(read_case(bytes.fromhex(parts[0]), parts[2]), parts[3])
    except (ValueError, KeyError) as error:
        raise FormatError(f"line {number}: {error}") from None
    return Regression(case, expected, text, number)


def parse(text: str) -> list[Regression]:
    """All cases of a file; '#' begins a comment line."""
    numbered = enumerate(text.splitlines(), 1)
    return [parse_line(t, n) for n, t in numbered if t.strip() and not t.startswith("#")]
