"""x87 instructions on many states: host CPU and engine, through tests/native/x87_batch.c."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from random import Random
from struct import Struct

from blink.isa.softfloat import F32, F64, F80, Format

from .fpbatch import ENGINE, NATIVE, compile_shared
from .fpvalues import INTEGERS, number, values

VOID, STORE, STORE_POP, EFLAGS_RESULT, WORD_RESULT = range(5)

_STATE = Struct("<HHBB2xI4x" + "QHxxxxxx" * 8 + "QQ")
SIZE = _STATE.size

# push rcx; popfq; frstor [rdi] ... fnsave [rdx]; pushfq; pop rax; ret
_BEFORE = bytes.fromhex("51 9d dd 27")
_AFTER = bytes.fromhex("dd 32 9c 58 c3")


@functools.cache
def library(portable: bool = False) -> ctypes.CDLL:
    """Host runner and engine; `portable`: the engine without the host's x87."""
    names = ["x87", "x87_more", "x87_image", "f80_ops", "f80_functions", "f80_libm", "fp_soft"]
    sources = [NATIVE / "x87_batch.c", *(ENGINE / f"{name}.c" for name in names)]
    return compile_shared(sources, *(["-DBLINK_PORTABLE_FP"] if portable else []))


class Op:
    """An instruction: its function in x87.h, and its encoding.

    `code`: with {i} in the last byte for ST(i), or "/n" for a memory operand of `size` bytes.
    """

    def __init__(
        self, name: str, code: str, size: int = 0, kind: int = VOID, operand: str = ""
    ) -> None:
        self.name = name
        self.size = size
        self.kind = kind
        self.operand = operand
        self.code = code
        self.has_i = code.endswith("+i")

    def bytes(self, i: int) -> bytes:
        opcode, _, rest = self.code.partition(" ")
        first = bytes.fromhex(opcode)
        if rest.startswith("/"):
            return first + bytes([int(rest[1]) << 3 | 6])  # [rsi]
        if not rest:
            return first
        last = int(rest.removesuffix("+i"), 16)
        return first + bytes([last + (i if self.has_i else 0)])


def state(rng: Random) -> tuple[int, ...]:
    """cw, sw, tags, fault, eflags, registers; most of it ordinary."""
    cw = 0x37F if rng.randrange(3) == 0 else 0x7F | rng.getrandbits(2) << 10 | rng.choice(
        [0x300, 0x300, 0x300, 0x200, 0, 0x100]) | rng.getrandbits(1) << 12  # fmt: skip
    if rng.randrange(8) == 0:
        cw &= ~rng.getrandbits(6)
    sw = rng.getrandbits(16) & 0x7F00 | rng.getrandbits(6) & cw & 0x3F
    if sw & 1:
        sw |= rng.getrandbits(1) << 6
    tags = 0xFF if rng.getrandbits(1) else rng.getrandbits(8) | rng.getrandbits(8)
    top = sw >> 11 & 7
    if rng.randrange(3):
        tags &= ~(1 << (top + 7) % 8)  # room for a push
    if rng.randrange(4):
        tags |= 1 << top | 1 << (top + 1) % 8
    regs = registers(rng, top)
    return (cw, sw, tags, 0, 0, *(part for r in regs for part in (r & (1 << 64) - 1, r >> 64)))


def registers(rng: Random, top: int) -> list[int]:
    """Eight physical registers; ST(1) is often a relative of ST(0)."""
    single = values(rng, F80)
    regs = [next(single) for _ in range(8)]
    if rng.getrandbits(1):
        exponent = regs[top] >> 64 & 0x7FFF
        spread = rng.choice([0, 0, 20, 63, 70])
        near = min(max(exponent + rng.randint(-spread, spread), 0), 0x7FFE)
        regs[(top + 1) % 8] = number(rng, F80, near)
    if rng.randrange(8) == 0:
        regs[(top + 1) % 8] = regs[top] ^ rng.choice([0, 1, 1 << 79, 1 << 62])
    return regs


def memory(rng: Random, operand: str) -> Iterator[int]:
    """Memory operands of 128 bits: f32, f64, f80, bcd, or a signed integer s16, s32, s64."""
    formats: dict[str, Format] = {"f32": F32, "f64": F64, "f80": F80}
    if operand in formats:
        yield from values(rng, formats[operand])
    while True:
        if operand == "bcd":
            digits = f"{rng.randrange(10**18) // 10 ** rng.randrange(18):018d}"
            yield int(digits, 16) | rng.choice([0, 0x80]) << 72
        elif operand:
            yield rng.choice([rng.choice(INTEGERS), rng.getrandbits(64)])
        else:
            yield 0x5A5A5A5A5A5A5A5A5A5A


def pack(fields: tuple[int, ...], operand: int) -> bytes:
    return _STATE.pack(*fields, operand & (1 << 64) - 1, operand >> 64)


def unpack(data: bytes) -> tuple[int, ...]:
    return _STATE.unpack(data)


def run_host(op: Op, i: int, states: bytes) -> bytes:
    code = _BEFORE + op.bytes(i) + _AFTER
    buffer = ctypes.create_string_buffer(states, len(states))
    library().run_host(code, len(code), buffer, len(states) // SIZE)
    return buffer.raw


def run_engine(op: Op, i: int, states: bytes, *, portable: bool = False) -> bytes:
    lib = library(portable)
    buffer = ctypes.create_string_buffer(states, len(states))
    high = getattr(lib, f"x87_{op.name}_hi") if op.size == 10 and op.kind != VOID else None
    lib.run_engine(
        getattr(lib, f"x87_{op.name}"), high, op.kind, op.size, ctypes.c_uint64(i), buffer,
        len(states) // SIZE,
    )  # fmt: skip
    return buffer.raw
