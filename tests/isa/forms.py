"""What the tests know about a form beyond the spec: value pools, fix-ups, what not to compare."""

from __future__ import annotations

from typing import NamedTuple

from blink.isa import families
from blink.isa.spec import REGISTRY, Form

from .cpustate import EITHER, FLAG_BITS, IMAGE, RMW
from .encode import BIT_STRINGS
from .features import host_has, is_amd, split_locks_are_slow

# (map, opcode) -> fix-ups (names of fixups.FIXUPS)
_BY_OPCODE: dict[tuple[int, int], str] = {
    **{(0, op): "stack" for op in (*range(0x50, 0x61), 0x68, 0x6A, 0x8F, 0x9C, 0xE8)},
    **{(0, op): "stack" for op in (0x06, 0x0E, 0x16, 0x1E)},
    **{(1, op): "stack" for op in (0xA0, 0xA8)},
    **{(0, op): "selector" for op in (0x07, 0x17, 0x1F, 0x8E, 0xC4, 0xC5)},
    **{(1, op): "selector" for op in (0x02, 0x03, 0xA1, 0xA9, 0xB2, 0xB4, 0xB5)},
    **{(0, op): "far" for op in (0x9A, 0xCA, 0xCB, 0xCF)},
    (0, 0x61): "inner_stack",
    (0, 0x62): "bound",
    **{(0, op): "string" for op in (*range(0xA4, 0xA8), *range(0xAA, 0xB0))},
    **{(1, op): "bit_offset" for op in (0xA3, 0xAB, 0xB3, 0xBB)},
    **{(1, op): "double_shift" for op in (0xA5, 0xAD)},
    **{(0, op): "count" for op in range(0xE0, 0xE4)},
    (0, 0x9D): "popf",
    (0, 0xC2): "indirect",
    (0, 0xC3): "indirect",
    (0, 0xC8): "frame",
    (0, 0xC9): "frame",
    (0, 0xD7): "xlat",
    (1, 0xF7): "rdi",
    (2, 0xF8): "direct",
    (3, 0x60): "lengths",
    (3, 0x61): "lengths",
}
# (map, opcode, ModRM.reg) -> fix-ups
_BY_GROUP: dict[tuple[int, int, int], str] = {
    (0, 0xFF, 2): "indirect",
    (0, 0xFF, 3): "far",
    (0, 0xFF, 4): "indirect",
    (0, 0xFF, 5): "far",
    (1, 0x00, 4): "selector",
    (1, 0x00, 5): "selector",
    (0, 0xFF, 6): "stack",
    (0, 0xF6, 6): "divide",
    (0, 0xF6, 7): "divide",
    (0, 0xF7, 6): "divide",
    (0, 0xF7, 7): "divide",
    (1, 0xC7, 1): "exchange",
    (1, 0xAE, 1): "fxrstor",
    (1, 0xAE, 2): "mxcsr",
    (1, 0xAE, 4): "xsave",
    (1, 0xAE, 5): "xsave",
    (1, 0xAE, 6): "xsave",
    (1, 0xC7, 4): "xsave",
    (0, 0xD9, 4): "x87_environment",
    (0, 0xD9, 5): "x87_control_word",
    (0, 0xDD, 4): "x87_environment",
}
# What Linux emulates where the CPU has UMIP, with a decoder of its own, and we everywhere.
EMULATED = {"SLDT", "STR", "SMSW", "SGDT", "SIDT"}
# Forms that cannot be compared: their result belongs to the machine or to the system.
_SKIPPED_OPCODES = {
    (0, 0xCD): "INT n is a system matter",
    (0, 0xF4): "HLT is privileged on the host",
    (0, 0xF1): "INT1 cannot be told from our trap",
    (1, 0x05): "SYSCALL would be one",
    (1, 0x34): "SYSENTER",
    (1, 0xA2): "CPUID describes the machine",
    (1, 0x31): "RDTSC is the time",
}
_SKIPPED_NAMES = {
    "RDRAND": "random",
    "RDSEED": "random",
    "RDPID": "describes the machine",
    "TPAUSE": "depends on the time",
    "UMONITOR": "reads where a register points, which may be memory of the emulator's",
}
_SKIPPED_EXACT = {
    (1, 0x01, 0xF9): "RDTSCP is the time",
    (1, 0x01, 0xEE): "RDPKRU",
    (1, 0x01, 0xEF): "WRPKRU",
}
# Fixed ModRM bytes, (map, opcode, ModRM) -> fix-ups
_BY_EXACT = {(1, 0x01, 0xD0): "xgetbv"}
# MXCSR_MASK, and the x87 opcode and pointers in images of other vendors' processors.
_FX_IGNORED = ((28, 4),) if is_amd() else ((6, 18), (28, 4))
_ENVIRONMENT_IGNORED = () if is_amd() else ((12, 16),)
_IGNORED: dict[tuple[int, int, int], tuple[tuple[int, int], ...]] = {
    (1, 0xAE, 0): _FX_IGNORED,
    (1, 0xAE, 4): _FX_IGNORED,
    (1, 0xAE, 6): _FX_IGNORED,
    (1, 0xC7, 4): _FX_IGNORED,
    (0, 0xD9, 6): _ENVIRONMENT_IGNORED,
    (0, 0xDD, 6): _ENVIRONMENT_IGNORED,
}

