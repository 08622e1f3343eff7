"""Do two CPUs agree about a case?"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from .cpustate import (
    COMPARED_FLAGS,
    FLAT_SIZE,
    FX_DP,
    FX_FIELDS,
    FX_IP,
    FX_MXCSR,
    FX_OP,
    GPRS,
    NO_FAULT,
    NOT_CANONICAL,
    VECTORS,
    Case,
    Outcome,
    flat_offset,
)
from .features import is_amd
from .regression import VECTOR_NAMES, flags_text
from .vendors import leveled

# Of a page fault's error code only these bits are the instruction's: a write, a fetch.  Whether the
# page is present is the host's paging.
_WRITE, _FETCH = 2, 16
_LANES = Struct("<4f")
_ESTIMATE = 3 / 4096  # each of the two may be off by 1.5 * 2^-12
_UNITS = 2  # x87 transcendentals: each may be off by one unit in the last place
_ROUNDING = (
    0x82A0  # PE, C1 and, if PE is not masked, ES and B: they tell how the result was rounded
)


# Intel's processors fill these differently.
_POINTERS = {"fop": (FX_OP, 2), "fip": (FX_IP, 8), "fdp": (FX_DP, 8)} if is_amd() else {}


def agree(case: Case, a: Outcome, b: Outcome) -> bool:
    """Whether all that the architecture defines is equal (the usual answer, found quickly).

    `a` is the host's, or what it ought to be.
    """
    return _agree(case, a, b) or _agree(case, *leveled(case, a, b))


def _agree(case: Case, a: Outcome, b: Outcome) -> bool:
    return (
        a.gpr == b.gpr
        and a.rip == b.rip
        and (a.vector == b.vector or not _fault(case, a, b))
        and not (a.flags ^ b.flags) & COMPARED_FLAGS & ~case.undefined
        and (a.fx == b.fx or _same_fx(case, a.fx, b.fx))
        and (a.ymmh == b.ymmh or not _ymm(case, a, b))
        and a.fs_base == b.fs_base
        and a.gs_base == b.gs_base
        and a.seg == b.seg
        and (_same_dirty(a, b) or not _memory(case, a, b))
        and (a.vector == NO_FAULT or not _fault(case, a, b))
    )


def _same_fx(case: Case, a: bytes, b: bytes) -> bool:
    """Equal, perhaps but for the x87 opcode and pointers."""
    rest = a[:FX_OP] == b[:FX_OP] and a[FX_MXCSR:] == b[FX_MXCSR:]
    return (rest and not _POINTERS) or not _fx(case, a, b)


def _same_estimate(name: str, a: bytes, b: bytes) -> bool:
    """Whether two values of a field come from estimates of the same numbers."""
    if name.startswith("st"):
        x, y = (int.from_bytes(v, "little") for v in (a, b))
        return abs(_place(x) - _place(y)) <= _UNITS
    if name == "sw":
        x, y = (int.from_bytes(v, "little") & ~_ROUNDING for v in (a, b))
        return x == y
    return name.startswith("xmm") and _close(a, b)


def _place(number: int) -> int:
    """The place of an 80-bit number among all of its sign: its integer bit says nothing."""
    return number >> 64 << 63 | number & (1 << 63) - 1


def _close(a: bytes, b: bytes) -> bool:
    """Whether two vectors are estimates of the same 32-bit numbers (SDM: RCPPS, RSQRTPS)."""
    lanes = zip(_LANES.unpack(a), _LANES.unpack(b), strict=True)
    return all(
        a[4 * i : 4 * i + 4] == b[4 * i : 4 * i + 4] or abs(x - y) <= abs(x) * _ESTIMATE
        for i, (x, y) in enumerate(lanes)
    )


def _same_dirty(a: Outcome, b: Outcome) -> bool:
    return a.dirty == b.dirty and (a.dirty_off == b.dirty_off or not a.dirty)


def differences(case: Case, a: Outcome, b: Outcome) -> list[str]:
    """What differs, in words: 'rax 1 != 2'; empty if the two agree."""
    a, b = leveled(case, a, b)
    found = _fault(case, a, b)
    found += _fields(GPRS, lambda i: (a.gpr[8 * i : 8 * i + 8], b.gpr[8 * i : 8 * i + 8]))
    for name in ("rip", "fs_base", "gs_base"):
        x, y = getattr(a, name), getattr(b, name)
        found += [f"{name} {x:x} != {y:x}"] if x != y else []
    found += [f"segments {_hex(a.seg)} != {_hex(b.seg)}"] if a.seg != b.seg else []
    mask = COMPARED_FLAGS & ~case.undefined
    if (a.flags ^ b.flags) & mask:
        found.append(f"flags {flags_text(a.flags & mask)} != {flags_text(b.flags & mask)}")
    return found + _fx(case, a.fx, b.fx) + _ymm(case, a, b) + _memory(case, a, b)


def _hex(seg: tuple[int, ...]) -> str:
    return ",".join(f"{s:x}" for s in seg)


def _number(data: bytes) -> str:
    return f"{int.from_bytes(data, 'little'):x}"


def _fields(names: tuple[str, ...], pair: Callable[[int], tuple[bytes, bytes]]) -> list[str]:
    found = []
    for i, name in enumerate(names):
        x, y = pair(i)
        if x != y:
            found.append(f"{name} {_number(x)} != {_number(y)}")
    return found


def _ymm(case: Case, a: Outcome, b: Outcome) -> list[str]:
    found = []
    for i in range(16):
        x, y = (o.ymmh[16 * i : 16 * i + 16] for o in (a, b))
        if x != y and not (case.estimate and _close(x, y)):
            found.append(f"ymm{i}h {_number(x)} != {_number(y)}")
    return found


def _fx(case: Case, a: bytes, b: bytes) -> list[str]:
    found = []
    for name, (at, size) in (FX_FIELDS | _POINTERS).items():
        x, y = a[at : at + size], b[at : at + size]
        if x != y and not (case.estimate and _same_estimate(name, x, y)):
            found.append(f"{name} {_number(x)} != {_number(y)}")
    return found


def _same_vector(a: int, b: int) -> bool:
    address = NOT_CANONICAL in (a, b) and {a, b} & {VECTORS["ss"], VECTORS["gp"]}
    return a == b or bool(address)


def _fault(case: Case, a: Outcome, b: Outcome) -> list[str]:
    if not _same_vector(a.vector, b.vector):
        x, y = (VECTOR_NAMES.get(o.vector, str(o.vector)) for o in (a, b))
        return [f"fault {x} != {y}"]
    if a.vector == VECTORS["pf"]:
        return _page_fault(case, a, b)
    return [f"error {a.error:x} != {b.error:x}"] if a.error != b.error else []


def _page_fault(case: Case, a: Outcome, b: Outcome) -> list[str]:
    found = []
    mask = _FETCH if case.slack else _WRITE | _FETCH
    if (a.error ^ b.error) & mask:
        found.append(f"error {a.error:x} != {b.error:x}")
    if abs(a.addr - b.addr) > case.slack:
        found.append(f"cr2 {a.addr:x} != {b.addr:x}")
    return found


def _image(case: Case, outcome: Outcome) -> bytes:
    """All of memory after the case, with the ignored parts zero."""
    image = bytearray(FLAT_SIZE)
    for address, data in case.memory:
        off = flat_offset(address) or 0
        image[off : off + len(data)] = data
    image[outcome.dirty_off : outcome.dirty_off + len(outcome.dirty)] = outcome.dirty
    for address, length in case.ignore:
        off = flat_offset(address) or 0
        image[off : off + length] = bytes(length)
    return bytes(image)


def _memory(case: Case, a: Outcome, b: Outcome) -> list[str]:
    if _same_dirty(a, b) or _image(case, a) == _image(case, b):
        return []
    x, y = (f"{o.dirty_off:x}:{o.dirty.hex()}" for o in (a, b))
    return [f"memory {x} != {y}"]
