"""The state before and after one instruction, in the layout that the host oracle exchanges.

Data memory of every case: HIGH (two read-write pages, then one read-only page) and LOW (one
read-write page below 2 GiB, for 32-bit addressing), all zero except for the patches of the case;
everything around is unmapped.  A "flat" offset counts through HIGH, then LOW.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple, Protocol

from .ldt import CODE_LOW, SELECTORS_64, segment

CODE_BASE = 0x1357_0000_0000
CODE_SIZE = 0x1_0000
HIGH_BASE = 0x1357_0010_0000
HIGH_RW_SIZE = 0x2000
HIGH_SIZE = 0x3000
LOW_BASE = 0x2460_0000
LOW_SIZE = 0x1000
FLAT_SIZE = HIGH_SIZE + LOW_SIZE

GPRS = tuple("rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split())
FLAG_BITS = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "df": 10, "of": 11}
STATUS_FLAGS = 0x8D5
COMPARED_FLAGS = STATUS_FLAGS | 1 << 10
VECTORS = {
    "de": 0,
    "db": 1,
    "bp": 3,
    "of": 4,
    "br": 5,
    "ud": 6,
    "nm": 7,
    "np": 11,
    "ss": 12,
    "gp": 13,
    "pf": 14,
}
VECTORS |= {"mf": 16, "ac": 17, "xm": 19}

NO_FAULT = -1
NOT_CANONICAL = -3  # the reference's #GP or #SS: its flat memory knows no segments
# Case.slack: by how many bytes the address of a page fault may differ; it may be a read or a write,
# too.  A read-modify-write operand may fault by its read or, as on the host, by its write at once;
# an image of many words may be touched in any order.
# CMPS may look at either operand first: on the host that differs by its size and by REP.
RMW, IMAGE, EITHER = 16, 832, 1 << 64
# Case.vary: what may be otherwise in variants of a case, which are made in bulk (enginebatch.py).
VARY_FLAGS, VARY_VECTORS, VARY_X87, VARY_GPRS, VARY_MEMORY = 1, 2, 4, 8, 16
TOO_LONG = -2  # the host gave up: an endless loop

GPR_STRUCT = Struct("<16Q")
FX_SIZE = 512
FX_CW, FX_SW, FX_TAG, FX_OP, FX_IP, FX_DP, FX_MXCSR = 0, 2, 4, 6, 8, 16, 24
FX_ST, FX_XMM, FX_END = 32, 160, 416
# name -> (offset, bytes) of what the FXSAVE image defines, but for the x87 opcode and pointers
FX_FIELDS = {
    "cw": (FX_CW, 2),
    "sw": (FX_SW, 2),
    "tags": (FX_TAG, 1),
    "mxcsr": (FX_MXCSR, 4),
    **{f"st{i}": (FX_ST + 16 * i, 10) for i in range(8)},
    **{f"xmm{i}": (FX_XMM + 16 * i, 16) for i in range(16)},
}
MXCSR_DEFAULT = 0x1F80
CW_DEFAULT = 0x037F


def make_fx(
    cw: int = CW_DEFAULT,
    sw: int = 0,
    tags: int = 0,
    st: bytes = bytes(128),
    mxcsr: int = MXCSR_DEFAULT,
    xmm: bytes = bytes(256),
) -> bytes:
    """An FXSAVE image: `st` holds 16-byte slots from ST0; bit i of `tags`: physical i is full."""
    head = Struct("<HHBBHQQII").pack(cw, sw, tags, 0, 0, 0, 0, mxcsr, 0)
    return head + st + xmm + bytes(FX_SIZE - FX_END)


FX_DEFAULT = make_fx()


class Case(NamedTuple):
    """One instruction and everything that it can depend on.

    `memory` holds (guest address, bytes) patches; `undefined` is a mask of EFLAGS bits that the SDM
    leaves undefined after this instruction; `label` names the form for reports; `ignore` holds
    (guest address, length) of memory that the instruction may write as it likes; `slack`: see
    RMW and IMAGE; `estimate`: XMM results are approximations; `run`: not one
    instruction but all up to INT3, which the outcome reports; `vary`: see VARY_FLAGS.
    """

    code: bytes
    gpr: bytes = bytes(128)
    rip: int = CODE_BASE
    flags: int = 0
    fx: bytes = FX_DEFAULT
    ymmh: bytes = bytes(256)
    fs_base: int = 0
    gs_base: int = 0
    memory: tuple[tuple[int, bytes], ...] = ()
    undefined: int = 0
    label: str = ""
    ignore: tuple[tuple[int, int], ...] = ()
    slack: int = 0
    estimate: bool = False
    run: bool = False
    mode: int = 64
    seg: tuple[int, ...] = SELECTORS_64  # ES CS SS DS FS GS
    vary: int = 0

    @property
    def address(self) -> int:
        """The linear address of the code."""
        return self.rip + (segment(self.seg[1]).base if self.mode != 64 else 0)

    def reg(self, name: str) -> int:
        return reg_of(self.gpr, name)

    def with_regs(self, **values: int) -> Case:
        """A copy with some general registers changed."""
        return self._replace(gpr=set_regs(self.gpr, values))


class Outcome(NamedTuple):
    """The state after the instruction.

    `dirty` is the flat range of memory that differs from the input.  `vector` is the exception, or
    NO_FAULT; after a page fault `addr` is CR2.
    """

    vector: int
    error: int
    addr: int
    gpr: bytes
    rip: int
    flags: int
    fs_base: int
    gs_base: int
    fx: bytes
    ymmh: bytes
    dirty_off: int = 0
    dirty: bytes = b""
    seg: tuple[int, ...] = SELECTORS_64

    def reg(self, name: str) -> int:
        return reg_of(self.gpr, name)

    def xmm(self, i: int) -> int:
        return int.from_bytes(self.fx[FX_XMM + 16 * i : FX_XMM + 16 * i + 16], "little")

    @property
    def mxcsr(self) -> int:
        return int.from_bytes(self.fx[FX_MXCSR : FX_MXCSR + 4], "little")


class Subject(Protocol):
    """A CPU that is compared with the host."""

    name: str

    def run(self, cases: Sequence[Case]) -> list[Outcome]: ...


def seen_by(case: Case, outcome: Outcome) -> Outcome:
    """The outcome as 16 and 32-bit code can see it: no upper halves, no FS and GS bases.

    Null selectors become 0 on the way through the kernel.
    """
    outcome = outcome._replace(seg=tuple(s if s > 3 else 0 for s in outcome.seg))
    if case.mode == 64:
        return outcome
    gpr = GPR_STRUCT.pack(*(v & 0xFFFFFFFF for v in GPR_STRUCT.unpack(outcome.gpr)))
    return outcome._replace(gpr=gpr, fs_base=0, gs_base=0)


def code_end(address: int) -> int:
    """Where the code area ends in which an address lies."""
    return (CODE_BASE if address >= CODE_BASE else CODE_LOW) + CODE_SIZE


def reg_of(gpr: bytes, name: str) -> int:
    """The 64-bit register `name` in a block of 16."""
    i = 8 * GPRS.index(name)
    return int.from_bytes(gpr[i : i + 8], "little")


def set_regs(gpr: bytes, values: dict[str, int]) -> bytes:
    """`gpr` with the named registers replaced."""
    block = bytearray(gpr)
    for name, value in values.items():
        i = 8 * GPRS.index(name)
        block[i : i + 8] = (value & (1 << 64) - 1).to_bytes(8, "little")
    return bytes(block)


def set_xmm(fx: bytes, values: dict[int, int]) -> bytes:
    """`fx` with the numbered XMM registers replaced."""
    block = bytearray(fx)
    for i, value in values.items():
        block[FX_XMM + 16 * i : FX_XMM + 16 * i + 16] = value.to_bytes(16, "little")
    return bytes(block)


def flat_offset(addr: int) -> int | None:
    """Flat offset of a guest data address."""
    if HIGH_BASE <= addr < HIGH_BASE + HIGH_SIZE:
        return addr - HIGH_BASE
    if LOW_BASE <= addr < LOW_BASE + LOW_SIZE:
        return HIGH_SIZE + addr - LOW_BASE
    return None


def guest_address(flat: int) -> int:
    """Inverse of flat_offset."""
    return HIGH_BASE + flat if flat < HIGH_SIZE else LOW_BASE + flat - HIGH_SIZE