# Results that each CPU computes with an error of its own (SDM: relative error, or one unit).
_ESTIMATES = set(
    "RCPPS RCPSS RSQRTPS RSQRTSS F2XM1 FYL2X FYL2XP1 FPTAN FPATAN FSIN FCOS FSINCOS".split()
)
_LIMITS = {"F2XM1": 0x3FFF, "FYL2XP1": 0x3FFD}


class Plan(NamedTuple):
    """How to test a form.

    `skip`: the reason not to; `align`: that of its memory operand; `ignore`: (offset, length) of
    what it may write there as it likes; `slack`, `estimate`: see Case; `limit`: ST0 needs a smaller
    exponent, or the result would be undefined (0: any).
    """

    form: Form
    sizes: tuple[int, ...]
    label: str
    fixups: tuple[str, ...]
    sse: bool
    x87: bool
    pool: str
    memory_pool: str
    align: int
    ignore: tuple[tuple[int, int], ...]
    undefined: int
    slack: int
    estimate: bool
    limit: int
    skip: str


def _group(form: Form) -> int:
    return form.enc.value >> 3 & 7 if form.enc.modrm and form.enc.mask & 0x38 else -1


def _fixups(form: Form) -> tuple[str, ...]:
    e = form.enc
    names = []
    if form.rm is not None and form.rm.kind.name == "vsib":
        names.append("gather")
    if e.enc == "vex" and (e.map, e.opcode) in ((1, 0xF7), (3, 0x60), (3, 0x61)):
        names.append(_BY_OPCODE[e.map, e.opcode])
    if e.enc == "vex" and (e.map, e.opcode, _group(form)) == (1, 0xAE, 2):
        names.append(_BY_GROUP[1, 0xAE, 2])
    if e.enc == "legacy":
        if (e.map, e.opcode) in _BY_OPCODE and not (e.opcode == 0xF7 and e.pp == 0xFF):
            names.append(_BY_OPCODE[e.map, e.opcode])
        if (e.map, e.opcode, _group(form)) in _BY_GROUP:
            names.append(_BY_GROUP[e.map, e.opcode, _group(form)])
        if e.mask == 0xFF and (e.map, e.opcode, e.value) in _BY_EXACT:
            names = [_BY_EXACT[e.map, e.opcode, e.value]]
        if (e.map, e.opcode) == (1, 0xAE) and e.pp == 2:
            names = ["monitor" if _group(form) == 6 else "bases"]
    return tuple(names)


def _sizes(form: Form) -> tuple[int, ...]:
    """Operand sizes to test in 64-bit mode.

    MOVSXD of 16 bits: AMD reads 32 bits of memory, Intel 16.  Far pointers of 64 bits: Intel has
    them, AMD ignores REX.W.
    """
    if 64 not in form.modes:
        return ()
    movsxd = (form.enc.map, form.enc.opcode) == (0, 0x63)
    far = form.rm is not None and form.rm.kind.name == "mp"
    return tuple(s for s in form.sizes if not (movsxd and s == 16) and not (far and s == 64))


def _slack(form: Form) -> int:
    e, rm = form.enc, form.rm
    if rm is not None and rm.kind.address and rm.kind.name not in ("mp", "md", "a80"):
        return IMAGE
    if form.insn.family == "string" and "CMPS" in form.insn.name:
        return EITHER
    bit_string = (e.map, e.opcode) in BIT_STRINGS
    return RMW if bit_string or (rm is not None and rm.access == "rw") else 0


