"""WAITPKG and SERIALIZE (SDM volume 2): short pauses, and order."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes
from blink.isa.flags import POSITION, STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import GP, RAX, RDX, State


@insn("SERIALIZE", Form("NP 0F 01 E8"), feature="SERIALIZE")
def serialize(s: State) -> None:
    s.call("memory_fence")


def _deadline(s: State) -> Bits:
    return from_lanes([s.gpr(RAX, 32), s.gpr(RDX, 32)])


@insn("TPAUSE", Form("66 0F AE /6", "R32"), feature="WAITPKG")
def tpause(s: State, state: Bits) -> None:
    """Until the time stamp EDX:EAX; CF if the system's limit (Linux' default) came first."""
    s.fault_if(state.ugt(1), GP)
    limited = s.call("pause_until", _deadline(s), w=8)
    s.set_status(limited.zext(32) << POSITION["CF"], STATUS_MASK)


@insn("UMONITOR", Form("F3 0F AE /6", "R64", asize=64), feature="WAITPKG")
def umonitor(s: State, address: Bits) -> None:
    """Faults as a load of the byte would."""
    s.load(s.string_base + address, 8)


@insn("UMONITOR", Form("F3 0F AE /6", "R32", asize=32), feature="WAITPKG")
def umonitor32(s: State, address: Bits) -> None:
    """With a 32-bit address."""
    s.load(s.string_base + address.zext(64), 8)


@insn("UMWAIT", Form("F2 0F AE /6", "R32"), feature="WAITPKG")
def umwait(s: State, state: Bits) -> None:
    """May end for any reason, and does so at once: stores of others cannot be watched for."""
    s.fault_if(state.ugt(1), GP)
    s.call("give_way")
    s.set_status(Bits.const(0, 32), STATUS_MASK)
