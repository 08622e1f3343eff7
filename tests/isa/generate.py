"""Random cases for an encoded instruction: registers, flags, memory, x87 and SSE state.

What an instruction needs beyond random values (a valid stack, string pointers, a divisor that does
not always overflow) is arranged by fix-ups keyed by opcode, so that no mnemonic is known here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from random import Random

from .cpustate import (
    COMPARED_FLAGS,
    FX_DEFAULT,
    FX_MXCSR,
    FX_OP,
    FX_ST,
    FX_XMM,
    HIGH_BASE,
    HIGH_RW_SIZE,
    HIGH_SIZE,
    LOW_BASE,
    LOW_SIZE,
    VARY_FLAGS,
    VARY_GPRS,
    VARY_MEMORY,
    VARY_VECTORS,
    VARY_X87,
    Case,
    flat_offset,
    make_fx,
)
from .encode import Address, Code, encode, solve
from .features import host_has, is_amd
from .forms import Plan, keeps_to_a_line
from .ldt import SELECTORS_64
from .values import Pools

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
STACK = HIGH_BASE + 0x800
CANONICAL = (1 << 46) - 1
STATES_PER_CODE = 6
_INFINITY = (1 << 63).to_bytes(8, "little")  # the significand of one


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


def _place_operand(d: Draft) -> None:
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


# -- fix-ups: what particular opcodes need --------------------------------------------------------


def _stack(d: Draft) -> None:
    rng = d.rng
    if rng.randrange(24):
        rsp = STACK + 8 * rng.getrandbits(8)
    else:
        rsp = edge_target(rng, HIGH_BASE, HIGH_BASE + HIGH_RW_SIZE, HIGH_BASE + HIGH_SIZE)
    d.gpr[RSP] = q(rsp)
    d.patch(rsp, b"".join(rng.choices(d.pools.i64, k=4)))


def _frame(d: Draft) -> None:
    """ENTER and LEAVE: RBP is in the stack as well."""
    _stack(d)
    rbp = STACK + 8 * d.rng.getrandbits(8)
    d.gpr[RBP] = q(rbp)
    d.patch(rbp - 32, b"".join(d.rng.choices(d.pools.i64, k=6)))


def _popf(d: Draft) -> None:
    _stack(d)
    d.patch(d.reg(RSP), q(d.rng.getrandbits(22) & ~0x100))


def _indirect(d: Draft) -> None:
    """Jump targets from registers and memory are canonical."""
    d.gpr = [q(int.from_bytes(v, "little") & CANONICAL) for v in d.gpr]
    d.operand = q(d.rng.getrandbits(46))
    _stack(d)
    d.patch(d.reg(RSP), q(d.rng.getrandbits(46)))


_SELECTORS = (0x23, 0x33, 0x2B, 0x07, 0x0F, 0x2F, 0x37, 0x3F, 0, 3, 4, 8, 0x28, 0x3B, 0x50, 0x77)


def _far(d: Draft) -> None:
    """A far pointer in memory, or on the stack; behind it what IRET takes."""
    rng, n = d.rng, d.code.size // 8
    selector = rng.choice((0x33, 0x33, 0x23, *_SELECTORS))
    offset = rng.getrandbits(31)
    if d.code.data[-1] == 0xCF:  # its target must be where INT3 is
        offset, selector = d.code.rip + len(d.code.data), 0x33
    _stack(d)
    flags, stack = rng.getrandbits(12) & 0xCD5, d.reg(RSP) + 8 * rng.getrandbits(4)
    words = (offset, selector, flags, stack, rng.choice((0x2B, 0x2B, 0x28, 0, 0x33)))
    data = b"".join(q(w)[:n] for w in words)
    d.operand = data[:n] + selector.to_bytes(2, "little") + bytes(8)
    d.patch(d.reg(RSP), data)


def _selector(d: Draft) -> None:
    """A selector in memory, in a register, on the stack."""
    rng = d.rng
    selector = rng.choice(_SELECTORS)
    at = d.code.size // 8 if "mp" in d.plan.form.operands_text else 0
    d.operand = rng.randbytes(at) + selector.to_bytes(2, "little") + bytes(8)
    d.gpr = [q(rng.choice(_SELECTORS) | rng.getrandbits(48) << 16) for _ in range(16)]
    _stack(d)
    d.patch(d.reg(RSP), q(selector))


def _string(d: Draft) -> None:
    """RSI, RDI and the count; few distinct values, so that comparisons run for a while."""
    rng = d.rng
    narrow = 0x67 in d.code.data[:-1]
    distinct = [rng.choice(d.pools.i64), rng.choice(d.pools.i64)]
    for n in (RSI, RDI):
        target = target_address(rng, not narrow, 1)
        d.gpr[n] = q(target | (rng.getrandbits(32) << 32 if narrow else 0))
        d.repeat(target, rng.choice(distinct))
    d.gpr[RAX] = distinct[0] if rng.randrange(4) else d.gpr[RAX]
    garbage = rng.getrandbits(32) << 32 if narrow else 0
    d.gpr[RCX] = q(rng.choice((0, 1, 2, 3, rng.randrange(20))) | garbage)


def _divide(d: Draft) -> None:
    """Dividends whose quotient often fits."""
    rng = d.rng
    kind = rng.randrange(4)
    if kind == 0:
        return
    if kind == 1:
        d.gpr[RAX] = q(rng.getrandbits(rng.randrange(1, 16)))
    d.gpr[RDX] = q(rng.choice((0, 0, -1, 1, rng.getrandbits(8))))
    if kind == 2:
        d.operand = rng.choice(d.pools.i64) * 2


def _bit_offset(d: Draft) -> None:
    """BT and its like with a register offset reach memory far from their operand."""
    modrm_reg = _modrm_reg(d.code)
    if d.code.address is not None:
        low = d.rng.randrange(-0x1000, 0x1000)
        d.gpr[modrm_reg] = q(low)


def _modrm_reg(code: Code) -> int:
    """ModRM.reg with REX.R of a legacy 0F-map instruction without immediate."""
    at = code.data.index(0x0F)
    rex = code.data[at - 1] if at else 0
    extension = (rex & 4) << 1 if rex & 0xF0 == 0x40 else 0
    return code.data[at + 2] >> 3 & 7 | extension


def _double_shift(d: Draft) -> None:
    """SHLD and SHRD by more than the operand size are undefined."""
    if d.code.size == 16:
        d.gpr[RCX] = q(d.reg(RCX) & ~31 | d.rng.randrange(17))


def addresses_by_mask(plan: Plan, address: Address | None) -> bool:
    """Whether an address needs the registers that name components, of which hosts have more."""
    if address is None or "xsave" not in plan.fixups:
        return False
    return bool({RAX, RDX} & {address.base, address.offset})


def defined(d: Draft) -> bool:
    """False when the address took CL, and with it SHLD or SHRD by more than the operand size."""
    by_cl = "double_shift" in d.plan.fixups and d.code.size == 16
    return not by_cl or d.reg(RCX) & 31 <= 16


def _rdi_target(d: Draft) -> None:
    """MASKMOV: with an empty mask a fault is the CPU's choice, so there is none."""
    base = LOW_BASE if 0x67 in d.code.data[:-1] else STACK
    d.gpr[RDI] = q(base + d.rng.getrandbits(11))


