"""What Intel's processors do otherwise than AMD's, which the spec follows where it must choose.

Each rule knows an instruction and takes from two outcomes what the vendors decide differently; all
else is compared.  On AMD's processors one rule applies, where the spec follows Intel's.
"""

from __future__ import annotations

from collections.abc import Callable

from blink import _engine

from . import ldt
from .cpustate import (
    FX_CW,
    FX_MXCSR,
    FX_ST,
    FX_SW,
    FX_XMM,
    IMAGE,
    NO_FAULT,
    STATUS_FLAGS,
    VECTORS,
    Case,
    Outcome,
    set_regs,
)
from .features import is_amd

Insn = dict[str, int]
Pair = tuple[Outcome, Outcome]
Rule = Callable[[Insn, Case, Outcome, Outcome], Pair]
GP, PF, SS = VECTORS["gp"], VECTORS["pf"], VECTORS["ss"]
_LEGACY, _VEX = 0, 1
_PUSHED = 8  # bytes at most
_WRITE = 2  # of a page fault's error code
_MAX = 15
_SIGNS = 0x3F  # MXCSR's sticky flags
_PRECISION, _UNDERFLOW_MASK = 0x20, 1 << 11
_TOP = 7 << 11
_SUMMARY = 0x80  # of the x87's status word
_UNDERFLOW = 0x10  # in the x87's words
_IN_USE = 7


def leveled(case: Case, a: Outcome, b: Outcome) -> Pair:
    """The outcomes of the host and another CPU without what is the vendor's."""
    insn = _instruction(case, a)
    if insn is not None:
        for rule in RULES_OF_AMD if is_amd() else RULES:
            a, b = rule(insn, case, a, b)
    return a, b


def _instruction(case: Case, host: Outcome) -> Insn | None:
    """The instruction alone; of a program, the one that faulted."""
    at = host.rip - case.rip if case.run else 0
    if not 0 <= at < len(case.code):
        return None
    try:
        return _engine.decode(case.code[at:] + bytes(_MAX), case.mode)
    except _engine.DecodeError:
        return None


def _is(insn: Insn, enc: int, code_map: int, *opcodes: int) -> bool:
    return (insn["enc"], insn["map"]) == (enc, code_map) and insn["opcode"] in opcodes


def _both(a: Outcome, b: Outcome, vector: int) -> bool:
    return a.vector == b.vector == vector


def _no_access(a: Outcome, b: Outcome) -> bool:
    return a.vector == b.vector and a.vector in (GP, PF, SS)


def _without(fx: bytes, at: int, mask: int) -> bytes:
    """The image with bits of the word at `at` cleared."""
    word = int.from_bytes(fx[at : at + 2], "little") & ~mask
    return fx[:at] + word.to_bytes(2, "little") + fx[at + 2 :]


def _change_vector(o: Outcome, n: int, change: Callable[[bytes], bytes]) -> Outcome:
    """`change` applied to both halves of a vector register."""
    at, high = FX_XMM + 16 * n, 16 * n
    low = change(o.fx[at : at + 16])
    upper = change(o.ymmh[high : high + 16])
    return o._replace(
        fx=o.fx[:at] + low + o.fx[at + 16 :], ymmh=o.ymmh[:high] + upper + o.ymmh[high + 16 :]
    )


def _lanes(data: bytes, size: int) -> list[int]:
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]


# -- the rules --------------------------------------------------------------------------------