def _skip(form: Form) -> str:
    return "" if 64 in form.modes else "not in 64-bit mode"


def unfit(form: Form) -> str:
    """Why the form cannot be compared in any mode."""
    e = form.enc
    if form.insn.name in EMULATED and not host_has("UMIP"):
        return "the host shows its own tables"
    if e.enc != "legacy":
        return ""
    exact = e.value if e.modrm and e.mask == 0xFF else -1
    if (e.map, e.opcode) == (1, 0x0D) and form.rm and form.rm.kind.reg:
        return "a NOP on Intel, undefined on AMD"
    return (
        _SKIPPED_OPCODES.get((e.map, e.opcode))
        or _SKIPPED_NAMES.get(form.insn.name)
        or _SKIPPED_EXACT.get((e.map, e.opcode, exact))
        or ""
    )


def _pool(name: str) -> str:
    """The pool that suits a mnemonic's element type."""
    stem = name.upper().removeprefix("V").removesuffix("MOV")
    if stem.startswith(("PCMPES", "PCMPIS")):
        return "text"
    if stem.startswith(("P", "MOVDQ", "LDDQU")):
        return "int"
    if stem.endswith(("PS", "SS")) or "PS2" in stem or "SS2" in stem:
        return "f32"
    if stem.endswith(("PD", "SD")) or "PD2" in stem or "SD2" in stem:
        return "f64"
    return "int"


def _memory_pool(form: Form, pool: str, x87: bool) -> str:
    if not x87 or form.rm is None or form.insn.name.startswith("FI"):
        return pool
    return {32: "f32", 64: "f64", 80: "f80"}.get(form.rm.width(32), "int")


def keeps_to_a_line(form: Form) -> bool:
    """Whether memory must lie within a cache line: LOCK is legal, and costs too much elsewhere."""
    return (form.lock or form.always_lock) and split_locks_are_slow()


def plan_of(form: Form) -> Plan:
    """The plan of a form."""
    e, name = form.enc, form.insn.name
    banks = {o.kind.bank for o in form.operands}
    x87 = "mm" in banks or (e.map == 0 and (0xD8 <= e.opcode <= 0xDF or e.opcode == 0x9B))
    x87 = x87 or ((e.map, e.opcode) in ((1, 0x77), (1, 0xAE)) and e.pp != 2)
    sse = form.vector or "xmm" in banks or (e.map, e.opcode) in ((1, 0xAE), (1, 0xF7))
    pool = _pool(name)
    rm = form.rm
    align = 16 if (e.map, e.opcode) in ((1, 0xAE), (1, 0xC7)) else 1
    if rm and rm.kind.aligned:
        align = rm.width(32) // 8
    if keeps_to_a_line(form):
        align = 16
    undefined = sum(1 << FLAG_BITS[f.lower()] for f in form.insn.undefined)
    label = f"{name} {form.encoding}"
    return Plan(
        form, _sizes(form), label, _fixups(form), sse, x87, pool, _memory_pool(form, pool, x87),
        align, _IGNORED.get((e.map, e.opcode, _group(form)), ()), undefined,
        _slack(form), name.removeprefix("V") in _ESTIMATES, _LIMITS.get(name, 0),
        unfit(form) or _skip(form),
    )  # fmt: skip


def plans() -> list[Plan]:
    """Plans of all forms that the spec implements, in its order."""
    families.load()  # always: a test may have imported one family alone
    return [plan_of(form) for insn in REGISTRY for form in insn.forms]


_INEXACT = ("XSAVE", "XRSTOR", "VMASKMOV", "VPMASKMOV")


def legacy_plans() -> list[Plan]:
    """Plans of the forms that 16 and 32-bit code can have and that can be compared.

    Left out are memory operands of what Linux emulates (UMIP), which checks segments in its own
    way; XSAVE areas, which we do not check against limits, and masked moves, of which we check all.
    """
    return [p for p in plans() if p.form.legacy and not unfit(p.form) and not _inexact(p.form)]


def _inexact(form: Form) -> bool:
    emulated = form.insn.name in EMULATED and form.rm is not None and form.rm.kind.mem
    return emulated or form.insn.name.startswith(_INEXACT)
