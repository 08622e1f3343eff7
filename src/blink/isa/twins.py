"""Python twins of the hand-written C bodies: what s.call(name, ...) does in the reference.

`find(name)` gives a function of (s, *args); numbers in, a number or None out.  The x87 ones are in
isa/x87_reference.py under the same names.
"""

from __future__ import annotations

import os
import time

from blink.isa import cpuid, far_twins, segments, sse42_twins
from blink.isa.bits import Bits
from blink.isa.galois import INVERSES
from blink.isa.state import FS, GS, RAX, RBP, RBX, RCX, RDI, RDX, RSI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.isa.reference import Reference

    Twin = Callable[..., "int | None"]

MASK64 = (1 << 64) - 1
LONGEST_WAIT = 100_000  # TPAUSE, in units of the time stamp: Linux' default


def _signed(value: int, w: int = 64) -> int:
    return value - (1 << w) if value >> (w - 1) else value


def _divide(high: int, low: int, divisor: int) -> tuple[int, int]:
    """Signed 128 by 64 bits, rounded to zero."""
    a, b = _signed(high << 64 | low, 128), _signed(divisor)
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - quotient * b


def udiv128(s: Reference, high: int, low: int, divisor: int) -> int:
    """Quotient of 128 by 64 bits; the body has raised #DE where there is none."""
    return (high << 64 | low) // divisor


def urem128(s: Reference, high: int, low: int, divisor: int) -> int:
    """Remainder of 128 by 64 bits."""
    return (high << 64 | low) % divisor


def idiv128_overflows(s: Reference, high: int, low: int, divisor: int) -> int:
    """Whether the signed quotient needs more than 64 bits."""
    return int(not -(1 << 63) <= _divide(high, low, divisor)[0] < 1 << 63)


def idiv128(s: Reference, high: int, low: int, divisor: int) -> int:
    """Signed quotient of 128 by 64 bits, rounded to zero."""
    return _divide(high, low, divisor)[0]


def irem128(s: Reference, high: int, low: int, divisor: int) -> int:
    """Signed remainder: it has the sign of the dividend."""
    return _divide(high, low, divisor)[1]


def cpuid_body(s: Reference) -> None:
    """EAX to EDX from the leaf EAX and subleaf ECX; an unknown leaf gives zeros."""
    leaf, sub = int(s.gpr(RAX, 32)), int(s.gpr(RCX, 32))
    found = [x for x in cpuid.leaves() if x.leaf == leaf and x.sub in (cpuid.ANY, sub)]
    result = found[-1] if found else cpuid.Leaf(leaf)
    values = (result.eax, result.ebx, result.ecx, result.edx)
    for n, value in zip((RAX, RBX, RCX, RDX), values, strict=True):
        s.set_gpr(n, Bits.const(value, 32))


def read_tsc(s: Reference) -> int:
    """Nanoseconds; the engine reads the host's counter."""
    return time.perf_counter_ns()


def read_tsc_aux(s: Reference) -> int:
    """Processor 0 of node 0."""
    return 0


def memory_fence(s: Reference) -> None:
    """One CPU sees its own memory in order."""


def mxcsr_load(s: Reference, value: int) -> None:
    """LDMXCSR; reserved bits were refused before."""
    s.cpu.mxcsr = value


def mxcsr_store(s: Reference) -> int:
    """STMXCSR."""
    return s.cpu.mxcsr


def _bit_string(w: int) -> Twin:
    def body(s: Reference, address: int, bit: int, operation: int) -> int:
        old = int(s.read_for_update(Bits.const(address, 64), w, True))
        new = (old | bit, old & ~bit, old ^ bit)[operation]
        s.update(Bits.const(new, w), True)
        return int(bool(old & bit))

    return body


def enter_frame(s: Reference, size: int, level: int, count: int) -> None:
    """ENTER with operands of `count` bytes."""
    outer, w, stack = int(s.gpr(RBP)), count * 8, far_twins.Stack(s)
    stack.push(outer, count)
    frame = stack.sp
    for _ in range(1, level & 31):
        outer -= count
        above = far_twins.Stack(s)
        above.sp = outer
        stack.push(above.pop(count), count)
    if level & 31:
        stack.push(frame, count)
    stack.sp -= size
    stack.touch()
    s.set_gpr(RBP, Bits.const(frame, w))
    stack.commit(stack.sp)


def deposit_bits(s: Reference, source: int, mask: int) -> int:
    """The low bits of `source`, spread to the ones of the mask."""
    places = [i for i in range(64) if mask >> i & 1]
    return sum((source >> n & 1) << place for n, place in enumerate(places))


def extract_bits(s: Reference, source: int, mask: int) -> int:
    """The bits of `source` at the ones of the mask, gathered."""
    places = [i for i in range(64) if mask >> i & 1]
    return sum((source >> place & 1) << n for n, place in enumerate(places))


def carryless_product(s: Reference, a: int, b: int) -> int:
    """The product of two polynomials over GF(2)."""
    product = 0
    for i in range(64):
        product ^= a << i if b >> i & 1 else 0
    return product


def invert_bytes(s: Reference, vector: int) -> int:
    """Inverses in the field of AES, byte by byte."""
    return int.from_bytes(vector.to_bytes(16, "little").translate(INVERSES), "little")


