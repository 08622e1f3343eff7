"""Our decoder and iced-x86 side by side: where they differ, and why that is as it should be."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from functools import cache
from random import Random

import iced_x86
from iced_x86 import CpuidFeature, EncodingKind, Instruction, OpCodeOperandKind, OpKind, Register

from blink import _engine

SIZE = 32  # bytes of a case
IP = {16: 0x1000, 32: 0x10_0000, 64: 0x1357_0000_0000}
Insn = dict[str, int]

# Reasons for which a difference is right.
VENDOR = "we reject: 3DNow!, XOP, FMA4, TBM, LWP, PadLock, Geode and Cyrix extensions"
SYSCALL_64 = "we reject: SYSCALL and SYSRET outside 64-bit mode (AMD only)"
FORM_DETAIL = "we accept: W, L, vvvv, masking, broadcast, rounding, register clashes are the form's"
CONTROL_REGISTER = "we accept: which control and debug registers exist is the form's"
PREFIXED = "we accept: that PTWRITE, RDPRU and CLZERO have no prefix 66, F2 or F3 is the form's"
NEWER = "we accept: URDMSR and UWRMSR, of which iced does not know"
FUTURE = "we reject: FRED and PBNDKB, which no CPU for sale has"
ACCEPTED = {VENDOR, SYSCALL_64, FORM_DETAIL, CONTROL_REGISTER, PREFIXED, NEWER, FUTURE}

_VENDOR_FEATURES = frozenset(
    value
    for name, value in vars(CpuidFeature).items()
    if name in ("XOP", "FMA4", "TBM", "LWP", "D3NOW", "D3NOWEXT", "CYRIX_D3NOW")
    or name.startswith(("PADLOCK", "CYRIX", "CENTAUR"))
)
_FUTURE = frozenset((CpuidFeature.FRED, CpuidFeature.LKGS, CpuidFeature.TSE))
_SYSCALLS = frozenset((iced_x86.Mnemonic.SYSCALL, iced_x86.Mnemonic.SYSRET))
_ENCODINGS = {EncodingKind.LEGACY: 0, EncodingKind.VEX: 1, EncodingKind.EVEX: 2}
_KINDS = {v: k for k, v in vars(OpCodeOperandKind).items() if isinstance(v, int)}
_OP_KINDS = {v: k for k, v in vars(OpKind).items() if isinstance(v, int)}
# How a kind of register operand ends -> the field that names it
_FIELDS = {
    "_OR_MEM": "rm",
    "_OR_MEM_MPX": "rm",
    "_REG": "reg",
    "_RM": "rm",
    "_OPCODE": "oreg",
    "_VVVV": "vvvv",
}
_IMPLIED = ("SEG_RBX_AL",)  # XLAT
_EIGHT = ("MM", "K", "K1", "SEG", "TMM", "BND")  # files of eight: extension bits are ignored


def decode_ours(code: bytes, mode: int) -> Insn | None:
    try:
        return _engine.decode(code, mode)
    except _engine.DecodeError:
        return None


def decode_theirs(code: bytes, mode: int) -> Instruction | None:
    instruction = iced_x86.Decoder(mode, code, ip=IP[mode]).decode()
    return instruction or None


def compare(code: bytes, mode: int) -> tuple[str, str]:
    """(difference, reason): both empty if the two agree; without a reason it is an error."""
    ours, theirs = decode_ours(code, mode), decode_theirs(code, mode)
    if ours is None and theirs is None:
        return "", ""
    if ours is None and theirs is not None:
        return "validity", _why_rejected(theirs, mode)
    if ours is not None and theirs is None:
        return "validity", _why_accepted(ours, code, mode)
    assert ours is not None and theirs is not None
    return next((f for f in _differences(ours, theirs, mode)), ""), ""


def _why_rejected(theirs: Instruction, mode: int) -> str:
    if _VENDOR_FEATURES & set(theirs.cpuid_features()):
        return VENDOR
    if _FUTURE & set(theirs.cpuid_features()):
        return FUTURE
    return SYSCALL_64 if mode != 64 and theirs.mnemonic in _SYSCALLS else ""


def _why_accepted(ours: Insn, code: bytes, mode: int) -> str:
    if ours["enc"]:
        return FORM_DETAIL if _has_valid_neighbour(ours, code, mode) else ""
    control = ours["map"] == 1 and ours["opcode"] & 0xFC == 0x20
    if control and ours["reg"] >= 8:
        return CONTROL_REGISTER
    if (ours["map"], ours["opcode"], ours["mod"]) == (2, 0xF8, 3):
        return NEWER
    ptwrite = (ours["map"], ours["opcode"], ours["pp"], ours["reg"] & 7) == (1, 0xAE, 2, 4)
    amd = (ours["map"], ours["opcode"]) == (1, 0x01) and ours["modrm"] in (0xFC, 0xFD)
    prefixed = (ptwrite and ours["has_66"]) or (amd and (ours["has_66"] or ours["pp"]))
    return PREFIXED if prefixed else ""


def _has_valid_neighbour(ours: Insn, code: bytes, mode: int) -> bool:
    """Whether iced takes map, opcode, prefix and ModRM with some W, L, vvvv, mask or register."""
    at = next(i for i, byte in enumerate(code) if byte in (0x62, 0xC4, 0xC5))
    rest = code[at + {0x62: 5, 0xC4: 4, 0xC5: 3}[code[at]] :]
    rests = (rest, bytes([rest[0] ^ 0x18]) + rest[1:])
    return any(
        decode_theirs(code[:at] + start + tail, mode)
        for start in _prefixes(ours["enc"], ours["map"], ours["pp"], ours["opcode"])
        for tail in rests
    )


@cache
def _prefixes(enc: int, map_: int, pp: int, opcode: int) -> tuple[bytes, ...]:
    """VEX or EVEX prefixes and the opcode, without register extensions."""
    found = []
    for n in range(128):
        w, l, aaa = n & 1, n >> 1 & 3, n >> 3 & 1  # noqa: E741 - the SDM's name
        low = w << 7 | (9 if n & 16 else 15) << 3 | pp
        if enc == 1:
            found.append(bytes([0xC4, 0xE0 | map_, low | (l & 1) << 2, opcode]))
        else:
            high = l << 5 | 8 | aaa | (n >> 5 & 1) << 4 | (n >> 6) << 7
            found.append(bytes([0x62, 0xF0 | map_, low | 4, high, opcode]))
    return tuple(found)


# -- fields ----------------------------------------------------------------------------------


def _differences(ours: Insn, theirs: Instruction, mode: int) -> Iterator[str]:
    """Names of what differs."""
    if ours["len"] != theirs.len:
        yield "length"
    if ours["enc"] != _ENCODINGS.get(theirs.encoding, 99):
        yield "encoding"
    if ours["lock"] != theirs.has_lock_prefix:
        yield "lock"
    code = theirs.op_code()
    memory = False
    for i in range(theirs.op_count):
        kind, where = _OP_KINDS[theirs.op_kind(i)], _KINDS[code.op_kind(i)]
        if where in _IMPLIED:
            continue
        if kind == "MEMORY":
            memory = True
            yield from _memory(ours, theirs, mode)
        elif kind == "REGISTER":
            yield from _register(ours, theirs.op_register(i), where)
        elif kind.startswith(("IMMEDIATE", "NEAR", "FAR")):
            yield from _immediate(ours, theirs, kind, where, mode)
    nop = ours["enc"] == 0 and ours["map"] == 1 and 0x18 <= ours["opcode"] <= 0x1F
    if bool(ours["has_mem"]) != memory and not nop:
        yield "has_mem"


def _register(ours: Insn, register: int, where: str) -> Iterator[str]:
    bank, _, _ = where.partition("_")
    field = next((f for end, f in _FIELDS.items() if where == bank + end), "")
    if not field:
        return
    number = ours["rm"] & 7 if bank == "STI" else ours[field]
    if bank == "R8":  # AH to BH have the numbers 4 to 7 there, SPL 8, R8B 12
        number += 4 if number >= 4 and (ours["rex"] or ours["enc"]) else 0
    elif bank in _EIGHT:
        number &= 7
    elif bank.startswith("R") or bank in ("CR", "DR"):
        number &= 15
    if number != iced_x86.RegisterInfo(register).number:
        yield field


def _number(register: int) -> int:
    return -1 if register == Register.NONE else iced_x86.RegisterInfo(register).number


def _memory(ours: Insn, theirs: Instruction, mode: int) -> Iterator[str]:
    if not ours["has_mem"]:
        yield "has_mem"
        return
    relative = theirs.is_ip_rel_memory_operand
    if bool(ours["rip_relative"]) != relative:
        yield "rip_relative"
    if ours["base"] != (-1 if relative else _number(theirs.memory_base)):
        yield "base"
    if ours["index"] != _number(theirs.memory_index):
        yield "index"
    if ours["index"] >= 0 and 1 << ours["scale"] != theirs.memory_index_scale:
        yield "scale"
    yield from _displacement(ours, theirs, mode)
    segment = _number(theirs.memory_segment)
    if (ours["seg"] or (mode == 64 and segment > 3)) and ours["seg"] - 1 != segment:
        yield "segment"


def _displacement(ours: Insn, theirs: Instruction, mode: int) -> Iterator[str]:
    mask = (1 << 8 * ours["addr_size"]) - 1
    mine, other = ours["disp"], theirs.memory_displacement
    if ours["rip_relative"]:
        mine += IP[mode] + ours["len"]
    scales = [1 << n for n in range(7)] if ours["disp8"] else [1]
    if not any((mine * scale ^ other) & mask == 0 for scale in scales):
        yield "displacement"


def _immediate(ours: Insn, theirs: Instruction, kind: str, where: str, mode: int) -> Iterator[str]:
    if where in ("IMM8_CONST_1", "IMM4_M2Z"):
        return
    if kind.startswith("NEAR"):
        width = {"NEAR_BRANCH16": 16, "NEAR_BRANCH32": 32, "NEAR_BRANCH64": 64}[kind]
        target = IP[mode] + ours["len"] + ours["imm"]
        wanted, value = theirs.near_branch_target, target & (1 << width) - 1
    elif kind.startswith("FAR"):
        wanted = theirs.far_branch32 if kind.endswith("32") else theirs.far_branch16
        value = ours["imm"] & (0xFFFFFFFF if kind.endswith("32") else 0xFFFF)
        if ours["imm2"] != theirs.far_branch_selector:
            yield "selector"
    elif kind == "IMMEDIATE8_2ND":
        wanted, value = theirs.immediate8_2nd, ours["imm2"]
    else:
        mask = (1 << 8 * ours["imm_size"]) - 1
        wanted = theirs.immediate(_operand(theirs, kind)) & mask
        value = ours["imm"] & mask
    if wanted != value:
        yield "immediate"


def _operand(theirs: Instruction, kind: str) -> int:
    return next(i for i in range(theirs.op_count) if _OP_KINDS[theirs.op_kind(i)] == kind)


# -- cases -----------------------------------------------------------------------------------

_PREFIXES = bytes.fromhex("6666f2f367f02e363e266465 4841444f")


def random_case(rng: Random) -> bytes:
    """Bytes that are often an instruction: prefixes, a map, a VEX or EVEX prefix, then anything."""
    head = bytes(rng.choices(_PREFIXES, k=rng.randrange(4) if rng.randrange(40) else 15))
    tail = bytearray(rng.randbytes(SIZE))
    kind = rng.randrange(8)
    if kind == 0:
        return bytes(tail)
    if kind < 4:
        maps = (b"", b"\x0f", b"\x0f\x38", b"\x0f\x3a")
        rex = bytes([0x40 | rng.randrange(16)]) if rng.randrange(3) == 0 else b""
        head += rex + rng.choice(maps)
    else:
        head = (head[:1] if rng.randrange(5) == 0 else b"") + _vector_prefix(rng)
    if rng.randrange(5) == 0:
        tail[1] = tail[1] & 0xC0 | 4  # SIB
    if rng.randrange(10) == 0:
        tail[1] = tail[1] & 0x38 | 5  # RIP-relative
    return (head + tail)[:SIZE]


def _vector_prefix(rng: Random) -> bytes:
    """Mostly with the fields set that mean "nothing", or few would be valid."""
    low = rng.getrandbits(8) | (0x78 if rng.randrange(2) else 0)
    kind = rng.randrange(8)
    if kind < 2:
        return bytes([0xC5, low | 0xE0 * rng.randrange(2)])
    if kind < 5:
        return bytes([0xC4, (rng.getrandbits(3) << 5) | rng.randrange(1, 4), low])
    map_ = rng.choice((1, 2, 3, 5, 6))
    high = rng.getrandbits(8) & (0x68 if rng.randrange(2) else 0xFF) | 8
    return bytes([0x62, rng.getrandbits(4) << 4 | map_, low | 4, high])


_TAIL = bytes.fromhex("21426384a5c6e718") * 2
# Memory by a register, with SIB, and RIP-relative; registers; each with all values of ModRM.reg
_MODRM = [mode | reg << 3 for mode in (0x00, 0x04, 0x05, 0xC1) for reg in range(8)]


def every_opcode() -> Iterator[bytes]:
    """Each map, opcode and mandatory prefix; all ModRM bytes of legacy registers; VEX and EVEX."""
    legacy = [*_MODRM, *range(0xC0, 0x100)]
    for prefix in (b"", b"\x66", b"\xf3", b"\xf2", b"\xf0"):
        for map_ in (b"", b"\x0f", b"\x0f\x38", b"\x0f\x3a"):
            yield from _with_modrm([prefix + map_ + bytes([op]) for op in range(256)], legacy)
    for n in range(16):  # prefix, W and L; vvvv unused
        pp, w, l = n & 3, n >> 2 & 1, n >> 3  # noqa: E741 - the SDM's name
        low = w << 7 | 0x78 | pp
        for op in range(256):
            vex = [bytes([0xC4, 0xE0 | m, low | l << 2, op]) for m in (1, 2, 3)]
            evex = [bytes([0x62, 0xF0 | m, low | 4, l << 5 | 8, op]) for m in (1, 2, 3, 5, 6)]
            yield from _with_modrm([*vex, *evex], _MODRM)


def _with_modrm(starts: list[bytes], modrm: list[int]) -> Iterator[bytes]:
    for start in starts:
        for byte in modrm:
            yield start + bytes([byte]) + _TAIL


# -- programs --------------------------------------------------------------------------------

PIECE = 20_000  # instructions compared at a time


def compare_code(data: bytes, end: float = float("inf")) -> tuple[int, list[tuple[int, str]]]:
    """Instructions in 64-bit code compared by length, and (offset, reason or "") of differences.

    Both go on one byte behind what is no instruction.  Stops at the time `end`.
    """
    decoder = iced_x86.Decoder(64, data)
    compared, found = 0, list[tuple[int, str]]()
    while decoder.can_decode and time.monotonic() < end:
        first = decoder.position
        starts, invalid = _walk(decoder)
        piece = data[first : decoder.position]
        counts, missing, ours = _engine.sweep(piece, array("Q", starts))
        compared += len(starts)
        valid = sum(n for _, n in counts) + len(missing)
        if ours != invalid or valid != len(starts) - len(invalid):
            found += _differing(data, first, starts)
    return compared, found


def _walk(decoder: iced_x86.Decoder) -> tuple[list[int], list[int]]:
    """Offsets from the decoder's position: of the next instructions, and of those not valid."""
    first = decoder.position
    starts, invalid = list[int](), list[int]()
    for _ in range(PIECE):
        at = decoder.position
        if not decoder.can_decode:
            break
        starts.append(at - first)
        if not decoder.decode():
            invalid.append(at - first)
            decoder.position = at + 1
    return starts, invalid


def _differing(data: bytes, first: int, starts: list[int]) -> list[tuple[int, str]]:
    found = []
    for start in starts:
        at = first + start
        code = data[at : at + 15]
        what, why = compare(code, 64)
        if what:
            found.append((at, why))
    return found
