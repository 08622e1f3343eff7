"""Cases in 16 and 32-bit mode: encodings without REX, 16-bit addressing, segments with bases and
limits.

The memory is the LOW area alone, which flat segments reach by 32-bit addresses and those of the
local descriptor table (ldt.py) by small offsets.
"""

from __future__ import annotations

from random import Random

from blink.isa.spec import ANY

from .cpustate import GPR_STRUCT, LOW_BASE, LOW_SIZE, Case
from .draft import Draft, q, within_a_line
from .encode import PP_BYTES, Address, Code, may_lock, signed, solve, vex_head
from .fixups import FIXUPS, defined
from .forms import Plan, keeps_to_a_line
from .generate import Generator
from .ldt import (
    CODE16,
    CODE_LOW,
    DATA16,
    DATA32_BASED,
    DOWN,
    DOWN16,
    READ_ONLY,
    SHORT,
    USER32,
    USER64,
    USER_DATA,
    segment,
)  # fmt: skip

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
ES, CS, SS, DS, FS, GS = range(6)
OVERRIDE = {ES: 0x26, CS: 0x2E, SS: 0x36, DS: 0x3E, FS: 0x64, GS: 0x65}
# 16-bit addressing: base and index by ModRM.rm
PAIRS = ((RBX, RSI), (RBX, RDI), (RBP, RSI), (RBP, RDI), (RSI, -1), (RDI, -1), (RBP, -1), (RBX, -1))
STACK = LOW_BASE + 0x800
_SELECTORS = (
    *(USER_DATA, USER32, CODE16, DATA16, SHORT, READ_ONLY, 0x37, 0x3F, 0x4F),
    *(0, 3, 4, 8, 0x28, 0x3B, 0x50, 0x77, 0xFFFF),
)


