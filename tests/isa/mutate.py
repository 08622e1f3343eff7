"""Instructions as no assembler writes them: odd prefixes, changed bytes, LOCK where it is illegal.

A valid encoding gets a prefix more or a byte changed.  The decoder under test says what came out,
so that registers can be set up for its memory operand; the host says whether that was right.
"""

from __future__ import annotations

from random import Random

from blink import _engine
from blink.abi.layout import GUEST_TOP
from blink.isa.reference import GuestFault, Unimplemented, find_form
from blink.isa.spec import Form

from .cpustate import CODE_BASE
from .encode import Address, Code, may_lock
from .features import host_has
from .fixups import addresses_by_input
from .forms import EMULATED, Plan, keeps_to_a_line, plan_of

PREFIXES = (0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x40, 0x48, 0x4F)
_MAX = 15
_SEGMENTS = {5: 0x64, 6: 0x65}  # Insn.seg: 1 + register number
# Near branches: AMD lets 66 cut RIP to 16 bits, Intel ignores it (and so do we).
_NEAR_BRANCHES = {
    *((0, op) for op in (*range(0x70, 0x80), *range(0xE0, 0xE4), 0xC2, 0xC3, 0xE8, 0xE9, 0xEB)),
    *((1, op) for op in range(0x80, 0x90)),
}
_PREFETCH = (1, 0x0D)  # with a register: a NOP on Intel, undefined on AMD
_LOOPS = {(0, 0xE0), (0, 0xE1)}  # AMD lets F2 and F3 choose the condition
_DOUBLE_SHIFTS = {(1, 0xA4), (1, 0xAC)}  # undefined when the count exceeds the operand size
_REP_IS_ANOTHER = {(1, 0xBC), (1, 0xBD)}  # TZCNT, LZCNT


def mutated(data: bytes, rng: Random) -> bytes:
    """The bytes with one to three changes: a prefix more, or a bit flipped."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rng.randrange(3):
            changed.insert(rng.randrange(2) if rng.randrange(4) == 0 else 0, rng.choice(PREFIXES))
        else:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _address(insn: dict[str, int], rip: int) -> Address | None:
    """The memory operand as the decoder sees it."""
    if not insn["has_mem"]:
        return None
    width = insn["addr_size"] * 8
    segment = _SEGMENTS.get(insn["seg"], 0)
    fixed = None
    index = -1 if insn["vsib"] else insn["index"]  # Code.vsib has a vector's number
    if insn["base"] < 0 and index < 0:
        end = rip + insn["len"] if insn["rip_relative"] else 0
        fixed = (insn["disp"] + end) & (1 << width) - 1
    return Address(
        insn["base"], index, insn["scale"], insn["disp"], width, segment, fixed
    )  # fmt: skip


_TRANSLATIONS = 0x6000_0000  # engine/jit.c


def _vendor_specific(insn: dict[str, int]) -> bool:
    """What CPUs do differently, or what belongs to a feature that we do not advertise."""
    where = (insn["map"], insn["opcode"])
    if where == _PREFETCH and insn["mod"] == 3:
        return True
    if insn["rep"] and where in _REP_IS_ANOTHER:
        return True
    if (insn["rep"] or insn["repne"]) and where in _LOOPS:
        return True
    if where in _DOUBLE_SHIFTS and insn["osz"] == 2 and insn["imm"] & 31 > 16:
        return True
    return bool(insn["has_66"]) and (
        where in _NEAR_BRANCHES
        or (where == (0, 0xFF) and (insn["modrm"] >> 3 & 7) in (2, 4))
        or where == (0, 0x63)
        or (insn["map"] == 1 and insn["opcode"] & 0xF8 == 0xC8)
    )


def _ignores_w(insn: dict[str, int]) -> bool:
    """Whether a VEX instruction exists with the other W: AMD runs some (VPERMQ), we give #UD."""
    try:
        find_form({**insn, "w": 1 - insn["w"]})
    except (GuestFault, Unimplemented):
        return False
    return True


def _of_the_host(form: Form, insn: dict[str, int]) -> bool:
    """What belongs to the host's kernel or vendor: AMD ignores REX.W before far pointers."""
    rm = form.rm
    far = rm is not None and rm.kind.name == "mp"
    return form.insn.name in EMULATED or (far and bool(insn["w"]))


def _elsewhere(fixed: int) -> bool:
    """In the code area, among translated code, or above the guest: there, CPUs under test have
    contents of their own."""
    above = GUEST_TOP <= fixed < 1 << 63
    return fixed >> 16 == CODE_BASE >> 16 or fixed >> 28 == _TRANSLATIONS >> 28 or above


def mutation(code: Code, rng: Random) -> tuple[Code, Plan] | None:
    """A mutation of `code` that is an implemented instruction, or None for this try.

    Bytes that no form covers are not tried on the host: they might be anything there.
    """
    data = mutated(code.data, rng)
    try:
        insn = _engine.decode(data + bytes(_MAX))
        form = find_form(insn)
    except GuestFault:  # a VEX opcode with an L that it does not have: #UD on the host, too
        if _ignores_w(insn):
            return None
        form = code.form
    except (_engine.DecodeError, Unimplemented):
        return None
    plan = plan_of(form)
    if plan.skip or _vendor_specific(insn) or _of_the_host(form, insn):
        return None
    if not host_has(form.insn.feature):
        return None
    data = (data + bytes(_MAX))[: insn["len"]]
    size = form.size or insn["osz"] * 8
    address = _address(insn, code.rip)
    if address and address.fixed is not None and _elsewhere(address.fixed):
        return None
    if insn["lock"] and form.lock and not may_lock(form):
        return None
    if address and address.fixed and address.fixed & 15 and keeps_to_a_line(form):
        return None
    vsib = insn["index"] if insn["vsib"] else -1
    made = Code(form, size, data, code.rip, address, insn["imm"] & 0xFF, vsib)
    return None if addresses_by_input(plan, made) else (made, plan)