def _xlat(d: Draft) -> None:
    narrow = 0x67 in d.code.data[:-1]
    target = (LOW_BASE if narrow else HIGH_BASE) + 0x600
    d.gpr[RBX] = q(target | (d.rng.getrandbits(32) << 32 if narrow else 0))
    d.patch(target, d.rng.randbytes(256))


def _count(d: Draft) -> None:
    d.gpr[RCX] = q(d.rng.choice((0, 1, 2, 1 << 32, (1 << 32) + 1, d.reg(RCX))))


def _exchange(d: Draft) -> None:
    """CMPXCHG8B/16B: memory often equals EDX:EAX."""
    n = 8 if d.code.size == 64 or _has_rex_w(d.code) else 4
    if d.rng.getrandbits(1):
        d.operand = d.gpr[RAX][:n] + d.gpr[RDX][:n]


def _has_rex_w(code: Code) -> bool:
    at = code.data.index(0x0F)
    return at > 0 and code.data[at - 1] & 0xF8 == 0x48


def _mxcsr(d: Draft) -> None:
    """Without bit 17: MISALIGNSSE, which AMD's processors have and ours does not."""
    d.operand = q(d.rng.getrandbits(16 if d.rng.randrange(6) else 32) & ~(1 << 17))


def _fxrstor(d: Draft) -> None:
    image = bytearray(random_fx(d.rng, d.pools, "int", x87=True))
    d.operand = bytes(image[:464])


