"""Instructions that the C engine leaves to the host's SIMD unit, where it has one.

A definition stays the meaning: Python computes with it, and C where the host has no such
instruction.  Here is only which of the host's instructions gives the same: engine/simd.h has a
function of each name, and SIMD_SSE2 and so on, which tell whether the host has it.
"""

from __future__ import annotations

from blink.isa.bits import Bits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from blink.isa.state import State

    Body = Callable[..., Any]

SSE2 = frozenset(
    """
    PADDSB PADDSW PADDUSB PADDUSW PSUBSB PSUBSW PSUBUSB PSUBUSW PAVGB PAVGW
    PMULHW PMULHUW PMULUDQ PMADDWD PSADBW PACKSSWB PACKSSDW PACKUSWB
    PUNPCKLBW PUNPCKLWD PUNPCKLDQ PUNPCKLQDQ PUNPCKHBW PUNPCKHWD PUNPCKHDQ PUNPCKHQDQ
    PSRLW PSRLD PSRLQ PSLLW PSLLD PSLLQ PSRAW PSRAD PMOVMSKB
    """.split()
)
SSSE3 = frozenset(
    """
    PSHUFB PMADDUBSW PMULHRSW PALIGNR PSIGNB PSIGNW PSIGND PSRLDQ PSLLDQ
    PHADDW PHADDD PHADDSW PHSUBW PHSUBD PHSUBSW
    """.split()
)
SSE41 = frozenset("PACKUSDW PMULDQ PMULLD".split())
LEVELS = {"SSE2": SSE2, "SSSE3": SSSE3, "SSE41": SSE41}


def hosted(name: str, body: Body, writes: bool) -> Body:
    """`body`, to be computed by the host's instruction on 128 bits.

    `writes`: the first operand is written only.  The form with a count of 8 bits ends in i.
    """
    if not any(name in names for names in LEVELS.values()):
        return body

    def with_host(s: State, *operands: Bits) -> Bits | None:
        meaning: Bits | None = body(s, *operands)
        inputs = operands[writes:]
        if meaning is None or meaning.is_const or inputs[0].w != 128:
            return meaning
        suffix = "i" if len(inputs) == 2 and inputs[1].w == 8 else ""
        return Bits("simd", meaning.w, (meaning, *inputs), name.lower() + suffix)

    return with_host


def level(function: str) -> str:
    """What the host must have for a function of engine/simd.h."""
    name = function.upper()
    return next(
        k for k, names in LEVELS.items() if name in names or name.removesuffix("I") in names
    )
