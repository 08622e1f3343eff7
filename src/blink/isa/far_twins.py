"""Far control flow on numbers: the twin of engine/far.c."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import STATUS_MASK, Explicit
from blink.isa.segments import (
    BIG,
    CODE,
    DATA_SEGMENTS,
    DOWN,
    LMA,
    LONG,
    MEMORY,
    NONE,
    NT,
    PE,
    PRESENT,
    VM,
    Descriptor,
    GuestFault,
    Unimplemented,
    address,
    error_code,
    find,
    flags_writable,
    require_vm_io,
    set_segment,
    stack_segment,
)  # fmt: skip
from blink.isa.state import CS, GP, NP, RSP, SS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.isa.reference import Reference

_GATES = 0x1A3A
_OPEN = (3, 4, 0x80)  # vectors whose gates Linux lets programs use


class Code:
    """Where to go: a code segment, and the privilege there."""

    def __init__(self, s: Reference, selector: int, back: bool) -> None:
        cpu = s.cpu
        self.s, self.selector, self.cpl = s, selector, cpu.cpl
        if cpu.real:
            self.d = Descriptor(selector * 16, cpu.seg_limit[CS], cpu.seg_rights[CS])
            return
        self.d = self._find(selector, back)
        if back:
            self.cpl = selector & 3
        self.selector = selector & ~3 | self.cpl

    def _find(self, selector: int, back: bool) -> Descriptor:
        d = find(self.s.cpu, self.s.memory, selector)
        if d is None:
            raise GuestFault(GP, error_code(selector))
        if not d.rights & MEMORY:
            usable = d.dpl >= max(self.s.cpu.cpl, selector & 3) and _GATES >> (d.rights & 15) & 1
            raise (
                Unimplemented("gate")
                if usable and not back
                else GuestFault(GP, error_code(selector))
            )
        self.d = d
        both = self.wide and d.rights & BIG
        if not d.rights & CODE or both or not self._may_enter(d, selector & 3, back):
            raise GuestFault(GP, error_code(selector))
        if not d.rights & PRESENT:
            raise GuestFault(NP, error_code(selector))
        return d

    def _may_enter(self, d: Descriptor, rpl: int, back: bool) -> bool:
        cpl = self.s.cpu.cpl
        if back:
            return rpl >= cpl and (d.dpl <= rpl if d.rights & DOWN else d.dpl == rpl)
        return d.dpl <= cpl if d.rights & DOWN else d.dpl == cpl and rpl <= cpl

    @property
    def wide(self) -> bool:
        return bool(self.s.cpu.efer & LMA and self.d.rights & LONG)

    def check(self, offset: int) -> None:
        """#GP when `offset` is not in the segment."""
        canonical = -(1 << 47) <= offset - (offset >> 63 << 64) < 1 << 47
        if not (canonical if self.wide else offset <= self.d.limit):
            raise GuestFault(GP)

    def enter(self, offset: int) -> None:
        """Load CS and RIP."""
        self.s.cpu.cpl = self.cpl
        set_segment(self.s, CS, self.selector, self.d)
        self.s.next_rip = offset


class Stack:
    """The stack while it is popped or pushed: nothing changes before commit()."""

    def __init__(self, s: Reference, wide: bool | None = None) -> None:
        self.s, self.sp = s, s.cpu.gpr[RSP]
        self.wide = s.cpu.mode == 64 if wide is None else wide

    def _address(self, size: int, write: bool) -> int:
        cpu = self.s.cpu
        if self.wide:
            return self.sp & NONE
        mask = 0xFFFFFFFF if cpu.seg_rights[SS] & BIG else 0xFFFF
        return address(cpu, SS, self.sp & mask, size, write)

    def push(self, value: int, size: int) -> None:
        self.sp -= size
        data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self.s.memory.store(self._address(size, True), data)

    def pop(self, size: int) -> int:
        data = self.s.memory.load(self._address(size, False), size)
        self.sp += size
        return int.from_bytes(data, "little")

    def word_at(self, sp: int, size: int) -> int:
        self.sp = sp
        return self.pop(size)

    def touch(self) -> None:
        """Fault as a store of a byte would."""
        self.s.memory.check_write(self._address(1, True), 1)

    def commit(self, sp: int) -> None:
        mask = self.s.cpu.stack_mask
        kept = self.s.cpu.gpr[RSP] & ~mask & 0xFFFFFFFF
        self.s.set_gpr(RSP, Bits.const(kept | sp & mask, 64))


def far_jump(s: Reference, selector: int, offset: int) -> None:
    """JMP to a far pointer."""
    to = Code(s, selector, back=False)
    to.check(offset)
    to.enter(offset)
    Stack(s).commit(s.cpu.gpr[RSP])  # 64-bit mode left: no upper half


