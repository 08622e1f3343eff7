"""Extended state: XSAVE, XRSTOR and their kin, XGETBV, XSETBV (SDM volume 1, chapter 13)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import GP, RAX, RCX, RDX, State

XSAVE, XSAVEOPT, XSAVEC = range(3)  # XsaveKind of engine/xsave.h


@insn("XGETBV", Form("NP 0F 01 D0"), feature="XSAVE")
def xgetbv(s: State) -> None:
    """XCR0, or with ECX = 1 those of its components that are in use; #GP for other indices."""
    value = s.call("xgetbv", s.gpr(RCX, 32), w=64)
    s.set_gpr(RAX, value.zext(32))
    s.set_gpr(RDX, (value >> 32).zext(32))


@insn("XSETBV", Form("NP 0F 01 D1"), feature="XSAVE")
def xsetbv(s: State) -> None:
    """Privileged."""
    s.fault(GP)


def _mask(s: State) -> Bits:
    """EDX:EAX."""
    return s.gpr(RDX, 32).zext(64) << 32 | s.gpr(RAX, 32).zext(64)


def save(name: str, encoding: str, kind: int) -> None:
    """Define one of the instructions that save, in its two forms."""

    def define(name: str, form: Form, wide: int) -> None:
        def body(s: State, address: Bits) -> None:
            s.fault_if((address & 63) != 0, GP)
            s.call("xsave_body", address, _mask(s), kind, wide)

        insn(name, form, feature=feature)(body)

    feature = name
    define(name, Form(f"W0 NP {encoding}", "mem"), 0)
    define(f"{name}64", Form(f"REX.W NP {encoding}", "mem"), 1)


save("XSAVE", "0F AE /4", XSAVE)
save("XSAVEOPT", "0F AE /6", XSAVEOPT)
save("XSAVEC", "0F C7 /4", XSAVEC)


def _restore(s: State, address: Bits, wide: int) -> None:
    s.fault_if((address & 63) != 0, GP)
    s.call("xrstor_body", address, _mask(s), wide)


@insn("XRSTOR", Form("W0 NP 0F AE /5", "mem"), feature="XSAVE")
def xrstor(s: State, address: Bits) -> None:
    _restore(s, address, 0)


@insn("XRSTOR64", Form("REX.W NP 0F AE /5", "mem"), feature="XSAVE")
def xrstor64(s: State, address: Bits) -> None:
    _restore(s, address, 1)


@insn("XSAVES", Form("NP 0F C7 /5", "mem"), feature="XSAVES")
def xsaves(s: State, address: Bits) -> None:
    """Privileged, as XRSTORS is."""
    s.fault(GP)


@insn("XRSTORS", Form("NP 0F C7 /3", "mem"), feature="XSAVES")
def xrstors(s: State, address: Bits) -> None:
    s.fault(GP)