def _high_halves(d: Draft) -> bytes:
    """Of the YMM registers: all, some, or none, which only AMD's processors find out."""
    used = d.rng.choice((0, 0, 1 << d.rng.randrange(16), 0xFFFF)) if is_amd() else 0xFFFF
    values = d.rng.choices(d.pools.vector["int"], k=16)
    return b"".join(v if used >> i & 1 else bytes(16) for i, v in enumerate(values))


def _partly_initial(d: Draft, fx: bytes) -> bytes:
    """An FXSAVE image of which some components are in their initial state, or nearly."""
    if not is_amd():
        return fx
    image, initial = bytearray(fx), make_fx()
    parts = [slice(0, 24), slice(24, 32), slice(160, 416)]
    parts += [slice(32, 160)] if d.rng.randrange(3) else []
    for part in parts:
        if d.rng.getrandbits(1):
            image[part] = initial[part]
    return bytes(image)


def _xsave(d: Draft) -> None:
    """Components that hosts of all kinds have in common; a header that is often legal."""
    rng = d.rng
    d.fx = _partly_initial(d, random_fx(rng, d.pools, "int", x87=True))
    d.ymmh = _high_halves(d)
    d.gpr[RAX] = q(rng.getrandbits(3) if rng.randrange(4) else 7)
    d.gpr[RDX] = q(0)
    there, compacted = rng.getrandbits(3), rng.getrandbits(1)
    header = [there, (rng.getrandbits(3) | there | 1 << 63) if compacted else 0, *[0] * 6]
    if not rng.randrange(4):
        header[rng.randrange(8)] ^= 1 << rng.choice((0, 1, 2, 8, 30, 62, 63))
    image = random_fx(rng, d.pools, "int", x87=True)
    if not rng.randrange(6):
        image = image[:26] + b"\1" + image[27:]
    values = [v.to_bytes(8, "little") for v in header]
    d.operand = b"".join([image, *values, *rng.choices(d.pools.vector["int"], k=16)])


def _xgetbv(d: Draft) -> None:
    """In use: XCR0 itself belongs to the machine."""
    d.fx = _partly_initial(d, random_fx(d.rng, d.pools, "int", x87=True))
    d.ymmh = _high_halves(d)
    d.gpr[RCX] = q(d.rng.choice((1, 1, 1, 2, 1 << 31)))


def _bases(d: Draft) -> None:
    """WRFSBASE and its like take canonical addresses."""
    d.gpr = [q(int.from_bytes(v, "little") & CANONICAL) for v in d.gpr]
    d.fs_base, d.gs_base = d.rng.getrandbits(46), d.rng.getrandbits(46)


def _monitor(d: Draft) -> None:
    """UMONITOR reads where a register points: our memory, or none, never the emulator's own."""
    wide = 0x67 not in d.code.data[:-1]
    d.gpr = [q(target_address(d.rng, wide, 1)) for _ in range(16)]


def _x87_environment(d: Draft) -> None:
    cw, sw, _ = x87_control(d.rng)
    tag_word = d.rng.getrandbits(16)
    pointers = (d.rng.getrandbits(32) for _ in range(4))
    env = b"".join(v.to_bytes(4, "little") for v in (cw, sw, tag_word, *pointers))
    d.operand = env + b"".join(v[:10] for v in d.rng.choices(d.pools.f80, k=8))


def _x87_control_word(d: Draft) -> None:
    d.operand = q(x87_control(d.rng)[0])


