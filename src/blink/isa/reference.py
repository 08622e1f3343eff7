"""The reference interpreter: the instruction bodies, run on numbers.

Slow and obvious: what the engine and the host CPU are compared with.  The caller gives memory and
the decoder, so that nothing here depends on the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Protocol

from blink.isa import families, matching, segments
from blink.isa.binding import Operands, Variant, execute
from blink.isa.bits import Bits, fp
from blink.isa.flags import STATUS_MASK, Explicit, FlagState
from blink.isa.segments import GuestFault, Segments, Unimplemented
from blink.isa.softfloat import Env
from blink.isa.spec import REGISTRY, Form
from blink.isa.state import CS, DS, FS, GS, RBP, RSP, SS, UD, XM

MASK64 = (1 << 64) - 1


class GuestMemory(Protocol):
    """What the reference needs of memory; both raise GuestFault."""

    def load(self, address: int, size: int) -> bytes: ...

    def store(self, address: int, data: bytes) -> None: ...

    def check_write(self, address: int, size: int) -> None:
        """Fault as a store would, and store nothing."""
        ...


class CpuState(Segments):
    """The architectural state: plain numbers."""

    def __init__(self) -> None:
        from blink.isa.x87_reference import X87State

        self.gpr = [0] * 16
        self.rip = 0
        self.eflags = 2
        self.xmm = [0] * 16
        self.ymmh = [0] * 16  # upper halves of the YMM registers
        self.mxcsr = 0x1F80
        self.xcr0 = 7
        self.entropy = 0  # 0: RDRAND asks the host; else the state of a sequence
        Segments.__init__(self)
        self.x87 = X87State()
        self.stop = ""


Decode = Callable[[bytes, int], dict[str, int]]
_INDEX: dict[matching.Key, list[Form]] = {}


def form_index() -> dict[matching.Key, list[Form]]:
    """All forms by opcode (built on first use)."""
    if not _INDEX:
        families.load()
        _INDEX.update(matching.index(f for i in REGISTRY for f in i.forms))
    return _INDEX


def find_form(insn: dict[str, int]) -> Form:
    """The form of a decoded instruction.  Unimplemented if there is none, GuestFault for #UD."""
    candidates = form_index().get((insn["enc"], insn["map"], insn["opcode"]), [])
    for form in candidates:
        if matching.matches(form, insn):
            return form
    if matching.wrong_fields(candidates, insn):
        raise GuestFault(UD)
    raise Unimplemented(f"map {insn['map']} opcode {insn['opcode']:02x}")


