"""x87 instructions on many states: host CPU and engine, through tests/native/x87_batch.c."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from random import Random
from struct import Struct

from blink.isa.softfloat import F32, F64, F80, Format
from blink.isa.x87_reference import FUNCTIONS, X87State

from .fpbatch import ENGINE, NATIVE, compile_shared
from .fpvalues import INTEGERS, number, values

VOID, STORE, STORE_POP, EFLAGS_RESULT, WORD_RESULT = range(5)
LOW = (1 << 64) - 1

_HEAD = Struct("<HHBB2xI4x" + "QHxxxxxx" * 8)
_STATE = Struct(_HEAD.format + "QQ")
SIZE = _STATE.size

# push rcx; popfq; frstor [rdi] ... fnsave [rdx]; pushfq; pop rax; ret
_BEFORE = bytes.fromhex("51 9d dd 27")
_AFTER = bytes.fromhex("dd 32 9c 58 c3")


@functools.cache
def library(portable: bool = False) -> ctypes.CDLL:
    """Host runner and engine; `portable`: the engine without the host's x87."""
    names = "x87 x87_more x87_image xsave f80_ops f80_functions f80_libm fp_extra fp_soft".split()
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


State = tuple[int, ...]


def state(rng: Random) -> State:
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
    return (cw, sw, tags, 0, 0, *(part for r in regs for part in (r & LOW, r >> 64)))


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
        else:
            yield rng.choice([rng.choice(INTEGERS), rng.getrandbits(64)])


def pack_head(fields: State) -> bytes:
    """All but the memory operand."""
    return _HEAD.pack(*fields[:21])


def pack_operand(operand: int) -> bytes:
    return operand.to_bytes(16, "little")


NO_OPERAND = pack_operand(0x5A5A5A5A5A5A5A5A5A5A)


def unpack(data: bytes) -> State:
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


def host_image(code: bytes, fields: State, image: bytes) -> tuple[State, bytes]:
    """The host's state and image after an instruction on [rsi]."""
    whole = _BEFORE + code + _AFTER
    buffer, memory = (
        ctypes.create_string_buffer(pack_head(fields) + NO_OPERAND, SIZE),
        _aligned(image),
    )
    library().run_host_image(whole, len(whole), buffer, memory)
    return unpack(buffer.raw), ctypes.string_at(memory, len(image))


def engine_image(name: str, bits: int, fields: State, image: bytes) -> tuple[State, bytes]:
    """The engine's state and image after x87_NAME(c, image, bits)."""
    buffer, memory = (
        ctypes.create_string_buffer(pack_head(fields) + NO_OPERAND, SIZE),
        _aligned(image),
    )
    function = getattr(library(), f"x87_{name}")
    library().run_engine_image(function, bits, buffer, memory)
    return unpack(buffer.raw), ctypes.string_at(memory, len(image))


_IMAGE = ctypes.create_string_buffer(1024)


def _aligned(image: bytes) -> ctypes.c_void_p:
    """A copy at a multiple of 64."""
    address = (ctypes.addressof(_IMAGE) + 63) & ~63
    ctypes.memmove(address, image, len(image))
    return ctypes.c_void_p(address)


# --- The Python twin ---------------------------------------------------------------------------


def to_x87(fields: State) -> X87State:
    x = X87State()
    x.cw, x.status_word, x.tags = fields[0], fields[1], fields[2]
    x.st = [fields[5 + 2 * n] | fields[6 + 2 * n] << 64 for n in range(8)]
    return x


def from_x87(x: X87State, eflags: int, operand: int) -> State:
    parts = (part for r in x.st for part in (r & LOW, r >> 64))
    return (x.cw, x.status_word, x.tags, 0, eflags, *parts, operand & LOW, operand >> 64)


def run_twin(op: Op, i: int, fields: State) -> State:
    """What the twin makes of one state; x87.Pending passes through."""
    x, eflags, operand = to_x87(fields), fields[4], fields[21] | fields[22] << 64
    function, mask = FUNCTIONS[f"x87_{op.name}"], (1 << 8 * op.size) - 1
    if op.kind in (STORE, STORE_POP):
        value = function(x) or 0
        if op.size == 10:
            value |= (FUNCTIONS[f"x87_{op.name}_hi"](x) or 0) << 64
        if FUNCTIONS["x87_ok"](x):
            operand = operand & ~mask | value
            x.pop(int(op.kind == STORE_POP))
    elif op.kind == EFLAGS_RESULT:
        eflags = function(x, i) or 0
    elif op.kind == WORD_RESULT:
        operand = operand & ~mask | (function(x) or 0)
    else:
        function(x, *_arguments(op, i, operand & mask, fields))
    return from_x87(x, eflags, operand)


def _arguments(op: Op, i: int, operand: int, fields: State) -> tuple[int, ...]:
    if op.name == "fcmov":
        return i, fields[22]
    if op.size == 10:
        return operand & LOW, operand >> 64
    return (operand,) if op.size else (i,) if op.has_i else ()


def show(fields: State) -> str:
    """One line, the stack from the top."""
    top = fields[1] >> 11 & 7
    stack = [(top + i) & 7 for i in range(8)]
    regs = " ".join(f"{fields[6 + 2 * n]:04x}:{fields[5 + 2 * n]:016x}" for n in stack)
    return (
        f"cw {fields[0]:04x} sw {fields[1]:04x} tags {fields[2]:08b} fault {fields[3]}"
        f" eflags {fields[4]:02x} memory {fields[22]:x}:{fields[21]:016x} st {regs}"
    )