def _no_repetition(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """REP with ECX = 0 in 64-bit mode, or a fault: Intel clears upper halves, AMD does not."""
    repeats = _is(insn, _LEGACY, 0, *range(0xA4, 0xA8), *range(0xAA, 0xB0)) and (
        insn["rep"] or insn["repne"]
    )
    narrow = case.mode == 64 and insn["addr_size"] == 4
    none = _both(a, b, PF) or not case.reg("rcx") & 0xFFFFFFFF
    if not repeats or not narrow or not none:
        return a, b

    def cut(o: Outcome) -> Outcome:
        values = {name: o.reg(name) & 0xFFFFFFFF for name in ("rcx", "rsi", "rdi")}
        return o._replace(gpr=set_regs(o.gpr, values))

    return cut(a), cut(b)


def _compare_until_a_fault(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """REPE CMPS, SCAS that fault: flags are those before it (Intel), or of the last comparison."""
    if not _is(insn, _LEGACY, 0, 0xA6, 0xA7, 0xAE, 0xAF) or not _both(a, b, PF):
        return a, b
    return (
        a._replace(flags=a.flags & ~STATUS_FLAGS),
        b._replace(flags=b.flags & ~STATUS_FLAGS),
    )


def _unaligned_sha(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """#GP for SHA's unaligned memory operands; AMD takes them."""
    sha = _is(insn, _LEGACY, 2, *range(0xC8, 0xCE)) or _is(insn, _LEGACY, 3, 0xCC)
    return (a, a) if sha and insn["has_mem"] and a.vector == GP else (a, b)


def _gather(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """A gather that faults: Intel has made the lanes left in its mask all ones."""
    if not _is(insn, _VEX, 2, 0x90, 0x91, 0x92, 0x93) or not _both(a, b, PF):
        return a, b
    size = 8 if insn["w"] else 4

    def signs(data: bytes) -> bytes:
        ones = ((1 << 8 * size) - 1).to_bytes(size, "little")
        return b"".join(ones if v >> 8 * size - 1 else bytes(size) for v in _lanes(data, size))

    a, b = (_change_vector(o, insn["vvvv"], signs) for o in (a, b))
    return (a, b) if insn["l"] else (_narrow(insn, a), _narrow(insn, b))


def _narrow(insn: Insn, o: Outcome) -> Outcome:
    """Without the upper halves of a 128-bit gather's registers, which Intel has cleared."""
    ymmh = bytearray(o.ymmh)
    for n in (insn["reg"], insn["vvvv"]):
        ymmh[16 * n : 16 * n + 16] = bytes(16)
    return o._replace(ymmh=bytes(ymmh))


def _to_half(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """VCVTPS2PH: Intel keeps exceptions in MXCSR when the store faults, raises #XM before it, and
    tells precision besides an underflow that is not masked."""
    if not _is(insn, _VEX, 3, 0x1D):
        return a, b
    if a.vector == VECTORS["xm"] and b.vector in (GP, PF, SS):
        return a, a
    mxcsr = int.from_bytes(case.fx[FX_MXCSR : FX_MXCSR + 2], "little")
    mask = _SIGNS if _no_access(a, b) else 0 if mxcsr & _UNDERFLOW_MASK else _PRECISION
    return (
        a._replace(fx=_without(a.fx, FX_MXCSR, mask)),
        b._replace(fx=_without(b.fx, FX_MXCSR, mask)),
    )


def _mmx_store(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """A store of an MMX register that faults: Intel has entered MMX mode."""
    plain = insn["has_mem"] and not (insn["has_66"] or insn["rep"] or insn["repne"])
    if not plain or not _is(insn, _LEGACY, 1, 0x7E, 0x7F, 0xE7) or not _no_access(a, b):
        return a, b
    return a._replace(fx=_from_top(a.fx)), b._replace(fx=_from_top(b.fx))


def _from_top(fx: bytes) -> bytes:
    """The image as if the first of the x87's registers were the top of its stack."""
    top = fx[FX_SW + 1] >> 3 & 7
    slots = [fx[FX_ST + 16 * i : FX_ST + 16 * i + 16] for i in range(8)]
    return _without(
        fx[:FX_ST] + b"".join(slots[8 - top :] + slots[: 8 - top]) + fx[FX_XMM:], FX_SW, _TOP
    )


def _long_store(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """FBSTP, FSTP of 80 bits that fault across pages: Intel has stored the first bytes."""
    group = insn["modrm"] >> 3 & 7
    ten = insn["has_mem"] and (insn["opcode"], group) in ((0xDF, 6), (0xDB, 7))
    if not ten or not _is(insn, _LEGACY, 0, 0xDB, 0xDF) or not _both(a, b, PF):
        return a, b
    return a, b._replace(dirty_off=a.dirty_off, dirty=a.dirty)


def _far_return(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """RETF, IRET from a stack that ends: Intel looks at the selector, and reads no more of it."""
    ends = b.vector == PF and a.vector != PF
    return (a, a) if ends and _is(insn, _LEGACY, 0, 0xCA, 0xCB, 0xCF) else (a, b)


def _pop_segment(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """POP of a segment register where the stack ends: Intel reads the selector, AMD its slot."""
    ends = b.vector in (PF, GP, SS) and b.vector != a.vector
    pops = _is(insn, _LEGACY, 1, 0xA1, 0xA9) or _is(insn, _LEGACY, 0, 0x07, 0x17, 0x1F)
    return (a, a) if ends and pops else (a, b)


def _push_segment(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """PUSH of a segment register where the stack ends: Intel writes the selector, AMD its slot."""
    ends = b.vector in (PF, GP, SS) and b.vector != a.vector
    pushes = _is(insn, _LEGACY, 1, 0xA0, 0xA8) or _is(insn, _LEGACY, 0, 0x06, 0x0E, 0x16, 0x1E)
    return (a, a) if ends and pushes else (a, b)


def _near_call(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """A near CALL of a bad target: Intel looks at it first; AMD pushes, which may fault, too."""
    call = _is(insn, _LEGACY, 0, 0xE8) or (
        _is(insn, _LEGACY, 0, 0xFF) and insn["modrm"] >> 3 & 7 == 2
    )
    if not call or a.vector != GP or a.error:
        return a, b
    if b.vector == GP and len(b.dirty) <= _PUSHED:
        return a, b._replace(dirty_off=a.dirty_off, dirty=a.dirty)
    return (a, a) if _push_faults(case, b) else (a, b)


def _push_faults(case: Case, o: Outcome) -> bool:
    """Whether a fault is that of a store to the top of the stack."""
    if o.vector != PF:
        return o.vector == SS
    stack = ldt.segment(case.seg[2])
    base, mask = (0, -1) if case.mode == 64 else (stack.base, 0xFFFFFFFF)
    sp = o.reg("rsp") & (mask if mask < 0 or stack.rights & 0x4000 else 0xFFFF)
    return bool(o.error & _WRITE) and 0 < (base + sp - o.addr & mask & (1 << 64) - 1) <= _PUSHED


def _dot_product(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """DPPS, DPPD of several NaNs: Intel adds in another order for each lane."""
    if not any(_is(insn, enc, 3, 0x40, 0x41) for enc in (_LEGACY, _VEX)):
        return a, b
    size = 8 if insn["opcode"] == 0x41 else 4
    exponent = 0x7FF << 52 if size == 8 else 0xFF << 23
    fraction = (1 << 52) - 1 if size == 8 else (1 << 23) - 1

    def one_nan(data: bytes) -> bytes:
        nans = (v & exponent == exponent and v & fraction for v in _lanes(data, size))
        return b"".join(
            b"\xff" * size if nan else data[i * size : (i + 1) * size] for i, nan in enumerate(nans)
        )

    return _change_vector(a, insn["reg"], one_nan), _change_vector(b, insn["reg"], one_nan)


def _xrstor(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """XRSTOR that faults: what it has loaded by then is the processor's choice."""
    group = insn["modrm"] >> 3 & 7
    restores = (_is(insn, _LEGACY, 1, 0xAE) and group == 5) or (
        _is(insn, _LEGACY, 1, 0xC7) and group == 3
    )
    if not restores or not (_both(a, b, GP) or _both(a, b, PF)):
        return a, b
    return a._replace(fx=case.fx, ymmh=case.ymmh), b._replace(fx=case.fx, ymmh=case.ymmh)


def _xgetbv(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """XINUSE: Intel may call a component in use that is in its initial state."""
    if not _is(insn, _LEGACY, 1, 0x01) or insn["modrm"] != 0xD0:
        return a, b

    def cut(o: Outcome) -> Outcome:
        return o._replace(gpr=set_regs(o.gpr, {"rax": o.reg("rax") & ~_IN_USE}))

    return cut(a), cut(b)


def _away(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """A near branch to an address that is not canonical: Intel faults before it, AMD behind it."""
    branch = _is(insn, _LEGACY, 0, 0xC2, 0xC3, 0xE8, 0xE9, 0xFF)
    return (a, a) if branch and a.vector == GP and not _canonical(b.rip) else (a, b)


def _canonical(address: int) -> bool:
    return address >> 47 in (0, (1 << 17) - 1)


def _masked_store(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """VMASKMOV, VPMASKMOV: a fault is at any byte of its lane."""
    if not _is(insn, _VEX, 2, 0x2C, 0x2D, 0x2E, 0x2F, 0x8C, 0x8E) or not _both(a, b, PF):
        return a, b
    return a._replace(addr=a.addr & ~7), b._replace(addr=b.addr & ~7)


def _pause(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """F3 with REX.B and 90: PAUSE on Intel's, XCHG of R8 on AMD's."""
    pause = _is(insn, _LEGACY, 0, 0x90) and insn["rep"] and insn["rex"] & 1
    return (a, a) if pause and a.gpr == case.gpr else (a, b)


def _image_across_the_end(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """FRSTOR, FNSAVE and their like across a segment's end: Intel accesses the words before it."""
    words = case.slack == IMAGE and case.mode != 64
    return (a, a) if words and a.vector == PF and b.vector in (GP, SS) else (a, b)


def _scale(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """FSCALE of a denormal by nothing, UE not masked: Intel's has not become tiny."""
    scales = _is(insn, _LEGACY, 0, 0xD9) and insn["modrm"] == 0xFD
    tiny = b.fx[FX_SW] & ~a.fx[FX_SW] & ~a.fx[FX_CW] & _UNDERFLOW
    return (a, a) if scales and tiny else (a, b)


def _x87_store(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """An x87 store with an exception that is not masked: Intel does not look at the memory."""
    store = _is(insn, _LEGACY, 0, 0xD9, 0xDB, 0xDD, 0xDF) and insn["has_mem"]
    noted = a.vector == NO_FAULT and a.fx[FX_SW] & _SUMMARY
    return (a, a) if store and noted and b.vector in (GP, PF, SS) else (a, b)


def _direct_store(insn: Insn, case: Case, a: Outcome, b: Outcome) -> Pair:
    """MOVDIR64B from a page that is not there to what is no line: Intel reads it first."""
    is_direct = _is(insn, _LEGACY, 2, 0xF8)
    return (a, a) if is_direct and {a.vector, b.vector} <= {GP, PF, SS} else (a, b)


RULES_OF_AMD: tuple[Rule, ...] = (_direct_store,)
RULES: tuple[Rule, ...] = (
    _no_repetition, _compare_until_a_fault, _unaligned_sha, _gather, _to_half, _mmx_store,
    _long_store, _far_return, _pop_segment, _push_segment, _near_call, _dot_product,
    _xrstor, _xgetbv, _away, _masked_store, _image_across_the_end, _pause, _scale, _x87_store,
)  # fmt: skip
