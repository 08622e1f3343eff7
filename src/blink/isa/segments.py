"""Segment registers, descriptors and privilege on numbers: the twin of engine/segment.c."""

from __future__ import annotations

from blink.isa.state import (
    ACCESS_WRITE,
    CS,
    DS,
    ES,
    FS,
    GP,
    GS,
    NP,
    SS,
    SS_FAULT,
    UD,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.isa.reference import GuestMemory, Reference

# Bits 40 to 55 of a descriptor
ACCESSED, RW, DOWN, CODE, MEMORY, PRESENT = 1, 2, 4, 8, 16, 0x80
BUSY = 2  # of a TSS
LONG, BIG, PAGES = 0x2000, 0x4000, 0x8000
PE, ET, TS = 1, 16, 8
LMA = 1 << 10
VM, NT = 1 << 17, 1 << 14
NONE = (1 << 64) - 1
# The system descriptors that LAR and LSL know, as bits by type
_LAR, _LSL, _LAR_LONG, _LSL_LONG = 0x1A3E, 0x0A0E, 0x1A04, 0x0A04
_LINUX_GDT = {
    4: 0x00CFFB000000FFFF, 5: 0x00CFF3000000FFFF, 6: 0x00AFFB000000FFFF, 15: 0x0040F50000000000,
}  # fmt: skip
_LINUX_GDT_LIMIT = 127


class GuestFault(Exception):
    """An exception of the guest: vector, error code, and the address for #PF."""

    def __init__(self, vector: int, error: int = 0, address: int = 0) -> None:
        super().__init__(f"vector {vector}, error {error:#x}, address {address:#x}")
        self.vector = vector
        self.error = error
        self.address = address


class Unimplemented(Exception):
    """No definition covers these bytes."""


class Descriptor:
    """What a segment register's hidden part holds; `at` is the descriptor's own address or 0."""

    def __init__(self, base: int = 0, limit: int = 0, rights: int = 0, at: int = 0) -> None:
        self.base, self.limit, self.rights, self.at = base, limit, rights, at

    @classmethod
    def unpack(cls, raw: int, at: int) -> Descriptor:
        rights = raw >> 40 & 0xF0FF
        limit = raw & 0xFFFF | raw >> 32 & 0xF0000
        if rights & PAGES:
            limit = limit << 12 | 0xFFF
        return cls(raw >> 16 & 0xFFFFFF | raw >> 32 & 0xFF000000, limit, rights, at)

    @property
    def dpl(self) -> int:
        return self.rights >> 5 & 3

    @property
    def conforming(self) -> bool:
        return self.rights & (MEMORY | CODE | DOWN) == MEMORY | CODE | DOWN


class Table:
    """GDTR, IDTR, LDTR or TR."""

    def __init__(self, base: int = 0, limit: int = 0, selector: int = 0, rights: int = 0) -> None:
        self.base, self.limit, self.selector, self.rights = base, limit, selector, rights


class Segments:
    """The part of a CPU's state that this module is about: a process under Linux at first."""

    eflags: int

    def __init__(self) -> None:
        flat = 0xFFFFFFFF
        self.seg = [0, 0x33, 0x2B, 0, 0, 0]
        self.seg_base = [0] * 6
        self.seg_limit = [0, flat, flat, 0, 0, 0]
        self.seg_rights = [0, 0xA0FB, 0xC0F3, 0, 0, 0]
        self.gdt, self.idt = Table(0xFFFFFFFFFFFE0000), Table(0xFFFFFFFFFFFF0000)
        self.ldt, self.tr = Table(), Table(0, 0, 0x40)
        self.cr0, self.efer = 0x80050033, LMA | 1
        self.control = {2: 0, 3: 0, 4: 0, 8: 0}
        self.dr = [0] * 8
        self.cpl = 3
        self.user = 1

    @property
    def fs_base(self) -> int:
        return self.seg_base[FS]

    @fs_base.setter
    def fs_base(self, value: int) -> None:
        self.seg_base[FS] = value

    @property
    def gs_base(self) -> int:
        return self.seg_base[GS]

    @gs_base.setter
    def gs_base(self, value: int) -> None:
        self.seg_base[GS] = value

    @property
    def mode(self) -> int:
        """16, 32 or 64."""
        if self.efer & LMA and self.seg_rights[CS] & LONG:
            return 64
        return 32 if self.seg_rights[CS] & BIG else 16

    @property
    def real(self) -> bool:
        """Real or virtual 8086 mode."""
        return not self.cr0 & PE or bool(self.eflags & VM)

    @property
    def rip_mask(self) -> int:
        return NONE if self.mode == 64 else 0xFFFFFFFF

    @property
    def stack_mask(self) -> int:
        """Of RSP, the bits that address the stack."""
        if self.mode == 64:
            return NONE
        return 0xFFFFFFFF if self.seg_rights[SS] & BIG else 0xFFFF

    @property
    def code_limit(self) -> int:
        return self.seg_limit[CS]

    @property
    def iopl(self) -> int:
        return self.eflags >> 12 & 3

    def set_segment(self, n: int, selector: int, d: Descriptor) -> None:
        """Load a segment register; no checks."""
        self.seg[n], self.seg_base[n], self.seg_limit[n] = selector, d.base, d.limit
        self.seg_rights[n] = d.rights | (ACCESSED if d.rights & PRESENT else 0)


def set_segment(s: Reference, n: int, selector: int, d: Descriptor) -> None:
    """Load a segment register, and mark its descriptor as accessed; no checks."""
    if d.at and not d.rights & ACCESSED:
        s.memory.store(d.at + 5, bytes([d.rights & 0xFF | ACCESSED]))
    s.cpu.set_segment(n, selector, d)


def address(cpu: Segments, n: int, offset: int, size: int, write: bool) -> int:
    """The linear address of `size` bytes in segment `n`; #GP or #SS.  No check for 0 bytes."""
    rights, kind = cpu.seg_rights[n], cpu.seg_rights[n] & (CODE | RW)
    allowed = kind == RW if write else kind != CODE
    if size and not (rights & PRESENT and allowed and _inside(cpu, n, offset, size)):
        raise GuestFault(SS_FAULT if n == SS else GP)
    return (cpu.seg_base[n] + offset) & 0xFFFFFFFF


def _inside(cpu: Segments, n: int, offset: int, size: int) -> bool:
    rights, limit, last = cpu.seg_rights[n], cpu.seg_limit[n], offset + size - 1
    if rights & (CODE | DOWN) != DOWN:
        return last <= limit
    return offset > limit and last <= (0xFFFFFFFF if rights & BIG else 0xFFFF)


def find(cpu: Segments, memory: GuestMemory, selector: int) -> Descriptor | None:
    """The descriptor, or None when the selector is null or beyond its table."""
    local = bool(selector & 4)
    table = cpu.ldt if local else cpu.gdt
    built_in = bool(cpu.user) and not local
    limit = _LINUX_GDT_LIMIT if built_in else table.limit
    if selector < 4 or selector | 7 > limit or (local and not table.rights & PRESENT):
        return None
    if built_in:
        return Descriptor.unpack(_LINUX_GDT.get(selector >> 3, 0), 0)
    at = table.base + (selector & ~7)
    return Descriptor.unpack(int.from_bytes(memory.load(at, 8), "little"), at)


def error_code(selector: int) -> int:
    """Of a fault that a selector causes."""
    return selector & 0xFFFC


def stack_segment(s: Reference, selector: int, cpl: int, wide: bool) -> Descriptor:
    """The descriptor of a stack segment of privilege `cpl`; faults if it is none."""
    if selector < 4:
        if not wide or cpl == 3 or selector & 3 != cpl:
            raise GuestFault(GP)
        return Descriptor()
    d = find(s.cpu, s.memory, selector)
    data = d is not None and d.rights & (MEMORY | CODE | RW) == MEMORY | RW
    if d is None or not data or selector & 3 != cpl or d.dpl != cpl:
        raise GuestFault(GP, error_code(selector))
    if not d.rights & PRESENT:
        raise GuestFault(SS_FAULT, error_code(selector))
    return d


def _data_segment(s: Reference, selector: int) -> Descriptor:
    if selector < 4:
        return Descriptor()
    d = find(s.cpu, s.memory, selector)
    if d is None:
        raise GuestFault(GP, error_code(selector))
    kind = d.rights & (MEMORY | CODE | RW)
    readable = kind & MEMORY and kind != MEMORY | CODE
    outside = not d.conforming and max(selector & 3, s.cpu.cpl) > d.dpl
    if not readable or outside:
        raise GuestFault(GP, error_code(selector))
    if not d.rights & PRESENT:
        raise GuestFault(NP, error_code(selector))
    return d


def load_segment(s: Reference, n: int, selector: int) -> None:
    """MOV and POP to a segment register, LDS and its like."""
    cpu = s.cpu
    if cpu.real:
        virtual = bool(cpu.eflags & VM)
        limit = 0xFFFF if virtual else cpu.seg_limit[n]
        d = Descriptor(selector * 16, limit, 0xF3 if virtual else cpu.seg_rights[n])
    elif n == SS:
        d = stack_segment(s, selector, cpu.cpl, cpu.mode == 64)
    else:
        d = _data_segment(s, selector)
    set_segment(s, n, selector, d)


def segment_address(s: Reference, n: int, offset: int, access: int) -> int:
    """`access`: bytes, and whether to write."""
    size = access & (ACCESS_WRITE - 1)
    return address(s.cpu, n, offset, size, bool(access & ACCESS_WRITE))


def operand_address(s: Reference, offset: int, access: int) -> int:
    """The same in the segment of the memory operand."""
    return s.operand_address(offset, access)


# -- LAR, LSL, VERR, VERW --


def _visible(s: Reference, selector: int, types: int) -> Descriptor | None:
    d = find(s.cpu, s.memory, selector)
    if d is None or (not d.rights & MEMORY and not types >> (d.rights & 15) & 1):
        return None
    return d if d.conforming or max(s.cpu.cpl, selector & 3) <= d.dpl else None


def access_rights(s: Reference, selector: int) -> int:
    """LAR's answer, all ones when there is none."""
    d = _visible(s, selector, _LAR_LONG if s.cpu.efer & LMA else _LAR)
    if d is None:
        return NONE
    limit = d.limit >> 12 if d.rights & PAGES else d.limit
    return d.rights << 8 | limit & 0xF0000


def segment_limit(s: Reference, selector: int) -> int:
    """LSL's answer, all ones when there is none."""
    d = _visible(s, selector, _LSL_LONG if s.cpu.efer & LMA else _LSL)
    return NONE if d is None else d.limit


def verify_segment(s: Reference, selector: int, write: int) -> int:
    """VERR and VERW."""
    d = _visible(s, selector, 0)
    if d is None:
        return 0
    kind = d.rights & (CODE | RW)
    return int(kind == RW if write else kind != CODE)


# -- privilege --


def require_protected(s: Reference) -> None:
    """#UD in real and virtual 8086 mode."""
    if s.cpu.real:
        raise GuestFault(UD)


def require_cpl0(s: Reference) -> None:
    """#GP(0) at another privilege."""
    if s.cpu.cpl:
        raise GuestFault(GP)


def require_io(s: Reference) -> None:
    """#GP(0) unless CPL is at most IOPL."""
    if s.cpu.cpl > s.cpu.iopl:
        raise GuestFault(GP)


def require_table(s: Reference) -> None:
    """LLDT and LTR."""
    require_protected(s)
    require_cpl0(s)


def require_vm_io(s: Reference) -> None:
    """#GP(0) in virtual 8086 mode without IOPL 3."""
    if s.cpu.eflags & VM and s.cpu.iopl < 3:
        raise GuestFault(GP)


def flags_writable(s: Reference) -> int:
    """What POPF and IRET may change."""
    mask = 0x8D5 | 1 << 8 | 1 << 10 | NT | 1 << 18 | 1 << 21
    if s.cpu.cpl == 0:
        mask |= 3 << 12
    return mask | 1 << 9 if s.cpu.cpl <= s.cpu.iopl else mask


def port_access(s: Reference) -> None:
    """The devices' matter."""
    require_io(s)
    raise Unimplemented("port I/O")


def cpu_unimplemented(s: Reference) -> None:
    """What run() reports as not implemented."""
    raise Unimplemented("needs privilege")


def interrupt_flag(s: Reference, on: int) -> None:
    """CLI and STI."""
    require_io(s)
    s.cpu.eflags = s.cpu.eflags & ~0x200 | on << 9


# -- control registers and tables --


def control_read(s: Reference, n: int) -> int:
    """MOV from a control register."""
    _control_exists(s, n)
    return s.cpu.cr0 if n == 0 else s.cpu.control[n]


def _control_exists(s: Reference, n: int) -> None:
    if n and n not in s.cpu.control:
        raise GuestFault(UD)
    require_cpl0(s)


def control_write(s: Reference, n: int, value: int) -> None:
    """MOV to a control register."""
    _control_exists(s, n)
    if n:
        s.cpu.control[n] = value
        return
    if value >> 31 & 1 and not value & PE:
        raise GuestFault(GP)
    s.cpu.cr0 = value | ET


def debug_read(s: Reference, n: int) -> int:
    """MOV from a debug register."""
    _debug_exists(s, n)
    return s.cpu.dr[n]


def _debug_exists(s: Reference, n: int) -> None:
    if n >= 8:
        raise GuestFault(UD)
    require_cpl0(s)


def debug_write(s: Reference, n: int, value: int) -> None:
    """MOV to a debug register."""
    _debug_exists(s, n)
    s.cpu.dr[n] = value


def machine_status_load(s: Reference, value: int) -> None:
    """LMSW never clears PE."""
    s.cpu.cr0 = s.cpu.cr0 & ~14 | value & 15


def task_switched_clear(s: Reference) -> None:
    """CLTS."""
    s.cpu.cr0 &= ~TS


def table_load(s: Reference, interrupts: int, limit: int, base: int) -> None:
    """LGDT and LIDT."""
    table = Table(base, limit)
    if interrupts:
        s.cpu.idt = table
    else:
        s.cpu.gdt = table


def system_segment_load(s: Reference, task: int, selector: int) -> None:
    """LLDT and LTR."""
    d: Descriptor | None = Descriptor()
    if selector >= 4 or task:
        d = find(s.cpu, s.memory, selector)
        kinds = (1, 9) if task else (2,)
        if d is None or selector & 4 or d.rights & 31 not in kinds:
            raise GuestFault(GP, error_code(selector))
        if not d.rights & PRESENT:
            raise GuestFault(NP, error_code(selector))
    assert d is not None
    table = Table(d.base, d.limit, selector, d.rights)
    if task:
        s.memory.store(d.at + 5, bytes([d.rights & 0xFF | BUSY]))
        s.cpu.tr = table
    else:
        s.cpu.ldt = table


_BODIES = (
    load_segment, segment_address, operand_address, access_rights, segment_limit, verify_segment,
    require_protected, require_cpl0, require_io, require_table, require_vm_io, flags_writable,
    port_access, cpu_unimplemented, interrupt_flag, control_read, control_write, debug_read,
    debug_write, machine_status_load, task_switched_clear, table_load, system_segment_load,
)  # fmt: skip
TWINS = {f.__name__: f for f in _BODIES}
DATA_SEGMENTS = (ES, DS, FS, GS)
