"""What particular opcodes need beyond random values: a valid stack, string pointers, a divisor that
does not always overflow.  `forms.py` names them by opcode, so that no mnemonic is known here.
"""

from __future__ import annotations

from collections.abc import Callable

from .cpustate import FX_XMM, HIGH_BASE, HIGH_RW_SIZE, HIGH_SIZE, LOW_BASE, make_fx
from .draft import (
    CANONICAL,
    RAX,
    RBP,
    RBX,
    RCX,
    RDI,
    RDX,
    RSI,
    RSP,
    STACK,
    Draft,
    edge_target,
    q,
    target_address,
)
from .encode import Code
from .features import is_amd
from .forms import Plan
from .fxstate import random_fx, x87_control


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
    """ModRM.reg with REX.R of a legacy instruction with two or three bytes of opcode."""
    at = code.data.index(0x0F)
    rex = code.data[at - 1] if at else 0
    extension = (rex & 4) << 1 if rex & 0xF0 == 0x40 else 0
    length = 3 if code.data[at + 1] in (0x38, 0x3A) else 2
    return code.data[at + length] >> 3 & 7 | extension


def _direct(d: Draft) -> None:
    """MOVDIR64B stores where a register points: to a line, unless it is to fault."""
    assert d.code.address is not None
    rng, narrow = d.rng, d.code.address.width != 64
    target = target_address(rng, not narrow, 64) & ~63 | (rng.randrange(12) == 0)
    d.gpr[_modrm_reg(d.code)] = q(target | (rng.getrandbits(32) << 32 if narrow else 0))


def _double_shift(d: Draft) -> None:
    """SHLD and SHRD by more than the operand size are undefined."""
    if d.code.size == 16:
        d.gpr[RCX] = q(d.reg(RCX) & ~31 | d.rng.randrange(17))


def addresses_by_input(plan: Plan, code: Code) -> bool:
    """Whether an address needs registers that a fix-up must be free to choose: those that name
    components, of which hosts have more, and the one that says where MOVDIR64B stores."""
    taken = set()
    if "xsave" in plan.fixups:
        taken = {RAX, RDX}
    if "direct" in plan.fixups:
        taken = {_modrm_reg(code)}
    return code.address is not None and bool(taken & {code.address.base, code.address.offset})


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
    "direct": _direct,
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
