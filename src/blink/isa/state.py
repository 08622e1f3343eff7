"""`s`, the machine as an instruction body sees it: registers, memory, flags, control flow, faults.

Subclasses give the leaves: codegen/trace.py records a graph, isa/reference.py computes on numbers.
All widths are in bits, addresses are 64-bit.
"""

from __future__ import annotations

from collections.abc import Iterator

from blink.isa.bits import Bits, ite
from blink.isa.flags import OTHER, POSITION, Add, Explicit, FlagState, Guarded, Result, Sub

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
R11 = 11
ES, CS, SS, DS, FS, GS = range(6)
# Exception vectors (SDM volume 3, table 6-1)
DE, DB, BP, OF, BR, UD, NM = 0, 1, 3, 4, 5, 6, 7
ACCESS_WRITE = 1 << 16  # with the number of bytes: segment_address() checks for writing
NP, SS_FAULT, GP, PF, MF, AC, XM = 11, 12, 13, 14, 16, 17, 19


class State:
    """Abstract machine.  `size`: operand size; `mode`: 16, 32, 64; `cc`: condition of *cc forms."""

    size = 32
    cc = 0

    @property
    def mode(self) -> int:
        """64, or something else: 16 and 32-bit code run the same handlers."""
        raise NotImplementedError

    def __init__(self) -> None:
        self._guard: Bits | None = None
        self._negated: Bits = Bits.const(0, 1)
        self.flags: FlagState = self.initial_flags()

    # -- what subclasses provide --

    def initial_flags(self) -> FlagState:
        raise NotImplementedError

    def gpr(self, n: int, w: int = 64) -> Bits:
        """General register `n`, its low `w` bits."""
        raise NotImplementedError

    def _write_gpr(self, n: int, value: Bits) -> None:
        raise NotImplementedError

    def xmm(self, n: int) -> Bits:
        """Vector register `n`, 128 bits."""
        raise NotImplementedError

    def _write_xmm(self, n: int, value: Bits) -> None:
        raise NotImplementedError

    def load(self, address: Bits, w: int) -> Bits:
        """Read `w` bits of memory; may leave by a page fault with nothing committed."""
        raise NotImplementedError

    def _store(self, address: Bits, value: Bits) -> None:
        raise NotImplementedError

    def special(self, name: str, w: int) -> Bits:
        """A field of Cpu by its C name: eflags (without status flags), fs_base, mxcsr..."""
        raise NotImplementedError

    def _write_special(self, name: str, value: Bits) -> None:
        raise NotImplementedError

    def segment(self, n: int) -> Bits:
        """The selector in segment register `n`."""
        raise NotImplementedError

    def fault_if(self, condition: Bits | bool, vector: int, error: int = 0) -> None:
        """Leave with an exception if the condition holds (and the enclosing `if`s do)."""
        raise NotImplementedError

    def call(self, name: str, *args: Bits | int, w: int = 0) -> Bits:
        """The escape hatch: a hand-written C function `name(c, args...)` with a Python twin.

        It may change the machine; registers read by this body were read before it.
        """
        raise NotImplementedError

    def fp(self, name: str, w: int, *args: Bits) -> Bits:
        """A floating-point primitive (engine/fp.h and isa/softfloat.py share the names)."""
        raise NotImplementedError

    def half(self, n: int | None) -> None:
        """What follows computes half `n` of 256 bits: both halves' exceptions are raised as one.

        None: both are done.
        """
        raise NotImplementedError

    def halves(self) -> Iterator[int]:
        """0 and 1, while what is computed belongs to that half."""
        for n in (0, 1):
            self.half(n)
            yield n
        self.half(None)

    def jump(self, target: Bits) -> None:
        """Continue at `target`."""
        raise NotImplementedError

    def branch(self, condition: Bits, target: Bits) -> None:
        """Continue at `target` if the condition holds."""
        raise NotImplementedError

    def stop(self, reason: str) -> None:
        """Retire this instruction and return `reason` (SYSCALL, HALT, INT:n) from run()."""
        raise NotImplementedError

    def far(self) -> None:
        """Continue where a C body has set RIP, or leave run() if it says so."""
        raise NotImplementedError

    def again(self, condition: Bits) -> None:
        """Execute this instruction once more if the condition holds: a REP string not yet done."""
        raise NotImplementedError

    def register_number(self, where: str) -> Bits:
        """Which vector register the field `where` names (reg, vvvv, vsib), 8 bits."""
        raise NotImplementedError

    @property
    def vsib_scale(self) -> Bits:
        """By how many bits the indices are shifted, 8 bits."""
        raise NotImplementedError

    @property
    def vsib_address(self) -> Bits:
        """Address size in bytes, and 1 + the segment register's number times 256; 32 bits."""
        raise NotImplementedError

    def note_x87(self, memory: bool = False) -> None:
        """FSTENV and its kin report this instruction, and its memory operand if it has one."""
        raise NotImplementedError

    @property
    def next_ip(self) -> Bits:
        """Address of the following instruction."""
        raise NotImplementedError

    @property
    def string_base(self) -> Bits:
        """Segment base of a string instruction's source, in 64-bit mode."""
        raise NotImplementedError

    @property
    def string_segment(self) -> Bits:
        """Number of a string instruction's source segment, in other modes."""
        raise NotImplementedError

    # -- conditions --

    def when(self, condition: Bits | bool) -> Iterator[None]:
        """What `if condition:` becomes: a traced condition guards all effects of the suite."""
        if isinstance(condition, bool) or condition.is_const:
            known = bool(condition)
            if known:
                yield
            self._negated = Bits.const(not known, 1)
            return
        outer = self._guard
        self._guard = condition if outer is None else outer & condition
        yield
        self._guard = outer
        self._negated = ~condition

    def otherwise(self) -> Iterator[None]:
        """What `else:` becomes."""
        yield from self.when(self._negated)

    def check_complete(self) -> None:
        """After the body: SyntaxError if it returned under a traced condition."""
        if self._guard is not None:
            raise SyntaxError(f"return under the traced condition {self._guard!r}")

    def guarded(self, new: Bits, old: Bits) -> Bits:
        """`new` if the enclosing conditions hold, else `old`."""
        return new if self._guard is None else ite(self._guard, new, old)

    # -- registers, memory, stack --

    def set_gpr(self, n: int, value: Bits) -> None:
        """Write the low bits of register `n`: 32 clear the upper half, 8 and 16 keep the rest."""
        if self._guard is not None:  # not written: the upper half stays, too
            w = 64 if value.w == 32 else value.w
            value = self.guarded(value.zext(w), self.gpr(n, w))
        self._write_gpr(n, value)

    def set_xmm(self, n: int, value: Bits) -> None:
        self._write_xmm(n, self.guarded(value, self.xmm(n)) if self._guard is not None else value)

    def set_special(self, name: str, value: Bits) -> None:
        old = self.special(name, value.w) if self._guard is not None else value
        self._write_special(name, self.guarded(value, old))

    def store(self, address: Bits, value: Bits) -> None:
        """Write memory; may leave by a page fault.  Comes before all register writes."""
        self._store(address, value)

    def segment_address(self, n: Bits | int, offset: Bits, size: int, write: bool) -> Bits:
        """The linear address of `size` bytes in segment `n`, outside of 64-bit mode.

        #GP or #SS if they are not in it.
        """
        segment = Bits.const(n, 8) if isinstance(n, int) else n
        access = size | ACCESS_WRITE * write
        return self.call("segment_address", segment, offset.zext(32), access, w=64)

    def string_source(self, offset: Bits, size: int, write: bool = False) -> Bits:
        """The address of a string instruction's source, XLAT's, or MASKMOV's destination."""
        if self.mode == 64:
            return self.string_base + offset.zext(64)
        return self.segment_address(self.string_segment, offset, size, write)

    def string_target(self, offset: Bits, size: int, write: bool) -> Bits:
        """The address of a string instruction's destination, which is in ES."""
        if self.mode == 64:
            return offset.zext(64)
        return self.segment_address(ES, offset, size, write)

    def element(self, address: Bits, offset: Bits, size: int, write: bool) -> Bits:
        """The linear address of `size` bytes `offset` bytes from an operand of the kind `bits`."""
        if self.mode == 64:
            return address + offset
        access = size | ACCESS_WRITE * write
        return self.call("operand_address", (address + offset).zext(32), access, w=64)

    def beside(self, address: Bits, n: int) -> Bits:
        """`n` bytes behind a linear address."""
        return address + n if self.mode == 64 else (address + n) & 0xFFFFFFFF

    def stack(self, sp: Bits, size: int, write: bool = False) -> Bits:
        """The linear address of `size` bytes at the stack pointer `sp`."""
        if self.mode == 64:
            return sp
        return self.segment_address(SS, sp & self.special("stack_mask", 64), size, write)

    def check_target(self, target: Bits) -> None:
        """#GP when a jump to `target` would leave the code segment: before anything is pushed."""
        relative = target.op == "in" and target.aux == "TARGET"  # checked when it is decoded
        if self.mode != 64 and not relative:
            self.fault_if(self.special("code_limit", 32).ult(target.zext(32)), GP)

    def set_sp(self, sp: Bits) -> None:
        """Write RSP, ESP or SP."""
        if self.mode != 64:
            mask = self.special("stack_mask", 64)
            sp = (self.gpr(RSP) & ~mask & 0xFFFFFFFF) | (sp & mask)  # a 32-bit write, or 16 bits
        self.set_gpr(RSP, sp)

    def push(self, value: Bits) -> None:
        size = value.w // 8
        sp = self.gpr(RSP) - size
        self.store(self.stack(sp, size, True), value)
        self.set_sp(sp)

    def pop(self, w: int) -> Bits:
        sp = self.gpr(RSP)
        value = self.load(self.stack(sp, w // 8), w)
        self.set_sp(sp + w // 8)
        return value

    def fault(self, vector: int, error: int = 0) -> None:
        self.fault_if(True, vector, error)

    # -- flags --

    def _set_flags(self, new: FlagState) -> None:
        self.flags = new if self._guard is None else Guarded(self._guard, new, self.flags)

    def flags_sub(self, a: Bits, b: Bits) -> None:
        """All six flags of a - b."""
        self._set_flags(Sub(a, b))

    def flags_add(self, a: Bits, b: Bits) -> None:
        """All six flags of a + b."""
        self._set_flags(Add(a, b))

    def flags_logic(self, result: Bits) -> None:
        """ZF, SF, PF of the result; CF = OF = 0 (and AF = 0, which the SDM leaves undefined)."""
        self._set_flags(Sub(result, Bits.const(0, result.w)))

    def flags_result(
        self, result: Bits, cf: Bits | int, of: Bits | int, af: Bits | int = 0
    ) -> None:
        """ZF, SF, PF of the result; the others given as single bits."""
        bits = [Bits.const(f, 1) if isinstance(f, int) else f for f in (cf, of, af)]
        self._set_flags(Result(result, *bits))

    def flag(self, name: str) -> Bits:
        """One status flag, or DF."""
        if name in POSITION:
            return self.flags.get(name)
        return self.special("eflags", 32).bit(OTHER[name])

    def set_flag(self, name: str, value: Bits | int) -> None:
        """Change one flag and keep the others."""
        bit = Bits.const(value, 1) if isinstance(value, int) else value
        if name in POSITION:
            self.set_status(bit.zext(32) << POSITION[name], 1 << POSITION[name])
            return
        p = OTHER[name]
        old = self.special("eflags", 32)
        self.set_special("eflags", (old & ~(1 << p) & 0xFFFFFFFF) | (bit.zext(32) << p))

    def set_status(self, value: Bits, mask: int) -> None:
        """Set the status flags in `mask` (EFLAGS positions) from `value` (32 bits), no others."""
        self._set_flags(Explicit((self.flags.word() & ~mask & 0xFFFFFFFF) | (value & mask)))

    def cond(self, cc: int | None = None) -> Bits:
        """Condition `cc` (0..15), by default that of the instruction."""
        return self.flags.cond(self.cc if cc is None else cc)
