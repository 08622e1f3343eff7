"""The oracle itself, on results that are known by hand."""

from __future__ import annotations

import pytest

from .asm import assemble, disassemble
from .cpustate import (
    CODE_BASE,
    CODE_SIZE,
    FX_DEFAULT,
    HIGH_BASE,
    HIGH_RW_SIZE,
    LOW_BASE,
    NO_FAULT,
    VECTORS,
    Case,
    Outcome,
    set_xmm,
)
from .hostcpu import HostCpu


def run(host: HostCpu, text: str, **regs: int) -> Outcome:
    return host.run([Case(assemble(text)).with_regs(**regs)])[0]


def test_registers_and_flags(host: HostCpu) -> None:
    after = run(host, "sub rax, rbx", rax=1, rbx=2)
    assert (after.vector, after.reg("rax"), after.flags & 0xFF) == (NO_FAULT, 2**64 - 1, 0x97)
    assert after.rip == CODE_BASE + 3


@pytest.mark.parametrize("name", ["rsp", "rbp", "r15"])
def test_every_register_is_the_guests(host: HostCpu, name: str) -> None:
    assert run(host, f"inc {name}", **{name: 0x1234}).reg(name) == 0x1235


def test_push_and_flags_without_our_trap_flag(host: HostCpu) -> None:
    after = run(host, "pushf", rsp=HIGH_BASE + 0x100)
    assert after.reg("rsp") == HIGH_BASE + 0xF8
    assert (after.dirty_off, after.dirty) == (0xF8, b"\x02\x02")
    assert after.flags & 0x100 == 0


def test_patched_memory_is_read_and_forgotten(host: HostCpu) -> None:
    code = assemble("mov eax, [rbx]")
    with_patch = Case(code, memory=((LOW_BASE, b"\x11\x22\x33\x44"),)).with_regs(rbx=LOW_BASE)
    first, second = host.run([with_patch, with_patch._replace(memory=())])
    assert (first.reg("rax"), second.reg("rax")) == (0x44332211, 0)
    assert first.dirty == b""


def test_stores_do_not_reach_the_next_case(host: HostCpu) -> None:
    store = Case(assemble("mov [rbx], rbx")).with_regs(rbx=HIGH_BASE)
    load = Case(assemble("mov rax, [rbx]")).with_regs(rbx=HIGH_BASE)
    first, second = host.run([store, load])
    assert first.dirty and second.reg("rax") == 0


@pytest.mark.parametrize(
    ("text", "address", "vector", "error"),
    [
        ("mov eax, [rbx]", 0x1000, "pf", 0),
        ("mov [rbx], eax", HIGH_BASE + HIGH_RW_SIZE, "pf", 2),
        ("movaps xmm0, [rbx]", HIGH_BASE + 8, "gp", 0),
        ("mov eax, [rbx]", 1 << 63, "gp", 0),
        ("ud2", 0, "ud", 0),
        ("div ebx", 0, "de", 0),
        ("hlt", 0, "gp", 0),
    ],
)
def test_faults(host: HostCpu, text: str, address: int, vector: str, error: int) -> None:
    after = run(host, text, rbx=address)
    assert (after.vector, after.error & 2, after.rip) == (VECTORS[vector], error, CODE_BASE)
    assert after.addr == (address if vector == "pf" else 0)


def test_int3_stops_behind_itself(host: HostCpu) -> None:
    after = run(host, "int3")
    assert (after.vector, after.rip) == (VECTORS["bp"], CODE_BASE + 1)


@pytest.mark.parametrize(
    ("text", "regs", "target"),
    [
        ("jmp rax", {"rax": 0x1234_5678_9ABC}, 0x1234_5678_9ABC),
        ("jmp .", {}, CODE_BASE),
        ("jz .+64", {}, CODE_BASE + 2),
        ("loop .-14", {"rcx": 2}, CODE_BASE - 14),
    ],
)
def test_jumps_report_their_target(
    host: HostCpu, text: str, regs: dict[str, int], target: int
) -> None:
    assert run(host, text, **regs).rip == target


