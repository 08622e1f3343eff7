"""Forms of the spec to machine code, with registers, prefixes and addressing chosen at random.

The bytes need only be a valid use of the form: what they mean is for the CPUs under test to say.
Only memory addressing is understood here: registers must be set so that it ends in our memory.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from blink.isa.operands import SIZED
from blink.isa.spec import ANY, Form

from .cpustate import HIGH_BASE, LOW_BASE
from .features import split_locks_are_slow

PP_BYTES = {1: 0x66, 2: 0xF3, 3: 0xF2}
FS, GS = 0x64, 0x65
RSP, RBP = 4, 5
BIT_STRINGS = ((1, 0xAB), (1, 0xB3), (1, 0xBB))  # a register's bits go far from the operand


class Address(NamedTuple):
    """A memory operand: base + offset * 2^scale + disp, truncated to `width` bits.

    `base` and `offset` (the SDM's index) are register numbers or -1; `fixed` is the address if it
    has no register."""

    base: int = -1
    offset: int = -1
    scale: int = 0
    disp: int = 0
    width: int = 64
    segment: int = 0
    fixed: int | None = None


class Code(NamedTuple):
    """Machine code for `form`; `address` is its ModRM or moffs memory operand.

    `vsib` is the vector register that holds indices, or -1.
    """

    form: Form
    size: int
    data: bytes
    rip: int
    address: Address | None
    immediate: int = 0
    vsib: int = -1


class Registers(NamedTuple):
    """Which registers an encoding may use: for its operands, and as base of its memory operand."""

    data: tuple[int, ...]
    base: tuple[int, ...]


class _Draft:
    """Fields of one instruction while they are chosen."""

    def __init__(self, form: Form, size: int, rng: Random, only: Registers | None) -> None:
        self.form, self.size, self.rng, self.only = form, size, rng, only
        self.prefixes: list[int] = []
        self.w = self.r = self.x = self.b = 0
        self.modrm: int | None = None
        self.sib = b""
        self.disp = b""
        self.imm = b""
        self.address: Address | None = None
        self.rip_relative = False
        self.vsib = -1

    def bits(self, n: int) -> int:
        return self.rng.getrandbits(n)

    def register(self) -> int:
        return self.rng.choice(self.only.data) if self.only else self.bits(4)

    def chance(self, one_in: int) -> bool:
        return self.rng.randrange(one_in) == 0


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _choose_prefixes(d: _Draft) -> None:
    form, e = d.form, d.form.enc
    words = form.operands_text.split()
    sized = any(o.kind.width in (*SIZED, "y") for o in form.operands) or form.insn.sized
    if e.pp in PP_BYTES and e.enc == "legacy":
        d.prefixes.append(PP_BYTES[e.pp])
    if sized and not form.size:
        if d.size == 16 and e.pp != 1:
            d.prefixes.append(0x66)
        d.w = int(d.size == 64 and (not form.d64 or d.chance(4)))
    elif e.w == ANY and d.chance(8):
        d.w = 1
    if e.w != ANY:
        d.w = e.w
    if form.asize == 32:
        d.prefixes.append(0x67)
    if d.chance(16) and not any(w.startswith("rel") for w in words):
        d.prefixes.append(d.rng.choice((0x2E, 0x3E, 0x26, 0x36)))


def _choose_modrm(d: _Draft) -> None:
    form, e = d.form, d.form.enc
    reg, low = d.register(), d.register()
    d.r = reg >> 3
    modrm = ((low & 7 | (reg & 7) << 3) & ~e.mask) | e.value
    if any(o.kind.where == "reg" and o.kind.bank in ("seg", "no") for o in form.operands):
        modrm, d.r = modrm & 7 | d.rng.choice((0, 2, 3, 4, 5)) << 3, 0
    if any(o.kind.bank == "number" for o in form.operands):  # CR0, CR2 to CR4; DR0, DR2 to DR4
        modrm, d.r = modrm & 7 | d.rng.choice((0, 2, 3, 4)) << 3, 0
    rm = form.rm
    if e.mask & 0xC0 == 0:
        memory = rm is None or rm.kind.mem
        register = rm is None or rm.kind.reg
        if memory and (not register or d.bits(1)):
            d.modrm = modrm & 0x38
            _choose_address(d)
            return
        modrm |= 0xC0
    else:
        d.r = 0
    d.modrm = modrm
    d.b = low >> 3 if e.mask & 7 == 0 else 0
    if rm is not None and rm.kind.bank == "mm":
        d.b = 0


def _choose_address(d: _Draft) -> None:
    """Fill ModRM.mod and rm, SIB, displacement; no kind of addressing is rare."""
    assert d.modrm is not None
    if d.only:
        _choose_base(d, d.rng.choice(d.only.base), 64, 0)
        return
    width = 32 if (d.chance(8) and d.form.asize == 0) or d.form.asize == 32 else 64
    if width == 32 and d.form.asize == 0:
        d.prefixes.append(0x67)
    segment = d.rng.choice((FS, GS)) if d.chance(24) else 0
    if segment:
        d.prefixes.append(segment)
    kind = d.rng.randrange(8)
    if d.form.rm is not None and d.form.rm.kind.name == "vsib":
        _choose_vsib(d, width, segment)
    elif kind == 0 and not segment and width == 64:
        d.modrm |= 5
        d.rip_relative = True
    elif kind == 1:
        _choose_sib(d, width, segment, base=False)
    elif kind < 5:
        _choose_sib(d, width, segment, base=True)
    else:
        base = d.bits(4)
        _choose_base(d, base ^ 1 if base & 7 == RSP else base, width, segment)


def _choose_base(d: _Draft, base: int, width: int, segment: int) -> None:
    """A base register that needs no SIB."""
    assert d.modrm is not None
    d.b, d.modrm = base >> 3, d.modrm | base & 7
    d.address = Address(base, -1, 0, _choose_disp(d, base), width, segment)


def _choose_disp(d: _Draft, base: int) -> int:
    """Choose mod 0 to 2 and a displacement."""
    assert d.modrm is not None
    mod = d.rng.randrange(2 if d.only else 3)
    if mod == 0 and base & 7 == RBP:
        mod = 1
    d.modrm |= mod << 6
    if mod == 0:
        return 0
    d.disp = d.rng.randbytes(1 if mod == 1 else 4)
    return signed(int.from_bytes(d.disp, "little"), 8 * len(d.disp))


def _coarse(d: _Draft) -> int:
    locks = (d.form.lock or d.form.always_lock) and split_locks_are_slow()
    return -1 if d.chance(16) and not locks else -16


def _choose_sib(d: _Draft, width: int, segment: int, base: bool) -> None:
    assert d.modrm is not None
    d.modrm |= 4
    coarse = _coarse(d)  # so that aligned operands can be reached exactly
    index, scale = d.bits(4), d.bits(2)
    breg = d.bits(4) if base else RBP
    d.x, d.b = index >> 3, breg >> 3
    d.sib = bytes([scale << 6 | (index & 7) << 3 | breg & 7])
    if index == RSP:
        index = -1
    if base:
        d.address = Address(breg, index, scale, _choose_disp(d, breg), width, segment)
        return
    if index == -1:
        target = LOW_BASE + 0x400 + d.bits(10) & coarse
        d.disp = target.to_bytes(4, "little")
        d.address = Address(-1, -1, 0, target, width, segment, target)
        return
    disp = signed(d.bits(32) & coarse, 32)
    d.disp = disp.to_bytes(4, "little", signed=True)
    d.address = Address(-1, index, scale, disp, width, segment)


def _choose_vsib(d: _Draft, width: int, segment: int) -> None:
    """A base register; the indices are in vector register `d.vsib`."""
    assert d.modrm is not None
    d.modrm |= 4
    d.vsib, scale, base = d.bits(4), d.bits(2), d.bits(4)
    d.x, d.b = d.vsib >> 3, base >> 3
    d.sib = bytes([scale << 6 | (d.vsib & 7) << 3 | base & 7])
    d.address = Address(base, -1, 0, _choose_disp(d, base), width, segment)


def _immediate_length(d: _Draft, kind: str) -> int:
    """Encoded bytes of an immediate operand."""
    words = d.form.encoding.split()
    if kind in ("imm8", "simm8", "rel8", "ix", "iy"):
        return 1
    if kind == "imm16":
        return 2
    if kind == "relz":
        return 4
    if kind == "immv":
        return d.size // 8
    if kind == "immz" or "iz" in words:
        return 2 if d.size == 16 else 4
    return 1 if "ib" in words else 4


def _choose_immediates(d: _Draft) -> None:
    for operand in d.form.operands:
        where = operand.kind.where
        if where in ("imm", "rel", "is4"):
            n = _immediate_length(d, operand.kind.name)
            d.imm += (
                d.rng.randbytes(n)
                if d.bits(1)
                else signed(d.bits(4), 4).to_bytes(n, "little", signed=True)
            )
        elif where == "moffs":
            _choose_moffs(d)
    e = d.form.enc
    if (e.map, e.opcode) in ((1, 0xA4), (1, 0xAC)) and d.size == 16:
        d.imm = bytes([d.rng.randrange(17)])  # SHLD, SHRD by more are undefined
    if (e.map, e.opcode) == (0, 0xC8):  # ENTER: a frame and nesting that our stack can hold
        d.imm = bytes([d.bits(7), 0, d.rng.choice((0, 0, 1, 2, 3, 31, 32, 255))])


def _choose_moffs(d: _Draft) -> None:
    width = 32 if d.chance(4) else 64
    if width == 32:
        d.prefixes.append(0x67)
    target = (LOW_BASE if width == 32 else HIGH_BASE) + 0x400 + d.bits(10)
    d.imm += target.to_bytes(width // 8, "little")
    d.address = Address(width=width, fixed=target)


def _legacy_head(d: _Draft, opcode: int) -> bytes:
    e = d.form.enc
    d.rng.shuffle(d.prefixes)
    rex = d.w << 3 | d.r << 2 | d.x << 1 | d.b
    head = bytes(d.prefixes)
    if rex or d.bits(1):
        head += bytes([0x40 | rex])
    escape = {0: b"", 1: b"\x0f", 2: b"\x0f\x38", 3: b"\x0f\x3a"}[e.map]
    return head + escape + bytes([opcode])


def vex_head(d: _Draft, opcode: int) -> bytes:
    e = d.form.enc
    has_v = any(o.kind.where == "vvvv" for o in d.form.operands)
    vvvv = d.bits(4) if has_v else 0
    length = d.bits(1) if e.l == ANY else e.l
    last = (~vvvv & 15) << 3 | length << 2 | e.pp
    keep = bytes(p for p in d.prefixes if p not in (0x66, 0xF2, 0xF3))
    if e.map == 1 and not (d.w or d.x or d.b) and d.bits(1):
        return keep + bytes([0xC5, (d.r ^ 1) << 7 | last, opcode])
    rxb = (d.r ^ 1) << 7 | (d.x ^ 1) << 6 | (d.b ^ 1) << 5
    return keep + bytes([0xC4, rxb | e.map, d.w << 7 | last, opcode])


def may_lock(form: Form, only: Registers | None = None) -> bool:
    """Whether LOCK is legal with a memory operand, and its operand's place is known."""
    bit_string = (form.enc.map, form.enc.opcode) in BIT_STRINGS
    return form.lock and not (split_locks_are_slow() and (only or bit_string))


def encode(form: Form, size: int, rng: Random, rip: int, only: Registers | None = None) -> Code:
    """A random valid instruction of `form` at operand size `size`, to stand at `rip`.

    With `only`, it uses no other registers (but for implied ones), and small displacements.
    """
    d = _Draft(form, size, rng, only)
    e = form.enc
    _choose_prefixes(d)
    opcode = e.opcode
    if e.plus_r:
        register = d.register()
        if e.opcode == 0x90 and register == 0:
            register = 1  # 90 is NOP
        opcode, d.b = opcode + (register & 7), register >> 3
    if e.modrm:
        _choose_modrm(d)
    _choose_immediates(d)
    if d.address is not None and may_lock(form, only) and d.chance(3):
        d.prefixes.append(0xF0)
    head = _legacy_head(d, opcode) if e.enc == "legacy" else vex_head(d, opcode)
    if d.rip_relative:
        length = len(head) + 5 + len(d.imm)
        target = HIGH_BASE + 0x400 + d.bits(11) & _coarse(d)
        d.disp = (target - rip - length).to_bytes(4, "little", signed=True)
        d.address = Address(disp=target, fixed=target)
    modrm = b"" if d.modrm is None else bytes([d.modrm])
    data = head + modrm + d.sib + d.disp + d.imm
    return Code(form, size, data, rip, d.address, int.from_bytes(d.imm[:1], "little"), d.vsib)


def solve(address: Address, gpr: list[bytes], target: int, segment_base: int) -> int:
    """Set the registers of `address` in `gpr` (16 little-endian 8-byte values) to reach `target`.

    Returns the linear address that they give, which may miss the target by a few bytes.
    """
    if address.fixed is not None:
        return address.fixed + segment_base
    mask = (1 << address.width) - 1
    want = target - segment_base - address.disp
    scale = 1 << address.scale
    if address.base < 0 or address.base == address.offset:
        name = address.offset
        factor = scale + (address.base >= 0)
        value = ((want & mask) // factor) & mask
        total = value * factor
    elif address.offset < 0:
        name, value, total = address.base, want & mask, want
    else:
        name = address.base
        value = (want - int.from_bytes(gpr[address.offset], "little") * scale) & mask
        total = want
    high = int.from_bytes(gpr[name], "little") & ~mask & (1 << 64) - 1
    gpr[name] = (value | high).to_bytes(8, "little")
    return ((total + address.disp) & mask) + segment_base