class Reference(Operands):
    """One instruction on a CpuState: effects on registers are applied by finish()."""

    def __init__(
        self, cpu: CpuState, memory: GuestMemory, insn: dict[str, int], form: Form
    ) -> None:
        self.cpu = cpu
        self.memory = memory
        self.insn = insn
        self.form = form
        self.size = matching.operand_size(form, insn["osz"] * 8, self.mode)
        self.cc = form.insn.cond or 0
        self.env = Env.from_mxcsr(cpu.mxcsr)
        self._writes: dict[tuple[str, int], int] = {}
        self._special: dict[str, int] = {}
        self._next = (cpu.rip + insn["len"]) & cpu.rip_mask
        self._update_at = 0
        self._half: int | None = None
        self._raised: tuple[list[int], list[int]] = ([], [])
        super().__init__()

    @property
    def mode(self) -> int:
        return self.insn["mode"]

    @property
    def next_rip(self) -> int:
        """Where execution continues."""
        return self._next

    @next_rip.setter
    def next_rip(self, value: int) -> None:
        self._next = value

    def initial_flags(self) -> FlagState:
        return Explicit(Bits.const(self.cpu.eflags & STATUS_MASK, 32))

    # -- registers --

    def _register(self, bank: str, n: int) -> int:
        if (bank, n) in self._writes:
            return self._writes[bank, n]
        if bank == "mm":
            return self.cpu.x87.significand(n)
        if bank in ("no", "number"):
            return n
        return self._bank(bank)[n]

    def _bank(self, bank: str) -> list[int]:
        cpu = self.cpu
        return {"gpr": cpu.gpr, "xmm": cpu.xmm, "ymmh": cpu.ymmh, "seg": cpu.seg}[bank]

    def _set_register(self, bank: str, n: int, value: Bits) -> None:
        if bank in ("xmm", "ymm") and (value.w == 256 or self.insn["enc"] == matching.ENC["vex"]):
            self._writes["ymmh", n] = int(value) >> 128
            value, bank = value.zext(128), "xmm"
        whole = 64 if bank in ("gpr", "mm") else 16 if bank == "seg" else 128
        keep = self._register(bank, n) >> value.w << value.w if value.w < whole else 0
        self._writes[bank, n] = keep | int(value)

    def gpr(self, n: int, w: int = 64) -> Bits:
        return Bits.const(self._register("gpr", n), w)

    def _write_gpr(self, n: int, value: Bits) -> None:
        self._set_register("gpr", n, value.zext(64) if value.w == 32 else value)

    def xmm(self, n: int) -> Bits:
        return Bits.const(self._register("xmm", n), 128)

    def _write_xmm(self, n: int, value: Bits) -> None:
        self._set_register("xmm", n, value)

    def special(self, name: str, w: int) -> Bits:
        return Bits.const(self._special.get(name, attrgetter(name)(self.cpu)), w)

    def _write_special(self, name: str, value: Bits) -> None:
        self._special[name] = int(value)

    def _number(self, where: str) -> int:
        if where == "is4":
            return self.insn["imm"] >> 4 & 15
        return self.insn[{"opcode": "oreg", "vsib": "index"}.get(where, where)]

    def _high_byte(self, bank: str, where: str, w: int) -> bool:
        """AH, CH, DH, BH."""
        legacy = not self.insn["rex"] and self.insn["enc"] == 0
        return bank == "gpr" and w == 8 and legacy and 4 <= self._number(where) < 8

    def read_register(self, bank: str, where: str, w: int) -> Bits:
        n = self._number(where)
        if self._high_byte(bank, where, w):
            return Bits.const(self._register("gpr", n - 4) >> 8, 8)
        if bank == "ymm":
            value = self._register("xmm", n) | self._register("ymmh", n) << 128
            return Bits.const(value, w)
        return Bits.const(self._register(bank, n & 7 if bank in ("mm", "seg", "no") else n), w)

    def segment(self, n: int) -> Bits:
        return Bits.const(self.cpu.seg[n], 16)

    def write_register(self, bank: str, where: str, w: int, value: Bits) -> None:
        n = self._number(where)
        if self._high_byte(bank, where, w):
            old = self._register("gpr", n - 4)
            self._writes["gpr", n - 4] = (old & ~0xFF00) | int(value) << 8
        else:
            self._set_register(bank, n & 7 if bank == "mm" else n, value)

    # -- memory --

    def _segment_base(self) -> int:
        return {1 + FS: self.cpu.fs_base, 1 + GS: self.cpu.gs_base}.get(self.insn["seg"], 0)

    def effective_address(self) -> Bits:
        i, rm = self.insn, self.form.rm
        value = i["disp"] + (self._next if i["rip_relative"] else 0)
        value += self.cpu.gpr[i["base"]] if i["base"] >= 0 else 0
        value += self.cpu.gpr[i["index"]] << i["scale"] if i["index"] >= 0 and not i["vsib"] else 0
        if self.form.insn.name == "POP" and i["base"] == RSP:
            value += self.size // 8  # the address is computed after RSP has moved
        value &= (1 << i["addr_size"] * 8) - 1
        whole = self.mode != 64 and rm is not None and rm.kind.name == "bits"
        if self.form.insn.name == "LEA" or whole or (self.mode == 64 and i["vsib"]):
            return Bits.const(value, 64)  # VSIB adds the segment's base last
        if self.mode != 64:
            return Bits.const(
                segments.address(self.cpu, self._segment(), value, *self._access()), 64
            )
        return Bits.const(value + self._segment_base(), 64)

    def operand_address(self, offset: int, access: int) -> int:
        """The linear address of an offset in the memory operand's segment."""
        offset &= (1 << self.insn["addr_size"] * 8) - 1
        return segments.segment_address(self, self._segment(), offset, access)

    def _segment(self) -> int:
        """The segment of the memory operand: the override, else SS for addresses on SP or BP."""
        if self.insn["seg"]:
            return self.insn["seg"] - 1
        return SS if self.insn["base"] in (RSP, RBP) else DS

    def _access(self) -> tuple[int, bool]:
        """Bytes of the memory operand, 0 if only the body knows; whether it is written."""
        rm = self.form.rm
        if rm is None or rm.kind.name in ("mem", "vsib"):
            return 0, False
        return rm.width(self.size) // 8, rm.writes

    def load(self, address: Bits, w: int) -> Bits:
        if self._guard is not None and not self._guard:
            return Bits.const(0, w)
        return Bits.const(int.from_bytes(self.memory.load(int(address), w // 8), "little"), w)

    def _store(self, address: Bits, value: Bits) -> None:
        self.memory.store(int(address), int(value).to_bytes(value.w // 8, "little"))

    def read_for_update(self, address: Bits, w: int, lock: bool) -> Bits:
        self._update_at = int(address)
        self.memory.check_write(self._update_at, w // 8)
        return self.load(address, w)

    def update(self, value: Bits, lock: bool) -> None:
        self._store(Bits.const(self._update_at, 64), value)

    # -- the rest --

    def immediate(self, w: int) -> Bits:
        return Bits.const(self.insn["imm"], w)

    def second_immediate(self) -> Bits:
        return Bits.const(self.insn["imm2"], 8)

    def selector(self) -> Bits:
        return Bits.const(self.insn["imm2"], 16)

    def target(self) -> Bits:
        target = self._next + self.insn["imm"]
        if self.mode != 64:
            target &= 0xFFFF if self.insn["osz"] == 2 else 0xFFFFFFFF
        return Bits.const(target, 64)

    def stack_index(self) -> Bits:
        return Bits.const(self.insn["modrm"] & 7, 8)

    def register_number(self, where: str) -> Bits:
        return Bits.const(self._number(where), 8)

    @property
    def vsib_scale(self) -> Bits:
        return Bits.const(self.insn["scale"], 8)

    @property
    def vsib_address(self) -> Bits:
        return Bits.const(self.insn["addr_size"] | self.insn["seg"] << 8, 32)

    def note_x87(self, memory: bool = False) -> None:
        opcode = self.insn["opcode"] << 8 | self.insn["modrm"]
        self._write_special("x87.fip", Bits.const(self.cpu.rip, 64))
        self._write_special("x87.fop", Bits.const(opcode & 0x7FF, 16))
        self._write_special("x87.fcs", Bits.const(self.cpu.seg[CS], 16))
        if memory:
            self._write_special("x87.fdp", self._offset())
            self._write_special("x87.fds", Bits.const(0, 16))

    def _offset(self) -> Bits:
        """The memory operand's offset in its segment."""
        if self.mode == 64:
            return self.effective_address() - self._segment_base()
        return (self.effective_address() - self.cpu.seg_base[self._segment()]) & 0xFFFFFFFF

    @property
    def next_ip(self) -> Bits:
        return Bits.const(self._next, 64)

    @property
    def string_base(self) -> Bits:
        return Bits.const(self._segment_base(), 64)

    @property
    def string_segment(self) -> Bits:
        return Bits.const(self._segment(), 8)

    def fault_if(self, condition: Bits | bool, vector: int, error: int = 0) -> None:
        if condition:
            raise GuestFault(vector, error)

    def call(self, name: str, *args: Bits | int, w: int = 0) -> Bits:
        from blink.isa import twins

        return Bits.const(int(twins.find(name)(self, *(int(a) for a in args)) or 0), w or 1)

    def fp(self, name: str, w: int, *args: Bits) -> Bits:
        if self._half is not None:
            return self._fp_of_half(self._half, name, w, args)
        value = fp(name, w, *args, env=self.env)
        self._trap_if_unmasked()
        return value

    def _fp_of_half(self, half: int, name: str, w: int, args: tuple[Bits, ...]) -> Bits:
        """What it raises is only noted: the other half has its part in it."""
        env = Env.from_mxcsr(self.cpu.mxcsr)
        value = fp(name, w, *args, env=env)
        self._raised[half].append(env.flags)
        return value

    def half(self, n: int | None) -> None:
        self._half = n
        if n is None:
            for flags in zip(*self._raised, strict=True):
                self.env.merge(*flags)
                self._trap_if_unmasked()

    def _trap_if_unmasked(self) -> None:
        if self.env.unmasked:
            self.cpu.mxcsr |= self.env.flags
            raise GuestFault(XM)

    def jump(self, target: Bits) -> None:
        self.check_target(target)
        self._next = int(target)

    def branch(self, condition: Bits, target: Bits) -> None:
        if condition:
            self.jump(target)

    def far(self) -> None:
        """The twin of the C body has set next_rip."""

    def again(self, condition: Bits) -> None:
        if condition:
            self._next = self.cpu.rip

    def stop(self, reason: str) -> None:
        self.cpu.stop = reason

    def finish(self) -> None:
        """Commit registers, flags and RIP."""
        self.commit_progress()
        self.cpu.rip = self._next

    def commit_progress(self) -> None:
        """Commit all but RIP: a REP string between two elements."""
        cpu = self.cpu
        for (bank, n), value in self._writes.items():
            if bank == "mm":
                cpu.x87.set_mmx(n, value)
            else:
                self._bank(bank)[n] = value
        for name, value in self._special.items():
            owner, _, field = name.rpartition(".")
            setattr(attrgetter(owner)(cpu) if owner else cpu, field, value)
        cpu.eflags = cpu.eflags & ~STATUS_MASK | int(self.flags.word())
        cpu.mxcsr |= self.env.flags
        self._writes.clear()
        self._special.clear()


def step(cpu: CpuState, memory: GuestMemory, decode: Decode, code: bytes) -> None:
    """Execute the instruction at the start of `code`, which lies at cpu.rip.

    GuestFault leaves the state as it was before the instruction (but for sticky MXCSR and x87 flags
    that an unmasked exception sets); Unimplemented when no definition covers it.
    """
    insn = decode(code, cpu.mode)
    if insn["enc"] and cpu.real:
        raise GuestFault(UD)
    form = find_form(insn)
    mem = bool(insn["has_mem"])
    unused_vvvv = all(o.kind.where != "vvvv" for o in form.operands)
    if (insn["lock"] and not (form.lock and mem)) or (insn["has_vvvv"] and unused_vvvv):
        raise GuestFault(UD)
    s = Reference(cpu, memory, insn, form)
    execute(s, form, Variant(s.size, mem, bool(insn["lock"])))
    s.finish()
