"""Cache lines, hints and the reserved NOPs, which change nothing that a program can see."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.spec import Form, insn
from blink.isa.state import State


def cache_line(name: str, encoding: str, feature: str) -> None:
    """Define an instruction that faults as a load of its byte would; caches are coherent here."""

    def body(s: State, byte: Bits) -> None:
        """The operand is loaded already."""

    insn(name, Form(encoding, "m8"), feature=feature)(body)


cache_line("CLFLUSH", "NP 0F AE /7", "CLFSH")
cache_line("CLFLUSHOPT", "66 0F AE /7", "CLFLUSHOPT")
cache_line("CLWB", "66 0F AE /6", "CLWB")


def prefetch(name: str, *encodings: str) -> None:
    """Define a hint that never faults."""

    def body(s: State, address: Bits) -> None:
        """Nothing is loaded."""

    insn(name, *(Form(e, "mem") for e in encodings))(body)


prefetch("PREFETCHNTA", "0F 18 /0")
prefetch("PREFETCHT0", "0F 18 /1")
prefetch("PREFETCHT1", "0F 18 /2")
prefetch("PREFETCHT2", "0F 18 /3")
prefetch("PREFETCHIT1", "0F 18 /6")
prefetch("PREFETCHIT0", "0F 18 /7")
prefetch("PREFETCHW", "0F 0D /1")
prefetch("PREFETCHWT1", "0F 0D /2")

_HINTS = "0D 18 19 1A 1B 1C 1D 1E 1F".split()


@insn("NOP", *(Form(f"0F {byte} /r", operand) for byte in _HINTS for operand in ("mem", "Rv")))
def hint_nop(s: State, operand: Bits) -> None:
    """Reserved for hints, with any prefix; never accessed.

    Among them are MPX and CLDEMOTE.
    """
