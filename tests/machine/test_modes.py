"""Real mode, and the ways into and out of protected mode, by cases worked out by hand.

The SDM's rules (volume 3, chapter 20; volume 2, INT, IRET, LGDT, MOV to CR0), on the engine in both
kinds of memory and on the Python semantics.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from blink import _engine
from blink.isa.reference import CpuState, GuestFault, Unimplemented, step
from blink.isa.segments import PE, Descriptor, Table

READ, WRITE, EXECUTE = 1, 2, 4
PRIVATE_ANONYMOUS = 0x22
BASE, SIZE = 0x10000, 0x20000  # pages below 64 KiB cannot be mapped
NAMES = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
IVT, STACK = 0x11000, 0x1800  # CS = DS = SS = 0x1000 in real mode


class Machine(Protocol):
    """What a case needs of a CPU."""

    def write(self, address: int, data: bytes) -> None: ...
    def read(self, address: int, size: int) -> bytes: ...
    def set(self, **values: int) -> None: ...
    def get(self, name: str) -> int: ...
    def start(self, segment: int) -> None: ...
    def run(self, instructions: int) -> tuple[int, int] | None: ...


class Engine:
    """The interpreter."""

    def __init__(self, paged: bool) -> None:
        self.memory = _engine.Memory(paged)
        self.memory.map(BASE, SIZE, READ | WRITE | EXECUTE, PRIVATE_ANONYMOUS)
        self.cpu = _engine.Cpu(self.memory)

    def write(self, address: int, data: bytes) -> None:
        self.memory.write(address, data)

    def read(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)

    def start(self, segment: int) -> None:
        """Real mode with all segments at `segment`, and the vector table within reach."""
        self.cpu.set_mode(16)
        for name in SEGMENTS:
            self.cpu.set_segment(name, segment, segment * 16, 0xFFFF, 0x93)
        self.cpu.set_segment("idt", 0, IVT, 0x3FF, 0)

    def set(self, **values: int) -> None:
        for name, value in values.items():
            self.cpu.set(_whole(name), value)

    def get(self, name: str) -> int:
        if name == "mode":
            return self.cpu.mode
        if name in ("gdt", "idt", "ldt", "tr"):
            return self.cpu.segment(name)[1]
        return self.cpu.get(_whole(name))

    def run(self, instructions: int) -> tuple[int, int] | None:
        """None, or the exception: vector and error code."""
        stop = self.cpu.run(instructions)
        if stop == _engine.STOP_FAULT:
            return self.cpu.stop_vector, self.cpu.stop_error
        assert stop in (_engine.STOP_BUDGET, _engine.STOP_HALT), stop
        return None


def _whole(name: str) -> str:
    return "r" + name if name in NAMES else {"ip": "rip", "flags": "eflags"}.get(name, name)


class Semantics:
    """The definitions, run on numbers."""

    def __init__(self) -> None:
        self.bytes = bytearray(SIZE)
        self.cpu = CpuState()

    def load(self, address: int, size: int) -> bytes:
        if not BASE <= address <= BASE + SIZE - size:
            raise GuestFault(14, 4, address)
        return bytes(self.bytes[address - BASE :][:size])

    def store(self, address: int, data: bytes) -> None:
        self.load(address, len(data))
        self.bytes[address - BASE : address - BASE + len(data)] = data

    def check_write(self, address: int, size: int) -> None:
        self.load(address, size)

    write, read = store, load

    def start(self, segment: int) -> None:
        cpu = self.cpu
        cpu.cr0, cpu.efer, cpu.user, cpu.cpl = 16, 0, 0, 0
        for n in range(6):
            cpu.set_segment(n, segment, Descriptor(segment * 16, 0xFFFF, 0x93))
        cpu.gdt, cpu.idt, cpu.ldt, cpu.tr = Table(0, 0xFFFF), Table(IVT, 0x3FF), Table(), Table()

    def set(self, **values: int) -> None:
        for name, value in values.items():
            if name in NAMES:
                self.cpu.gpr[NAMES.index(name)] = value
            else:
                setattr(self.cpu, _whole(name), value)

    def get(self, name: str) -> int:
        cpu = self.cpu
        if name in NAMES:
            return cpu.gpr[NAMES.index(name)]
        if name in SEGMENTS:
            return cpu.seg[SEGMENTS.index(name)]
        if name in ("gdt", "idt", "ldt", "tr"):
            table: Table = getattr(cpu, name)
            return table.base
        value: int = getattr(cpu, _whole(name))
        return value

    def run(self, instructions: int) -> tuple[int, int] | None:
        cpu = self.cpu
        for _ in range(instructions):
            if cpu.stop:
                break
            try:
                at = cpu.rip + (0 if cpu.mode == 64 else cpu.seg_base[1])
                step(cpu, self, _engine.decode, self.load(at, 16))
            except GuestFault as fault:
                return fault.vector, fault.error
        return None


@pytest.fixture(params=["linear", "paged", "semantics"])
def machine(request: pytest.FixtureRequest) -> Machine:
    """Each CPU, in real mode, with all segments at 0x10000 and SP = 0x1800."""
    paged = request.param == "paged"
    made: Machine = Semantics() if request.param == "semantics" else Engine(paged)
    made.start(0x1000)
    made.set(sp=STACK, ip=0, flags=2)
    return made


def at(machine: Machine, code: str, **values: int) -> None:
    """Put code at CS:0 and set registers."""
    machine.write(BASE, bytes.fromhex(code))
    machine.set(**values)


def word(machine: Machine, address: int) -> int:
    return int.from_bytes(machine.read(address, 2), "little")


def test_a_reset_is_real_mode() -> None:
    cpu = _engine.Cpu(_engine.Memory(True))
    assert cpu.mode == 64 and cpu.get("cpl") == 3
    cpu.set_mode(16)
    assert (cpu.mode, cpu.get("cpl"), cpu.get("cr0") & PE) == (16, 0, 0)
    assert cpu.segment("ds") == (0, 0, 0xFFFF, 0x93)
    cpu.set_mode(32)
    assert (cpu.mode, cpu.get("cs"), cpu.get("ds")) == (32, 0x23, 0x2B)
    cpu.set_mode(64)
    assert (cpu.mode, cpu.get("cs"), cpu.get("ss")) == (64, 0x33, 0x2B)
    with pytest.raises(ValueError, match="mode"):
        cpu.set_mode(8)
    with pytest.raises(KeyError, match="xs"):
        cpu.segment("xs")


def test_selectors_are_addresses(machine: Machine) -> None:
    """mov ds, ax; mov bl, [si+2]: 0x1234 * 16 + 0x0102."""
    at(machine, "8e d8 8a 5c 02", ax=0x1234, si=0x100)
    machine.write(0x12340 + 0x102, b"\x5a")
    assert machine.run(2) is None
    assert machine.get("bx") & 0xFF == 0x5A and machine.get("ds") == 0x1234


def test_offsets_wrap_at_64_kib(machine: Machine) -> None:
    """mov al, [bx+si]: 0xFFF0 + 0x0020 = 0x0010."""
    at(machine, "8a 00", bx=0xFFF0, si=0x20)
    machine.write(BASE + 0x10, b"\x77")
    assert machine.run(1) is None and machine.get("ax") & 0xFF == 0x77


@pytest.mark.parametrize(
    ("code", "vector"),
    [("8b 07", 13), ("8b 46 00", 12), ("67 8a 03", 13)],
    ids=["word at FFFF", "word at BP = FFFF", "32-bit offset"],
)
def test_beyond_the_limit(machine: Machine, code: str, vector: int) -> None:
    at(machine, code, bx=0xFFFF if code != "67 8a 03" else 0x10000, bp=0xFFFF)
    assert machine.run(1) == (vector, 0)
    assert machine.get("ip") == 0


def test_far_call_and_return(machine: Machine) -> None:
    """call 0x1200:0x0034, there retf 2."""
    at(machine, "9a 34 00 00 12")
    machine.write(0x12034, bytes.fromhex("ca 02 00"))
    assert machine.run(1) is None
    assert (machine.get("cs"), machine.get("ip"), machine.get("sp")) == (0x1200, 0x34, STACK - 4)
    assert word(machine, BASE + STACK - 2) == 0x1000 and word(machine, BASE + STACK - 4) == 5
    assert machine.run(1) is None
    assert (machine.get("cs"), machine.get("ip"), machine.get("sp")) == (0x1000, 5, STACK + 2)


def test_the_same_code_in_two_segments(machine: Machine) -> None:
    """Code at one address, reached as 1000:0020 and as 1002:0000, pushes what IP is there."""
    at(machine, "ea 20 00 00 10")  # jmp 1000:0020
    machine.write(BASE + 0x20, bytes.fromhex("e8 00 00 ea 00 00 02 10"))  # call +0; jmp 1002:0
    assert machine.run(2) is None
    assert word(machine, BASE + STACK - 2) == 0x23
    assert machine.run(2) is None
    assert (machine.get("cs"), word(machine, BASE + STACK - 4)) == (0x1002, 3)


def test_far_jump_through_memory(machine: Machine) -> None:
    at(machine, "ff 2e 00 05")  # jmp far [0x500]
    machine.write(BASE + 0x500, bytes.fromhex("78 56 20 11"))
    assert machine.run(1) is None
    assert (machine.get("cs"), machine.get("ip")) == (0x1120, 0x5678)


def test_interrupt_and_return(machine: Machine) -> None:
    """INT 21h through the table; the handler sees IF clear, and IRET restores it."""
    at(machine, "cd 21 90", flags=0x203)
    machine.write(IVT + 4 * 0x21, bytes.fromhex("40 00 80 11"))
    machine.write(0x11840, bytes.fromhex("cf"))
    assert machine.run(1) is None
    assert (machine.get("cs"), machine.get("ip"), machine.get("sp")) == (0x1180, 0x40, STACK - 6)
    assert not machine.get("flags") & 0x200
    top = BASE + STACK - 6
    assert [word(machine, top + n) for n in (0, 2, 4)] == [2, 0x1000, 0x203]
    assert machine.run(1) is None
    assert (machine.get("cs"), machine.get("ip"), machine.get("sp")) == (0x1000, 2, STACK)
    assert machine.get("flags") & 0x201 == 0x201


@pytest.mark.parametrize(("flags", "taken"), [(0x802, True), (2, False)])
def test_into(machine: Machine, flags: int, taken: bool) -> None:
    at(machine, "ce", flags=flags)
    machine.write(IVT + 4 * 4, bytes.fromhex("10 00 00 12"))
    assert machine.run(1) is None
    assert machine.get("cs") == (0x1200 if taken else 0x1000)
    assert machine.get("ip") == (0x10 if taken else 1)


def test_a_vector_beyond_the_table(machine: Machine) -> None:
    at(machine, "0f 01 1e 00 05 cd 21")  # lidt [0x500]; int 21h
    machine.write(BASE + 0x500, (0x7F).to_bytes(2, "little") + IVT.to_bytes(4, "little"))
    assert machine.run(2) == (13, 0x21 * 8 + 2)
    assert machine.get("idt") == IVT


def test_protected_instructions_are_undefined(machine: Machine) -> None:
    for code in ("0f 02 c1", "0f 00 c8", "63 c1", "c5 f8 57 c0"):  # lar, str, arpl, vxorps
        at(machine, code, ip=0)
        assert machine.run(1) == (6, 0)


def test_flags_of_privileged_code(machine: Machine) -> None:
    """CLI, STI and POPF with IOPL: all is allowed in real mode."""
    at(machine, "fb 9c 58 fa 68 00 30 9d", flags=2)
    assert machine.run(1) is None and machine.get("flags") & 0x200
    assert machine.run(2) is None and machine.get("ax") & 0xFFFF == 0x202
    assert machine.run(1) is None and not machine.get("flags") & 0x200
    assert machine.run(2) is None and machine.get("flags") & 0x3000 == 0x3000


def test_pusha_wraps_in_the_segment(machine: Machine) -> None:
    at(machine, "60", sp=6, ax=1, cx=2, dx=3, bx=4, bp=5, si=6, di=7)
    assert machine.run(1) is None
    assert machine.get("sp") & 0xFFFF == 0xFFF6
    assert word(machine, BASE + 4) == 1 and word(machine, BASE + 0xFFF6) == 7
    assert word(machine, BASE + 0xFFFE) == 4 and word(machine, BASE + 0xFFFC) == 6  # SP as it was


def test_strings_use_their_segments(machine: Machine) -> None:
    """rep movsw, from DS:SI to ES:DI, both wrapping at 64 KiB."""
    at(machine, "8e c0 f3 a5", ax=0x1800, si=0xFFFC, di=0x10, cx=4)
    machine.write(BASE + 0xFFFC, bytes.fromhex("11 22 33 44"))
    code = bytes.fromhex("8ec0f3a5")
    for _ in range(6):
        if machine.get("ip") != 4:
            assert machine.run(1) is None
    assert machine.read(0x18010, 8) == bytes.fromhex("11 22 33 44") + code
    assert (machine.get("si"), machine.get("cx")) == (4, 0)


GDT = 0x13000
DESCRIPTORS = (
    0,
    0x00CF9B000000FFFF,  # 08: flat 32-bit code
    0x00CF93000000FFFF,  # 10: flat data
    0x00009B010000FFFF,  # 18: 16-bit code at 0x10000
    0x000093010000FFFF,  # 20: 16-bit data at 0x10000
    0x00CFFB000000FFFF,  # 28: flat 32-bit code for CPL 3
    0x00CFF3000000FFFF,  # 30: flat data for CPL 3
    0x0000820140000017,  # 38: an LDT at 0x14000
    0x0000890150000067,  # 40: a TSS
    0x00CF1B000000FFFF,  # 48: code that is not present
)
ENTER = "0f 01 16 00 05 0f 20 c0 0c 01 0f 22 c0 66 ea"  # lgdt [500h]; CR0.PE; jmp far dword


def enter_protected(machine: Machine, code: str, selector: int = 8) -> int:
    """Switch by the usual sequence; the address of `code`, which is run next."""
    head = bytes.fromhex(ENTER) + (BASE + 0x100).to_bytes(4, "little")
    at(machine, (head + selector.to_bytes(2, "little")).hex())
    table = b"".join(d.to_bytes(8, "little") for d in DESCRIPTORS)
    machine.write(GDT, table)
    machine.write(BASE + 0x500, (len(table) - 1).to_bytes(2, "little") + GDT.to_bytes(4, "little"))
    machine.write(BASE + 0x100, bytes.fromhex(code))
    assert machine.run(4) is None
    assert machine.get("cr0") & 1 and machine.get("mode") == 16
    return BASE + 0x100


def test_into_protected_mode(machine: Machine) -> None:
    """After the far jump: 32-bit code, flat data segments, a stack of 32 bits."""
    start = enter_protected(machine, "66 b8 10 00 8e d8 8e d0 bc 00 18 01 00 68 78 56 34 12")
    assert machine.run(1) is None
    assert (machine.get("mode"), machine.get("cs"), machine.get("ip")) == (32, 8, start)
    assert machine.run(5) is None
    assert machine.read(0x117FC, 4) == bytes.fromhex("78563412")
    assert (machine.get("ds"), machine.get("sp")) == (0x10, 0x117FC)
    assert machine.read(GDT + 8 + 5, 1) == b"\x9b"


@pytest.mark.parametrize(
    ("selector", "fault"),
    [(0, (13, 0)), (0x10, (13, 0x10)), (0x48, (11, 0x48)), (0x2B, (13, 0x28)), (0x50, (13, 0x50))],
    ids=["null", "data", "not present", "of CPL 3", "beyond the table"],
)
def test_bad_code_segments(machine: Machine, selector: int, fault: tuple[int, int]) -> None:
    enter_protected(machine, "90", selector)
    assert machine.run(1) == fault
    assert machine.get("cs") == 0x1000


def test_back_to_real_mode(machine: Machine) -> None:
    """jmp 18:0200, there CR0.PE = 0, jmp 1000:0300."""
    enter_protected(machine, "ea 00 02 00 00 18 00")
    machine.write(BASE + 0x200, bytes.fromhex("0f 20 c0 24 fe 0f 22 c0 ea 00 03 00 10"))
    assert machine.run(2) is None
    assert (machine.get("mode"), machine.get("cs"), machine.get("ip")) == (16, 0x18, 0x200)
    assert machine.run(4) is None
    assert (machine.get("cr0") & 1, machine.get("cs"), machine.get("ip")) == (0, 0x1000, 0x300)


def test_to_user_mode_by_iret(machine: Machine) -> None:
    """IRETD to CPL 3: the stack is switched, kernel data segments become null, CLI faults."""
    enter_protected(machine, "66 b8 10 00 8e d8 8e d0 bc 00 18 01 00 cf")
    frame = (BASE + 0x180, 0x2B, 0x202, 0x11F00, 0x33)
    machine.write(0x11800, b"".join(v.to_bytes(4, "little") for v in frame))
    machine.write(BASE + 0x180, bytes.fromhex("fa"))
    assert machine.run(6) is None
    assert (machine.get("cs"), machine.get("ss"), machine.get("ds")) == (0x2B, 0x33, 0)
    assert (machine.get("cpl"), machine.get("sp"), machine.get("ip")) == (3, 0x11F00, BASE + 0x180)
    assert machine.run(1) == (13, 0)


def test_system_segments(machine: Machine) -> None:
    """lldt, ltr; the TSS becomes busy, a second LTR faults."""
    enter_protected(machine, "66 b8 38 00 0f 00 d0 66 b8 40 00 0f 00 d8 0f 00 d8")
    assert machine.run(5) is None
    assert (machine.get("ldt"), machine.get("tr")) == (0x14000, 0x15000)
    assert machine.read(GDT + 0x40 + 5, 1) == b"\x8b"
    assert machine.run(1) == (13, 0x40)


def test_loads_check_the_descriptor(machine: Machine) -> None:
    """Execute-only code and system segments cannot be data; VERR and LSL tell without a fault."""
    enter_protected(machine, "66 b8 38 00 0f 00 e0 0f 03 d8 8e d8")
    assert machine.run(3) is None and not machine.get("flags") & 0x40  # verr: no memory segment
    assert machine.run(1) is None
    assert machine.get("flags") & 0x40 and machine.get("bx") == 0x17  # lsl: the LDT's limit
    assert machine.run(1) == (13, 0x38)


def test_gates_are_said_to_be_missing() -> None:
    """A far jump to a TSS would switch tasks: run() says that this is not implemented."""
    for make in (lambda: Engine(True), Semantics):
        machine: Machine = make()  # type: ignore[operator]
        machine.start(0x1000)
        machine.set(sp=STACK, ip=0, flags=2)
        enter_protected(machine, "ea 00 00 00 00 40 00")
        assert machine.run(1) is None
        if isinstance(machine, Engine):
            assert machine.cpu.run(1) == _engine.STOP_UNIMPLEMENTED
        else:
            with pytest.raises(Unimplemented):
                machine.run(1)


@pytest.mark.parametrize("mode", [16, 32])
def test_ports_and_halt_return(mode: int) -> None:
    """IN: before it, for the devices; HLT: behind it."""
    engine = Engine(paged=False)
    engine.start(0x1000)
    engine.write(BASE, bytes.fromhex("f4 e4 60"))
    engine.set(ip=0)
    assert engine.cpu.run(None) == _engine.STOP_HALT and engine.cpu.rip == 1
    assert engine.cpu.run(None) == _engine.STOP_PORT and engine.cpu.rip == 1


def test_state_is_saved_with_segments() -> None:
    engine = Engine(paged=True)
    engine.start(0x1200)
    saved = engine.cpu.state()
    engine.cpu.reset()
    assert engine.cpu.mode == 64
    engine.cpu.load(saved)
    assert engine.cpu.mode == 16 and engine.cpu.segment("ds") == (0x1200, 0x12000, 0xFFFF, 0x93)