def random_bits(s: Reference) -> int:
    """The host's randomness, or SplitMix64 from `cpu.entropy` if that is not 0."""
    if not s.cpu.entropy:
        return int.from_bytes(os.urandom(8), "little")
    s.cpu.entropy = z = (s.cpu.entropy + 0x9E3779B97F4A7C15) & MASK64 or 1
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK64
    return z ^ z >> 31


def pause_until(s: Reference, deadline: int) -> int:
    """A wait until the time stamp `deadline`; 1 if the system's limit ends it before."""
    start = now = read_tsc(s)
    while now < deadline and now - start < LONGEST_WAIT:
        now = read_tsc(s)
    return int(now < deadline)


def give_way(s: Reference) -> None:
    """Nobody else is waiting."""


def check_store(s: Reference, address: int, size: int) -> None:
    """#PF as a store of `size` bytes would raise it."""
    s.memory.check_write(address, size)


def store80(s: Reference, address: int, low: int, high: int) -> None:
    """A store of 10 bytes, all or nothing."""
    s.memory.check_write(address, 10)
    s.memory.store(address, (low | high << 64).to_bytes(10, "little"))


def _gather(w: int) -> Twin:
    def body(
        s: Reference, base: int, a: int, i: int, v: int, scale: int, how: int, index_w: int, n: int
    ) -> None:
        """Lane by lane; each is committed at once."""
        indices = Bits.const(s.cpu.xmm[i] | s.cpu.ymmh[i] << 128, 256)
        width, segment = how & 15, how >> 8
        start = {1 + FS: s.cpu.fs_base, 1 + GS: s.cpu.gs_base}.get(segment, 0)
        for lane in range(n):
            mask, result = (Bits.const(s.cpu.xmm[r] | s.cpu.ymmh[r] << 128, 256) for r in (v, a))
            if mask.lane(w, lane).sign:
                offset = int(indices.lane(index_w, lane).sext(64)) << scale
                address = ((base + offset) & (1 << 8 * width) - 1) + start
                value = s.load(Bits.const(address, 64), w)
                _set_vector(s, a, Bits.const(int(result), 256).with_lane(lane, value))
            _set_vector(s, v, mask.with_lane(lane, Bits.const(0, w)))
        _set_vector(s, a, Bits.const(s.cpu.xmm[a] | s.cpu.ymmh[a] << 128, n * w).zext(256))
        _set_vector(s, v, Bits.const(0, 256))

    return body


def _set_vector(s: Reference, n: int, value: Bits) -> None:
    s.cpu.xmm[n], s.cpu.ymmh[n] = int(value.lane(128, 0)), int(value.lane(128, 1))


# -- strings --


def _element(s: Reference, w: int, name: str, base: int) -> bool:
    """One element of a string instruction; whether a comparison found equality."""
    step = -(w // 8) if s.flag("DF") else w // 8
    source, target = s.gpr(RSI) + base, s.gpr(RDI)
    equal = False
    if name == "movs":
        s.store(target, s.load(source, w))
    elif name == "stos":
        s.store(target, s.gpr(RAX, w))
    elif name == "lods":
        s.set_gpr(RAX, s.load(source, w))
    else:
        b = s.load(target, w)
        a = s.load(source, w) if name == "cmps" else s.gpr(RAX, w)
        s.flags_sub(a, b)
        equal = bool(a == b)
    for register, used in ((RSI, name in ("movs", "lods", "cmps")), (RDI, name != "lods")):
        if used:
            s.set_gpr(register, s.gpr(register) + Bits.const(step, 64))
    return equal


def _repeat(kind: str, name: str, w: int) -> Twin:
    def body(s: Reference, base: int) -> int:
        """Registers are committed element by element: a fault keeps what was done before it."""
        while int(s.gpr(RCX)):
            equal = _element(s, w, name, base)
            s.set_gpr(RCX, s.gpr(RCX) - 1)
            s.commit_progress()
            if kind != "rep" and equal != (kind == "repe"):
                break
        return 0

    return body


def _strings() -> dict[str, Twin]:
    table: dict[str, Twin] = {}
    for w in (8, 16, 32, 64):
        for name in ("movs", "stos", "lods"):
            table[f"rep_{name}{w}"] = _repeat("rep", name, w)
        for name in ("scas", "cmps"):
            for kind in ("repe", "repne"):
                table[f"{kind}_{name}{w}"] = _repeat(kind, name, w)
    return table


PLAIN: tuple[Twin, ...] = (
    udiv128, urem128, idiv128_overflows, idiv128, irem128, cpuid_body, read_tsc, read_tsc_aux,
    memory_fence, mxcsr_load, mxcsr_store, check_store, enter_frame, store80,
    deposit_bits, extract_bits, carryless_product, invert_bytes, random_bits, pause_until, give_way,
)  # fmt: skip
TWINS: dict[str, Twin] = {
    **{f.__name__: f for f in PLAIN},
    **{f"bit_string{w}": _bit_string(w) for w in (16, 32, 64)},
    **{f"gather{w}": _gather(w) for w in (32, 64)},
    **_strings(),
    **sse42_twins.TWINS,
    **segments.TWINS,
    **far_twins.TWINS,
}


def find(name: str) -> Twin:
    """The twin of a C body.  KeyError names one that is missing."""
    if name in TWINS:
        return TWINS[name]
    from blink.isa import x87_twins

    return x87_twins.find(name)
