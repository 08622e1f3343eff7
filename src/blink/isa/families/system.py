"""System instructions that user programs run: CPUID, time stamps, fences."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import RAX, RCX, RDX, State


@insn("CPUID", Form("0F A2"))
def cpuid(s: State) -> None:
    """Reports what the spec implements: see engine/cpu_model.c."""
    s.call("cpuid_body")


@insn("RDTSC", Form("0F 31"), feature="TSC")
def rdtsc(s: State) -> None:
    ticks = s.call("read_tsc", w=64)
    s.set_gpr(RAX, ticks.zext(32))
    s.set_gpr(RDX, (ticks >> 32).zext(32))


@insn("RDTSCP", Form("0F 01 F9"), feature="RDTSCP")
def rdtscp(s: State) -> None:
    """TSC_AUX as Linux sets it: processor number and node."""
    ticks = s.call("read_tsc", w=64)
    s.set_gpr(RAX, ticks.zext(32))
    s.set_gpr(RDX, (ticks >> 32).zext(32))
    s.set_gpr(RCX, s.call("read_tsc_aux", w=32))


@insn("RDPID", Form("F3 0F C7 /7", "R64:w", modes=(64,)), feature="RDPID")
def rdpid(s: State, dst: Bits) -> Bits:
    """What RDTSCP puts into ECX."""
    return s.call("read_tsc_aux", w=32).zext(64)


@insn("LFENCE", Form("NP 0F AE E8+i"), feature="SSE2")
@insn("MFENCE", Form("NP 0F AE F0+i"), feature="SSE2")
@insn("SFENCE", Form("NP 0F AE F8+i"), feature="SSE")
def fence(s: State) -> None:
    s.call("memory_fence")


@insn("FXSAVE", Form("W0 NP 0F AE /0", "a4096:w"), feature="FXSR")
def fxsave(s: State, address: Bits) -> None:
    s.fault_if((address & 15) != 0, 13)
    s.call("fxsave_body", address, 0)


@insn("FXSAVE64", Form("REX.W NP 0F AE /0", "mem"), feature="FXSR")
def fxsave64(s: State, address: Bits) -> None:
    s.fault_if((address & 15) != 0, 13)
    s.call("fxsave_body", address, 1)


@insn("FXRSTOR", Form("W0 NP 0F AE /1", "a4096"), feature="FXSR")
def fxrstor(s: State, address: Bits) -> None:
    s.fault_if((address & 15) != 0, 13)
    s.call("fxrstor_body", address, 0)


@insn("FXRSTOR64", Form("REX.W NP 0F AE /1", "mem"), feature="FXSR")
def fxrstor64(s: State, address: Bits) -> None:
    s.fault_if((address & 15) != 0, 13)
    s.call("fxrstor_body", address, 1)


@insn("LDMXCSR", Form("NP 0F AE /2", "m32"), feature="SSE")
def ldmxcsr(s: State, value: Bits) -> None:
    """#GP when a reserved bit is set."""
    s.fault_if((value & 0xFFFF0000) != 0, 13)
    s.call("mxcsr_load", value)


@insn("STMXCSR", Form("NP 0F AE /3", "m32:w"), feature="SSE")
def stmxcsr(s: State, dst: Bits) -> Bits:
    return s.call("mxcsr_store", w=32)