class Encoder:
    """One random encoding of a form at an operand size."""

    def __init__(self, plan: Plan, size: int, mode: int, rng: Random) -> None:
        self.plan, self.form, self.size, self.mode, self.rng = plan, plan.form, size, mode, rng
        self.prefixes: list[int] = []
        self.modrm: int | None = None
        self.tail = b""
        self.imm = b""
        self.address: Address | None = None
        self.segment = -1
        self.r = self.x = self.b = 0  # there are eight registers
        self.w = 0 if self.form.enc.w == ANY else self.form.enc.w

    def encode(self, rip: int) -> Code:
        form, e, rng = self.form, self.form.enc, self.rng
        self._choose_prefixes()
        opcode = e.opcode
        if e.plus_r:
            opcode += rng.randrange(1 if e.opcode == 0x90 else 0, 8)
        if e.modrm:
            self._choose_modrm()
        for operand in form.operands:
            self._choose_immediate(operand.kind.where, operand.kind.name)
        if self.address is not None and may_lock(form) and rng.randrange(3) == 0:
            self.prefixes.append(0xF0)
        rng.shuffle(self.prefixes)
        modrm = b"" if self.modrm is None else bytes([self.modrm])
        head = vex_head(self, opcode) if e.enc == "vex" else self._legacy_head(opcode)
        data = head + modrm + self.tail + self.imm
        return Code(
            form, self.size, data, rip, self.address, int.from_bytes(self.imm[:1], "little")
        )

    def bits(self, n: int) -> int:
        """Random bits; VEX.vvvv has three."""
        return self.rng.getrandbits(min(n, 3))

    def _legacy_head(self, opcode: int) -> bytes:
        escape = {0: b"", 1: b"\x0f", 2: b"\x0f\x38", 3: b"\x0f\x3a"}[self.form.enc.map]
        return bytes(self.prefixes) + escape + bytes([opcode])

    def _choose_prefixes(self) -> None:
        form, e = self.form, self.form.enc
        if e.pp in PP_BYTES:
            self.prefixes.append(PP_BYTES[e.pp])
        sized = form.sizes_in(self.mode) == (16, 32) or "oy" in form.operands_text
        if sized and (self.size == 16) != (self.mode == 16) and e.pp != 1:
            self.prefixes.append(0x66)
        if form.asize and (form.asize == 16) != (self.mode == 16):
            self.prefixes.append(0x67)
        implied = form.insn.family == "string" or form.insn.name == "XLAT"
        if implied and self.rng.randrange(3) == 0:
            self._override(self.rng.choice((ES, DS, FS, GS, SS)))

    def _override(self, n: int) -> None:
        self.segment = n
        self.prefixes.append(OVERRIDE[n])

    def _choose_modrm(self) -> None:
        e, rm, rng = self.form.enc, self.form.rm, self.rng
        modrm = rng.getrandbits(6) & ~e.mask | e.value
        for operand in self.form.operands:
            if operand.kind.bank in ("seg", "no"):
                numbers = (0, 2, 3, 4, 5) if operand.kind.bank == "no" else range(6)
                modrm = modrm & ~0x38 | rng.choice(list(numbers)) << 3
            elif operand.kind.bank == "number":
                modrm = modrm & ~0x38 | rng.choice((0, 2, 3, 4)) << 3
        self.modrm = modrm | 0xC0
        memory = rm is None or rm.kind.mem
        register = rm is None or rm.kind.reg
        if e.mask & 0xC0 == 0 and memory and (not register or rng.getrandbits(1)):
            self.modrm = modrm & 0x38
            self._choose_address()

    def _address_width(self) -> int:
        width = self.rng.choice((16, 32))
        if (width == 16) != (self.mode == 16):
            self.prefixes.append(0x67)
        return width

    def _choose_address(self) -> None:
        assert self.modrm is not None
        width = self._address_width()
        if self.rng.randrange(2 if width != self.mode else 6) == 0:
            self._override(self.rng.choice((ES, SS, DS, FS, GS)))
        if width == 16:
            self._choose_address16()
        else:
            self._choose_address32()

    def _choose_address16(self) -> None:
        assert self.modrm is not None
        rm, mod = self.rng.randrange(8), self.rng.randrange(3)
        base, index = PAIRS[rm]
        if mod == 0 and rm == 6:
            self._absolute(6, 2, 16)
            return
        self.modrm |= mod << 6 | rm
        disp = self._displacement((0, 1, 2)[mod])
        self.address = Address(base, index, 0, disp, 16, self._segment(base))

    def _choose_address32(self) -> None:
        assert self.modrm is not None
        rng, mod = self.rng, self.rng.randrange(3)
        base, index, scale = rng.randrange(8), -1, 0
        if mod == 0 and base == RBP:
            self._absolute(5, 4, 32)
            return
        self.modrm |= mod << 6 | (4 if base == RSP or rng.getrandbits(1) else base)
        if self.modrm & 7 == 4:
            index, scale = rng.randrange(8), rng.getrandbits(2)
            self.tail = bytes([scale << 6 | index << 3 | base])
            index = -1 if index == RSP else index
        disp = self._displacement((0, 1, 4)[mod])
        self.address = Address(base, index, scale, disp, 32, self._segment(base))

    def _displacement(self, size: int) -> int:
        data = self.rng.randbytes(size)
        self.tail += data
        return signed(int.from_bytes(data, "little"), 8 * size) if size else 0

    def _absolute(self, rm: int, size: int, width: int) -> None:
        assert self.modrm is not None
        self.modrm |= rm
        self.segment = self.segment if self.segment >= 0 else DS
        self.tail += self._fixed(size, width)

    def _fixed(self, size: int, width: int) -> bytes:
        """An address that its segment's base turns into one of LOW, if it is small or flat."""
        small = 0x2400 + self.rng.getrandbits(9) if width == 16 else 0
        target = (small or LOW_BASE + 0x400 + self.rng.getrandbits(10)) & -self.plan.align
        self.address = Address(width=width, fixed=target, segment=self._segment(-1))
        return target.to_bytes(size, "little")

    def _segment(self, base: int) -> int:
        if self.segment >= 0:
            return self.segment
        return SS if base in (RSP, RBP) else DS

    def _choose_immediate(self, where: str, name: str) -> None:
        rng = self.rng
        if where == "moffs":
            width = self._address_width()
            self.imm += self._fixed(width // 8, width)
        if where == "sel":
            self.imm += rng.choice(_SELECTORS).to_bytes(2, "little")
        if where == "is4":
            self.imm = bytes([rng.getrandbits(3) << 4])
        if where not in ("imm", "rel"):
            return
        n = {"imm8": 1, "simm8": 1, "rel8": 1, "ix": 1, "iy": 1, "imm16": 2}.get(
            name, self.size // 8
        )
        small = signed(rng.getrandbits(4), 4).to_bytes(n, "little", signed=True)
        self.imm += rng.randbytes(n) if rng.getrandbits(1) else small
        e = self.form.enc
        if (e.map, e.opcode) in ((1, 0xA4), (1, 0xAC)) and self.size == 16:
            self.imm = bytes([rng.randrange(17)])  # SHLD, SHRD by more are undefined
        if (e.map, e.opcode) == (0, 0xC8):
            self.imm = bytes([rng.getrandbits(7), 0, rng.choice((0, 0, 1, 2, 3, 31, 32, 255))])
        if name == "immz" and (e.map, e.opcode) in ((0, 0x9A), (0, 0xEA)) and rng.getrandbits(1):
            self.imm = rng.getrandbits(14).to_bytes(n, "little")


class LegacyDraft(Draft):
    """One case while it is made."""

    def __init__(self, code: Code, plan: Plan, rng: Random, generator: Generator) -> None:
        super().__init__(code, plan, rng, generator.pools)
        self.gpr = [q(int.from_bytes(v, "little") & 0xFFFFFFFF) for v in self.gpr]
        self.wide = False

    def choose_segments(self, mode: int) -> None:
        rng = self.rng
        usual = USER_DATA if mode == 32 else DATA16
        data = (usual, usual, usual, DATA16, DATA32_BASED, USER_DATA)
        odd = (SHORT, DOWN, DOWN16, READ_ONLY, USER_DATA, 0, DATA32_BASED)
        stack = rng.choice((usual, usual, usual, DATA16, USER_DATA, DATA32_BASED))
        code = USER32 if mode == 32 else CODE16
        self.seg = (
            rng.choice(data), code, stack, rng.choice(data), rng.choice(odd), rng.choice(odd),
        )  # fmt: skip

    def base(self, n: int) -> int:
        return segment(self.seg[n]).base

    def reach(self, n: int) -> None:
        """Make segment `n` one whose low offsets are in our memory."""
        self.seg = (*self.seg[:n], DATA16, *self.seg[n + 1 :])

    def stack_pointer(self, linear: int) -> None:
        wide = segment(self.seg[SS]).rights & 0x4000
        sp = linear - self.base(SS)
        keep = 0 if wide else self.reg(RSP) & 0xFFFF0000
        self.gpr[RSP] = q(sp & (0xFFFFFFFF if wide else 0xFFFF) | keep)


def _target(d: LegacyDraft) -> int:
    """A linear address for an operand: seldom at the ends of memory or of a segment."""
    rng = d.rng
    if rng.randrange(16) == 0:
        ends = (LOW_BASE, LOW_BASE + 0x400, LOW_BASE + 0x800, LOW_BASE + LOW_SIZE)
        return rng.choice(ends) - rng.randrange(1, 20)
    return LOW_BASE + 0x400 + rng.getrandbits(10)


def _stack(d: LegacyDraft) -> None:
    rng = d.rng
    at = STACK + 4 * rng.getrandbits(7)
    if rng.randrange(24) == 0:
        at = rng.choice((LOW_BASE, LOW_BASE + LOW_SIZE)) + rng.randrange(-12, 12)
    d.stack_pointer(at)
    d.patch(at, b"".join(rng.choices(d.pools.i64, k=6)))


def _inner_stack(d: LegacyDraft) -> None:
    """Where nothing faults, where the order of faults is the CPU's choice."""
    at = STACK + 4 * d.rng.getrandbits(7)
    d.stack_pointer(at)
    d.patch(at, b"".join(d.rng.choices(d.pools.i64, k=6)))


def _frame(d: LegacyDraft) -> None:
    _stack(d)
    at = STACK + 4 * d.rng.getrandbits(7)
    d.gpr[RBP] = q((at - d.base(SS)) & 0xFFFFFFFF)
    d.patch(at - 32, b"".join(d.rng.choices(d.pools.i64, k=6)))


def _words(d: LegacyDraft, *values: int) -> bytes:
    return b"".join(
        (v & (1 << d.code.size) - 1).to_bytes(d.code.size // 8, "little") for v in values
    )


def _popf(d: LegacyDraft) -> None:
    _stack(d)
    at = _stack_top(d)
    d.patch(at, q(d.rng.getrandbits(17) & ~0x100))


def _stack_top(d: LegacyDraft) -> int:
    wide = segment(d.seg[SS]).rights & 0x4000
    return (d.reg(RSP) & (0xFFFFFFFF if wide else 0xFFFF)) + d.base(SS)


def _code_offset(d: LegacyDraft) -> int:
    """Where a jump may go: in the segment, seldom beyond it."""
    rng = d.rng
    base = CODE_LOW if d.seg[CS] == USER32 else 0
    return base + rng.getrandbits(16) if rng.randrange(8) else rng.getrandbits(32)


def _indirect(d: LegacyDraft) -> None:
    offset = _code_offset(d)
    d.gpr = [q(offset if n != RSP else d.reg(n)) for n in range(8)] + d.gpr[8:]
    d.operand = q(offset)
    _inner_stack(d)
    d.patch(_stack_top(d), _words(d, offset))


def _far(d: LegacyDraft) -> None:
    """A far pointer in memory, or on the stack, with flags behind it for IRET."""
    rng = d.rng
    selector = rng.choice((CODE16, USER32, USER64, 0x2F, d.seg[CS], *_SELECTORS))
    if selector == USER64 and (d.seg[SS] != USER_DATA or d.plan.form.insn.name == "CALL"):
        selector = d.seg[CS]  # calls into 64-bit mode push there, wherever that is
    offset = rng.getrandbits(16) if rng.randrange(4) else CODE_LOW + rng.getrandbits(14)
    if d.code.data[-1] == 0xCF:  # its target must be where INT3 is
        offset, selector = d.code.rip + len(d.code.data), d.seg[CS]
    pointer = _words(d, offset)
    d.operand = pointer + selector.to_bytes(2, "little") + bytes(8)
    _stack(d)
    d.patch(_stack_top(d), pointer + _words(d, selector, rng.getrandbits(12) & 0xCD5))


def _selector(d: LegacyDraft) -> None:
    """A selector in memory, in a register, on the stack."""
    rng = d.rng
    selector = rng.choice(_SELECTORS)
    at = d.code.size // 8 if "mp" in d.plan.form.operands_text else 0
    d.operand = rng.randbytes(at) + selector.to_bytes(2, "little") + bytes(8)
    d.gpr = [q(rng.choice(_SELECTORS) | rng.getrandbits(16) << 16) for _ in range(8)] + d.gpr[8:]
    _stack(d)
    d.patch(_stack_top(d), q(selector))


def _source(d: LegacyDraft) -> int:
    """The segment of a string's source: the override, or DS."""
    return next((n for n, byte in OVERRIDE.items() if byte in d.code.data[:-1]), DS)


def _string(d: LegacyDraft) -> None:
    """Pointers in the source and the destination segment, and a count."""
    rng, a = d.rng, d.plan.form.asize
    mask = (1 << a) - 1
    source = _source(d)
    if "CMPS" in d.plan.label:  # which of two faults comes first differs from form to form
        d.reach(ES)
    distinct = [rng.choice(d.pools.i64), rng.choice(d.pools.i64)]
    for register, n in ((RSI, source), (RDI, ES)):
        target = _target(d) if n != ES or "CMPS" not in d.plan.label else LOW_BASE + 0x600
        d.gpr[register] = q((target - d.base(n)) & mask | d.reg(register) & 0xFFFFFFFF & ~mask)
        d.repeat(target, rng.choice(distinct))
    d.gpr[RAX] = distinct[0] if rng.randrange(4) else d.gpr[RAX]
    d.gpr[RAX] = q(d.reg(RAX) & 0xFFFFFFFF)
    count = rng.choice((0, 1, 2, 3, rng.randrange(20)))
    d.gpr[RCX] = q(count | d.reg(RCX) & 0xFFFFFFFF & ~mask)


def _xlat(d: LegacyDraft) -> None:
    mask = (1 << d.plan.form.asize) - 1
    source = _source(d)
    d.gpr[RBX] = q((LOW_BASE + 0x600 - d.base(source)) & mask | d.reg(RBX) & 0xFFFFFFFF & ~mask)
    d.patch(LOW_BASE + 0x600, d.rng.randbytes(256))


def _count(d: LegacyDraft) -> None:
    high = d.rng.getrandbits(16) << 16
    d.gpr[RCX] = q(d.rng.choice((0, 1, 2, high, high | 1, d.reg(RCX))))


def _bit_offset(d: LegacyDraft) -> None:
    """Bit strings stay near: the whole of an offset is not checked against limits."""
    if d.code.address is not None:
        d.gpr[d.code.data[d.code.data.index(0x0F) + 2] >> 3 & 7] = q(d.rng.randrange(0x800))


def _rdi(d: LegacyDraft) -> None:
    """MASKMOV: with an empty mask a fault is the CPU's choice, so there is none."""
    source = _source(d)
    d.reach(source)
    mask = (1 << d.plan.form.asize) - 1
    d.gpr[RDI] = q((LOW_BASE + 0x400 - d.base(source)) & mask | d.reg(RDI) & 0xFFFFFFFF & ~mask)


def _bound(d: LegacyDraft) -> None:
    if d.rng.getrandbits(1):
        d.operand = _words(d, -(d.rng.getrandbits(12)), d.rng.getrandbits(14)) + bytes(8)
        d.gpr = [q(d.rng.getrandbits(10)) for _ in range(8)] + d.gpr[8:]


def _picky(plan: Plan) -> bool:
    """CALL beyond the limit, POP to memory: one of two faults comes first."""
    return (plan.form.enc.map, plan.form.enc.opcode) in ((0, 0xE8), (0, 0x8F))


OWN = {
    "stack": _stack, "inner_stack": _inner_stack, "frame": _frame, "popf": _popf,
    "indirect": _indirect, "far": _far, "selector": _selector, "string": _string, "xlat": _xlat,
    "count": _count, "bit_offset": _bit_offset, "rdi": _rdi, "bound": _bound,
}  # fmt: skip


def _place_operand(d: LegacyDraft) -> None:
    address = d.code.address
    assert address is not None
    if address.width == 16 and (d.rng.randrange(16) or d.plan.slack):
        d.reach(address.segment)
    base, align = d.base(address.segment), d.plan.align
    if address.fixed is not None:
        d.address = (address.fixed + base) & 0xFFFFFFFF
    else:
        target = _target(d) & -align  # #GP or #SS first is the CPU's choice
        d.address = solve(address, d.gpr, target, base) & 0xFFFFFFFF
        if keeps_to_a_line(d.plan.form):
            d.address = within_a_line(d, d.address, target, base) & 0xFFFFFFFF
    data = d.operand or d.rng.choice(d.pools.vector[d.plan.memory_pool]) * 2
    d.patch(d.address, data)


class Legacy:
    """Makes cases in 16 and 32-bit mode."""

    def __init__(self, generator: Generator) -> None:
        self.generator, self.rng = generator, generator.rng

    def cases(self, plan: Plan, n: int, mode: int) -> list[Case]:
        """`n` cases of the plan's form, a few of each encoding."""
        cases: list[Case] = []
        sizes = plan.form.sizes_in(mode)
        while len(cases) < n:
            offset = 0x100 + self.rng.randrange(0xF000)
            rip = offset + (CODE_LOW if mode == 32 else 0)
            code = Encoder(plan, self.rng.choice(sizes), mode, self.rng).encode(rip)
            cases += [self.case(code, plan, mode) for _ in range(min(4, n - len(cases)))]
        return cases

    def case(self, code: Code, plan: Plan, mode: int) -> Case:
        d = LegacyDraft(code, plan, self.rng, self.generator)
        d.choose_segments(mode)
        for name in plan.fixups:
            if name == "stack" and _picky(plan):
                name = "inner_stack"
            if name in OWN:
                OWN[name](d)
            else:
                FIXUPS[name](d)
        if code.address is not None:
            _place_operand(d)
        if not defined(d):
            return self.case(code, plan, mode)
        gpr = GPR_STRUCT.pack(*(d.reg(n) & 0xFFFFFFFF for n in range(16)))
        return Case(
            code.data, gpr, code.rip, d.flags, self.generator.fx(plan), bytes(256), 0, 0,
            tuple(d.memory), plan.undefined, f"{mode}-bit {plan.label}", d.ignored(),
            plan.slack, plan.estimate, False, mode, d.seg,
        )  # fmt: skip
