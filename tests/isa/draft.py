"""A case that is being made: its registers and memory, and where a memory operand shall lie."""

from __future__ import annotations

from random import Random

from .cpustate import (
    COMPARED_FLAGS,
    HIGH_BASE,
    HIGH_RW_SIZE,
    HIGH_SIZE,
    LOW_BASE,
    LOW_SIZE,
    flat_offset,
)
from .encode import Code, solve
from .forms import Plan, keeps_to_a_line
from .ldt import SELECTORS_64
from .values import Pools

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
STACK = HIGH_BASE + 0x800
CANONICAL = (1 << 46) - 1


def q(value: int) -> bytes:
    """A register's 8 bytes."""
    return (value & (1 << 64) - 1).to_bytes(8, "little")


class Draft:
    """One case while it is made."""

    def __init__(self, code: Code, plan: Plan, rng: Random, pools: Pools) -> None:
        self.code, self.plan, self.rng, self.pools = code, plan, rng, pools
        self.gpr: list[bytes] = rng.choices(pools.i64, k=16)
        self.memory: list[tuple[int, bytes]] = []
        self.flags = rng.getrandbits(12) & COMPARED_FLAGS
        self.fs_base = self.gs_base = 0
        self.address = 0
        self.operand = b""
        self.ymmh = bytes(256)
        self.fx: bytes | None = None
        self.wide = code.address is None or code.address.width == 64
        self.seg = SELECTORS_64

    def patch(self, address: int, data: bytes) -> None:
        """Put `data` into memory, as far as it lies in the arranged areas."""
        off = flat_offset(address)
        if off is not None:
            area_end = HIGH_SIZE if off < HIGH_SIZE else HIGH_SIZE + LOW_SIZE
            self.memory.append((address, data[: area_end - off]))

    def repeat(self, address: int, element: bytes) -> None:
        """Equal elements before and behind `address`; behind it sometimes another one between."""
        data = element * 9
        if self.rng.getrandbits(1):
            data = data[: self.rng.randrange(72)] + element[::-1] + data
        self.patch(address, data[:96])
        self.patch(address - 64, data[:64])

    def reg(self, n: int) -> int:
        return int.from_bytes(self.gpr[n], "little")

    def ignored(self) -> tuple[tuple[int, int], ...]:
        """Memory that the instruction may write as it likes, as far as it lies in our areas."""
        if not self.plan.ignore or flat_offset(self.address) is None:
            return ()
        if self.code.size == 16:  # the short form of an x87 environment
            return ((self.address + 6, 8),)
        return tuple((self.address + at, n) for at, n in self.plan.ignore)


def edge_target(rng: Random, base: int, rw_end: int, end: int) -> int:
    """An address at which an access faults, or crosses into a page of another kind."""
    small = rng.randrange(1, 20)
    return rng.choice((rw_end - small, rw_end + 64, end - small, base - small, end + 0x4000))


def target_address(rng: Random, wide: bool, align: int, strict: bool = False) -> int:
    """Where a memory operand shall be: sometimes across pages, seldom at a fault."""
    base, rw_end, end = (
        (HIGH_BASE, HIGH_BASE + HIGH_RW_SIZE, HIGH_BASE + HIGH_SIZE)
        if wide
        else (LOW_BASE, LOW_BASE + LOW_SIZE, LOW_BASE + LOW_SIZE)
    )
    kind = rng.randrange(32)
    if kind == 0:
        target = edge_target(rng, base, rw_end, end)
    elif kind < 4 and wide:
        target = base + 0x1000 - rng.randrange(1, 32)
    else:
        target = base + 0x400 + rng.getrandbits(11)
    return target & -align if strict or rng.randrange(16) else target


def place_operand(d: Draft) -> None:
    """Give the registers of the address values that lead to the arranged memory."""
    address = d.code.address
    assert address is not None
    segment_base = 0
    if address.segment and address.fixed is None:
        segment_base = d.rng.getrandbits(20) << 4
        if address.segment == 0x64:
            d.fs_base = segment_base
        else:
            d.gs_base = segment_base
    strict = keeps_to_a_line(d.plan.form)
    target = target_address(d.rng, d.wide, d.plan.align, strict)
    d.address = solve(address, d.gpr, target, segment_base)
    if d.address != target and d.plan.align > 1:
        d.address = solve(address, d.gpr, d.address, segment_base)
    if strict:
        d.address = within_a_line(d, d.address, target, segment_base)
    data = d.operand or _operand_bytes(d)
    d.patch(d.address, data)


def within_a_line(d: Draft, reached: int, target: int, segment_base: int) -> int:
    """An address at which 16 bytes do not cross cache lines, at or behind the target."""
    assert d.code.address is not None
    while reached & 63 > 48 and d.code.address.fixed is None:
        target += 16
        reached = solve(d.code.address, d.gpr, target, segment_base)
    return reached


def _operand_bytes(d: Draft) -> bytes:
    """Contents of the memory operand: 32 bytes, sometimes equal to registers."""
    if d.rng.randrange(5) == 0:
        return d.gpr[RAX] + d.gpr[RDX] + bytes(8)
    pool = d.pools.vector[d.plan.memory_pool]
    return b"".join(d.rng.choices(pool, k=2))