def far_call(s: Reference, selector: int, offset: int, size: int) -> None:
    """CALL to a far pointer, with operands of `size` bytes."""
    to = Code(s, selector, back=False)
    stack = Stack(s, to.wide)  # that of the new mode, as on AMD
    stack.push(s.cpu.seg[CS], size)
    stack.push(s.next_rip, size)
    to.check(offset)
    to.enter(offset)
    stack.commit(stack.sp)


class Frame:
    """The address of a return; CPUs read the upper words first.

    `extra` bytes lie between CS and the outer stack pointer, which is there if `outward`.
    """

    def __init__(self, s: Reference, size: int, interrupt: bool, extra: int) -> None:
        self.s, self.stack = s, Stack(s)
        sp, cpu = self.stack.sp, s.cpu
        word = self.stack.word_at
        self.flags = word(sp + 2 * size, size) if interrupt else 0
        self.selector = word(sp + size, size) & 0xFFFF
        self.offset = word(sp, size)
        self.sp = sp + (2 + interrupt) * size + extra
        other = self.selector & 3 != cpu.cpl or (interrupt and cpu.mode == 64)
        self.outward = not cpu.real and other
        if self.outward:
            self.outer_ss = word(self.sp + size, size) & 0xFFFF
            self.outer_sp = word(self.sp, size) + extra

    def return_to(self) -> None:
        """Load CS, RIP and the stack pointer."""
        to = Code(self.s, self.selector, back=True)
        if self.outward:
            self._return_outward(to)
            return
        to.check(self.offset)
        to.enter(self.offset)
        self.stack.commit(self.sp)

    def _return_outward(self, to: Code) -> None:
        s = self.s
        outer = to.cpl > s.cpu.cpl
        d = stack_segment(s, self.outer_ss, to.cpl, to.wide)
        to.check(self.offset)
        to.enter(self.offset)
        set_segment(s, SS, self.outer_ss, d)
        self.stack.commit(self.outer_sp)
        if outer:
            _drop_inner_segments(s, to.cpl)


def _drop_inner_segments(s: Reference, cpl: int) -> None:
    """Data segments that the outer level may not use become null."""
    for n in DATA_SEGMENTS:
        d = Descriptor(rights=s.cpu.seg_rights[n])
        if d.rights & PRESENT and not d.conforming and d.dpl < cpl:
            s.cpu.set_segment(n, 0, Descriptor())


def far_return(s: Reference, size: int, extra: int) -> None:
    """RET to a far pointer on the stack."""
    Frame(s, size, False, extra).return_to()


def interrupt_return(s: Reference, size: int) -> None:
    """IRET; task returns and virtual 8086 mode are not here."""
    cpu = s.cpu
    require_vm_io(s)
    if not cpu.real and cpu.eflags & NT:
        raise GuestFault(GP) if cpu.efer & LMA else Unimplemented("task return")
    frame = Frame(s, size, True, 0)
    mask = (flags_writable(s) | 1 << 16) & (0xFFFF if size == 2 else 0xFFFFFFFF)
    if not cpu.real and size > 2 and frame.flags & VM and not cpu.cpl:
        raise Unimplemented("virtual 8086 mode")
    frame.return_to()
    cpu.eflags = cpu.eflags & ~mask | frame.flags & mask
    s.flags = Explicit(Bits.const(cpu.eflags & STATUS_MASK, 32))


def software_interrupt(s: Reference, vector: int) -> None:
    """INT n and INTO: through the vector table in real mode."""
    cpu = s.cpu
    if cpu.cr0 & PE:
        if cpu.user and vector not in _OPEN:
            raise GuestFault(GP, vector * 8 + 2)
        cpu.stop = f"INT:{vector}"
        return
    if vector * 4 + 3 > cpu.idt.limit:
        raise GuestFault(GP, vector * 8 + 2)
    entry = int.from_bytes(s.memory.load(cpu.idt.base + vector * 4, 4), "little")
    to, stack = Code(s, entry >> 16, back=False), Stack(s)
    for value in (cpu.eflags, cpu.seg[CS], s.next_rip):
        stack.push(value, 2)
    stack.commit(stack.sp)
    cpu.eflags &= ~(1 << 8 | 1 << 9 | 1 << 18)
    to.enter(entry & 0xFFFF)


def overflow_interrupt(s: Reference, overflow: int) -> None:
    """INTO."""
    if overflow:
        software_interrupt(s, 4)


def go_on(s: Reference) -> None:
    """At the next instruction."""


_BODIES = (
    far_jump, far_call, far_return, interrupt_return, software_interrupt, overflow_interrupt, go_on,
)  # fmt: skip
TWINS = {f.__name__: f for f in _BODIES}
