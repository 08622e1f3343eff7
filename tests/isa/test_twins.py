"""Every hand-written C body has a twin for the reference, and the twins do what bodies do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blink.codegen.trace import trace
from blink.isa import families, twins
from blink.isa.binding import Variant
from blink.isa.reference import CpuState, GuestFault, Reference, find_form, step
from blink.isa.spec import REGISTRY, Form

from .refcpu import decode

HALF = 1 << 63


def variants(form: Form, mode: int) -> Iterator[Variant]:
    rm = form.rm
    kinds = ((False, rm is None or rm.kind.reg), (True, rm is not None and rm.kind.mem))
    for size in form.sizes_in(mode):
        yield from (Variant(size, mem) for mem, there in kinds if there)


def called() -> set[str]:
    """The names that instructions give to s.call()."""
    families.load()
    forms = [form for insn in REGISTRY for form in insn.forms]
    traces = [trace(form, v) for form in forms if 64 in form.modes for v in variants(form, 64)]
    legacy = [form for form in forms if form.legacy]
    traces += [trace(form, v, 32) for form in legacy for v in variants(form, 32)]
    return {e.args[0] for t in traces for e in t.effects if e.op == "call"}


def test_every_body_has_a_twin() -> None:
    names = called()
    assert {"udiv128", "rep_movs8", "bit_string32", "x87_fld_m64", "fxsave_body"} <= names
    missing = [name for name in sorted(names) if not has_twin(name)]
    assert not missing


def has_twin(name: str) -> bool:
    try:
        return callable(twins.find(name))
    except KeyError:
        return False


def test_a_missing_twin_is_named() -> None:
    with pytest.raises(KeyError, match="no_such_body"):
        twins.find("no_such_body")


# --- Arithmetic --------------------------------------------------------------------------------

WORDS = st.integers(0, 2**64 - 1)


class NoMemory:
    def load(self, address: int, size: int) -> bytes:
        raise GuestFault(14, 0, address)

    def store(self, address: int, data: bytes) -> None:
        raise GuestFault(14, 2, address)

    def check_write(self, address: int, size: int) -> None:
        raise GuestFault(14, 2, address)


def reference(code: str = "90") -> Reference:
    insn = decode(bytes.fromhex(code) + bytes(15))
    return Reference(CpuState(), NoMemory(), insn, find_form(insn))


def call(name: str, *args: int) -> int:
    result = twins.find(name)(reference(), *args)
    assert result is not None
    return result


@given(WORDS, WORDS, WORDS)
def test_unsigned_division(high: int, low: int, divisor: int) -> None:
    divisor = divisor or 1
    quotient, remainder = (call(n, high, low, divisor) for n in ("udiv128", "urem128"))
    assert quotient * divisor + remainder == high << 64 | low
    assert 0 <= remainder < divisor


def signed(value: int, w: int) -> int:
    return value - (1 << w) if value >> (w - 1) else value


@given(WORDS, WORDS, WORDS)
def test_signed_division(high: int, low: int, divisor: int) -> None:
    divisor = divisor or 1
    arguments = (high, low, divisor)
    dividend, by = signed(high << 64 | low, 128), signed(divisor, 64)
    quotient, remainder = call("idiv128", *arguments), call("irem128", *arguments)
    assert quotient * by + remainder == dividend
    assert abs(remainder) < abs(by) and (remainder == 0 or (remainder < 0) == (dividend < 0))
    assert call("idiv128_overflows", *arguments) == (not -HALF <= quotient < HALF)


@pytest.mark.parametrize(
    ("high", "low", "divisor", "overflows"),
    [
        (2**64 - 1, HALF, 1, 0),
        (2**64 - 1, HALF, 2**64 - 1, 1),  # -2^63 / -1
        (0, HALF, 1, 1),
        (0, HALF, 2**64 - 1, 0),
        (2**64 - 1, HALF - 1, 1, 1),
    ],
)
def test_signed_overflow(high: int, low: int, divisor: int, overflows: int) -> None:
    assert call("idiv128_overflows", high, low, divisor) == overflows


# --- Instructions that hardware cannot judge ---------------------------------------------------


def run(code: str, **registers: int) -> CpuState:
    cpu = CpuState()
    for name, value in registers.items():
        cpu.gpr["rax rcx rdx rbx".split().index(name)] = value
    data = bytes.fromhex(code)
    step(cpu, NoMemory(), decode, data + bytes(15))
    assert cpu.rip == len(data)
    return cpu


def test_cpuid_gives_leaves_and_zeros() -> None:
    cpu = run("0f a2", rax=0)
    vendor = b"".join(cpu.gpr[n].to_bytes(4, "little") for n in (3, 2, 1))
    assert vendor == b"GenuineIntel"
    assert run("0f a2", rax=0x1234, rcx=5, rdx=7).gpr[:4] == [0, 0, 0, 0]
    assert run("0f a2", rax=4, rcx=0).gpr[0] != run("0f a2", rax=4, rcx=2).gpr[0]


def test_time_goes_on() -> None:
    stamps = [cpu.gpr[2] << 32 | cpu.gpr[0] for cpu in (run("0f 31"), run("0f 31"))]
    assert 0 < stamps[0] < stamps[1]
    assert run("0f 01 f9", rcx=7).gpr[1] == 0


def test_xgetbv() -> None:
    assert run("0f 01 d0", rax=9, rdx=9).gpr[0] == 7
    assert run("0f 01 d0", rcx=1).gpr[0] == 0  # nothing is in use
    with pytest.raises(GuestFault) as fault:
        run("0f 01 d0", rcx=2)
    assert fault.value.vector == 13


@pytest.mark.parametrize(
    ("register", "selector", "vector"),
    [
        (0, 0, None), (0, 3, None), (0, 0x2B, None), (0, 0x33, None), (0, 0x10, 13),
        (2, 0x2B, None), (2, 0, 13), (2, 0x33, 13), (1, 0x2B, 6), (6, 0, 6),
    ],
)  # fmt: skip
def test_segment_registers(register: int, selector: int, vector: int | None) -> None:
    code = f"8e {0xC0 | register << 3:02x}"
    if vector is None:
        assert run(code, rax=selector).seg[register] == selector
        return
    with pytest.raises(GuestFault) as fault:
        run(code, rax=selector)
    assert fault.value.vector == vector
    assert fault.value.error == (selector & 0xFFFC if vector == 13 else 0)


def test_a_new_selector_clears_the_base() -> None:
    cpu = CpuState()
    cpu.fs_base = cpu.gs_base = 5
    step(cpu, NoMemory(), decode, bytes.fromhex("8ee0") + bytes(15))
    assert (cpu.fs_base, cpu.gs_base) == (0, 5)


def test_fences_and_control_words() -> None:
    run("0f ae f0")
    cpu = CpuState()
    cpu.mxcsr = 0x1234
    assert twins.find("mxcsr_store")(Reference(cpu, NoMemory(), *nop())) == 0x1234
    twins.find("mxcsr_load")(Reference(cpu, NoMemory(), *nop()), 0x1F80)
    assert cpu.mxcsr == 0x1F80


def nop() -> tuple[dict[str, int], Form]:
    insn = decode(b"\x90" + bytes(15))
    return insn, find_form(insn)