def test_repeated_strings_run_to_their_end(host: HostCpu) -> None:
    after = run(host, "rep stosb", rcx=100, rdi=HIGH_BASE + 0xFC0, rax=0x41)
    assert (after.reg("rcx"), after.dirty) == (0, b"A" * 100)


def test_repeated_string_stops_precisely_at_a_fault(host: HostCpu) -> None:
    after = run(host, "rep stosd", rcx=9, rdi=HIGH_BASE + HIGH_RW_SIZE - 16, rax=0x41414141)
    assert (after.vector, after.reg("rcx"), len(after.dirty)) == (VECTORS["pf"], 5, 16)


def test_vector_state_and_mxcsr(host: HostCpu) -> None:
    fx = set_xmm(FX_DEFAULT, {1: 0x3F800000, 2: 0x40400000})
    after = host.run([Case(assemble("divss xmm1, xmm2"), fx=fx)])[0]
    assert (after.xmm(1), after.xmm(2), after.mxcsr) == (0x3EAAAAAB, 0x40400000, 0x1FA0)


def test_upper_halves(host: HostCpu) -> None:
    if not host.has_ymm:
        pytest.skip("no AVX")
    ymmh = bytes(range(16)) + bytes(240)
    case = Case(assemble("vpaddb ymm1, ymm0, ymm0"), ymmh=ymmh)
    assert host.run([case])[0].ymmh[16:32] == bytes(2 * i for i in range(16))
    zeroed = host.run([case._replace(code=assemble("vzeroupper"))])[0]
    assert zeroed.ymmh == bytes(256)


def test_x87(host: HostCpu) -> None:
    after = host.run([Case(assemble("fld1"))])[0]
    assert after.fx[32:42] == bytes.fromhex("0000000000000080ff3f")
    assert after.fx[2:5] == bytes.fromhex("003880")


def test_segment_bases(host: HostCpu) -> None:
    if not host.has_bases:
        pytest.skip("no FSGSBASE")
    code = assemble("mov eax, fs:[rbx]")
    case = Case(code, fs_base=LOW_BASE, memory=((LOW_BASE + 8, b"\x07"),)).with_regs(rbx=8)
    assert host.run([case])[0].reg("rax") == 7
    assert host.run([Case(assemble("wrgsbase rax")).with_regs(rax=99)])[0].gs_base == 99


def test_nothing_sticks_from_case_to_case(host: HostCpu) -> None:
    """Flags that rt_sigreturn does not restore, bases, MXCSR, upper halves."""
    spoil = [
        Case(assemble("popf"), memory=((HIGH_BASE, b"\xff\x5f\x24"),)).with_regs(rsp=HIGH_BASE),
        Case(assemble("std")),
        Case(assemble("fninit")),
    ]
    clean = Case(assemble("pushf")).with_regs(rsp=HIGH_BASE + 8)
    for case in spoil:
        assert host.run([case, clean])[1] == host.run([clean])[0]


def test_many_batches_give_the_same(host: HostCpu) -> None:
    code = assemble("imul rax, rbx")
    cases = [Case(code).with_regs(rax=i, rbx=2**63 + i) for i in range(2500)]
    got = [o.reg("rax") for o in host.run(cases)]
    assert got == [i * (2**63 + i) % 2**64 for i in range(2500)]


@pytest.mark.parametrize(
    "case",
    [
        Case(b""),
        Case(b"\x90" * 17),
        Case(b"\x90", rip=CODE_BASE - 1),
        Case(b"\x90\x90", rip=CODE_BASE + CODE_SIZE - 1),
        Case(b"\x90", memory=((0x1000, b"a"),)),
    ],
)
def test_impossible_cases_are_refused(host: HostCpu, case: Case) -> None:
    with pytest.raises(ValueError):
        host.run([case])


def test_assembler_and_disassembler() -> None:
    assert assemble("xor eax, eax") == b"\x31\xc0"
    assert disassemble([b"\x31\xc0", b"\x0f\xff\xc0"])[0] == "xor eax,eax"
    with pytest.raises(ValueError):
        assemble("frobnicate eax")