def _lengths(d: Draft) -> None:
    """PCMPESTR*: strings that end within the registers, mostly."""
    for n in (RAX, RDX):
        if d.rng.randrange(4):
            d.gpr[n] = q(d.rng.randrange(-18, 19))


def _gather(d: Draft) -> None:
    """Indices that mostly lead to our memory, beside what must be a full state."""
    rng, lane = d.rng, 8 if d.plan.form.enc.opcode & 1 else 4
    few = [rng.randrange(-96, 96) for _ in range(7)]
    if rng.randrange(4) == 0:
        few.append(rng.choice((-(1 << 12), 1 << 12, 1 << 20)))
    chosen = rng.choices(few, k=32 // lane)
    indices = b"".join(v.to_bytes(lane, "little", signed=True) for v in chosen)
    fx, high = bytearray(random_fx(rng, d.pools, "int", x87=False)), bytearray(_high_halves(d))
    if d.code.vsib >= 0:
        at = 16 * d.code.vsib
        fx[FX_XMM + at : FX_XMM + at + 16], high[at : at + 16] = indices[:16], indices[16:]
    d.fx, d.ymmh = bytes(fx), bytes(high)


FIXUPS: dict[str, Callable[[Draft], None]] = {
    "stack": _stack,
    "frame": _frame,
    "popf": _popf,
    "indirect": _indirect,
    "far": _far,
    "selector": _selector,
    "bound": _stack,
    "string": _string,
    "divide": _divide,
    "bit_offset": _bit_offset,
    "double_shift": _double_shift,
    "rdi": _rdi_target,
    "xlat": _xlat,
    "gather": _gather,
    "lengths": _lengths,
    "count": _count,
    "exchange": _exchange,
    "mxcsr": _mxcsr,
    "fxrstor": _fxrstor,
    "xsave": _xsave,
    "xgetbv": _xgetbv,
    "bases": _bases,
    "monitor": _monitor,
    "x87_environment": _x87_environment,
    "x87_control_word": _x87_control_word,
}

# -- x87 and SSE --------------------------------------------------------------------------------


def random_mxcsr(rng: Random) -> int:
    """Mostly all exceptions masked; rounding, DAZ, FTZ and sticky flags at random."""
    masks = 0x3F if rng.randrange(8) else rng.getrandbits(6)
    sticky = rng.getrandbits(6) if rng.randrange(3) == 0 else 0
    rounding = rng.getrandbits(2) << 13
    flush = (rng.randrange(4) == 0) << 15 | (rng.randrange(4) == 0) << 6
    return masks << 7 | sticky | rounding | flush


def x87_control(rng: Random) -> tuple[int, int, int]:
    """A control word, a status word that fits it, and abridged tags of the registers."""
    masks = 0x3F if rng.randrange(8) else rng.getrandbits(6)
    cw = 0x40 | masks | rng.choice((0, 2, 3, 3, 3)) << 8 | rng.getrandbits(2) << 10
    pending = rng.getrandbits(7) if rng.randrange(4) == 0 else 0
    if rng.randrange(4):
        pending &= masks
    top = rng.getrandbits(3)
    summary = 0x8080 if pending & 0x3F & ~masks else 0
    sw = pending | summary | top << 11 | (rng.getrandbits(16) & 0x4700)
    depth = rng.randrange(9) if rng.randrange(4) else 8
    tags = sum(1 << ((top + i) & 7) for i in range(depth))
    return cw, sw, tags if rng.randrange(8) else rng.getrandbits(8)


def random_fx(rng: Random, pools: Pools, pool: str, x87: bool) -> bytes:
    """An FXSAVE image: XMM registers from the named pool; x87 in its initial state unless asked."""
    xmm = b"".join(rng.choices(pools.vector[pool], k=16))
    if not x87:
        return make_fx(mxcsr=random_mxcsr(rng), xmm=xmm)
    cw, sw, tags = x87_control(rng)
    st = b"".join(rng.choices(pools.f80, k=8))
    fx = make_fx(cw, sw, tags, st, random_mxcsr(rng), xmm)
    return fx[:FX_OP] + rng.randbytes(FX_MXCSR - FX_OP) + fx[FX_MXCSR:]


def _nearly_tiny(fx: bytes) -> bool:
    """Whether ST0 is next to the smallest normal number: its sine is tiny, or not quite."""
    low, high = (int.from_bytes(fx[at : at + 8], "little") for at in (FX_ST, FX_ST + 8))
    return high & 0x7FFF <= 1 and abs(low - (1 << 63)) < 16


def _limited(fx: bytes, limit: int) -> bytes:
    """The image with ST0's exponent below `limit`; NaNs stay."""
    at = FX_ST + 8
    high = int.from_bytes(fx[at : at + 2], "little")
    exponent = high & 0x7FFF
    infinite = fx[FX_ST:at] == _INFINITY
    if exponent < limit or (exponent == 0x7FFF and not infinite):
        return fx
    smaller: int = high & 0x8000 | limit - 1 - exponent % 64
    return fx[:at] + smaller.to_bytes(2, "little") + fx[at + 2 :]


@lru_cache(maxsize=4)
def pools_of(seed: int) -> Pools:
    """The pools of a seed; making them takes longer than a hundred cases."""
    return Pools(Random(seed))


def _variable(d: Draft) -> int:
    """What variants of the case may have otherwise: not what an address or a fix-up rests on."""
    plan, code = d.plan, d.code
    if plan.fixups or plan.limit or plan.estimate or plan.ignore:
        return 0
    found = VARY_FLAGS | VARY_VECTORS * plan.sse | VARY_X87 * plan.x87
    if code.address is None:
        return found | VARY_GPRS
    return found | VARY_MEMORY * (len(d.memory) == 1)


class Generator:
    """Makes cases; everything follows from the seed and the name of the stream."""

    def __init__(self, seed: int, stream: str = "") -> None:
        self.rng = Random(f"{seed} {stream}")
        self.pools = pools_of(seed)
        self._background: list[bytes] = [
            FX_DEFAULT,
            *(random_fx(self.rng, self.pools, "int", x87=True) for _ in range(7)),
        ]

    def case(self, code: Code, plan: Plan) -> Case:
        """One case for `code`."""
        rng = self.rng
        d = Draft(code, plan, rng, self.pools)
        for name in plan.fixups:
            FIXUPS[name](d)
        if code.address is not None:
            _place_operand(d)
        if not defined(d):
            return self.case(code, plan)
        return Case(
            code.data, b"".join(d.gpr), code.rip, d.flags, d.fx or self.fx(plan),
            d.ymmh if any(d.ymmh) else self.ymmh(plan),
            d.fs_base, d.gs_base, tuple(d.memory), plan.undefined, plan.label,
            d.ignored(), plan.slack, plan.estimate, vary=_variable(d),
        )  # fmt: skip

    def ymmh(self, plan: Plan) -> bytes:
        """Upper halves of the vector registers, as far as the host can have them."""
        if not plan.sse or not host_has("AVX") or self.rng.randrange(8) == 0:
            return bytes(256)
        pool = plan.pool if self.rng.randrange(5) else "int"
        return b"".join(self.rng.choices(self.pools.vector[pool], k=16))

    def fx(self, plan: Plan) -> bytes:
        """An FXSAVE image that suits the form."""
        if not plan.sse and not plan.x87:
            return self.rng.choice(self._background)
        pool = plan.pool if self.rng.randrange(5) else "int"
        fx = random_fx(self.rng, self.pools, pool, plan.x87)
        if plan.estimate and _nearly_tiny(fx):
            return self.fx(plan)
        return _limited(fx, plan.limit) if plan.limit else fx

    def cases(self, plan: Plan, n: int, rip: int) -> list[Case]:
        """`n` cases of the plan's form; several states share each encoding."""
        cases: list[Case] = []
        while len(cases) < n:
            code = encode(plan.form, self.rng.choice(plan.sizes), self.rng, rip)
            if addresses_by_mask(plan, code.address):
                continue
            cases += [self.case(code, plan) for _ in range(min(STATES_PER_CODE, n - len(cases)))]
        return cases
