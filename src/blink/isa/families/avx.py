"""AVX (SDM volume 1, 14.1): the VEX forms of SSE to SSE4.2."""

from __future__ import annotations

import re

from blink.isa.families import system
from blink.isa.families._vex import SOURCES, derive
from blink.isa.spec import REGISTRY

# No VEX form, or one that is defined by itself below
OTHERWISE = {
    "CVTPI2PS", "CVTPI2PD", "MOVNTI", "CRC32", "PBLENDVB", "BLENDVPS", "BLENDVPD",
    "CMPPS", "CMPPD", "CMPSS", "CMPSD",
}  # fmt: skip
UNARY = {"SQRTPS", "SQRTPD", "RSQRTPS", "RCPPS"}
ALIGNED = {"MOVAPS", "MOVAPD", "MOVDQA", "MOVNTPS", "MOVNTPD", "MOVNTDQ", "MOVNTDQA"}
SCALAR = re.compile("(?!P).*S[SD](2S[DIS])?$")
W = {"PINSRD": "W0", "PEXTRD": "W0"}
# On 256 bits: floating point and moves are AVX ...
WIDE = (
    [op + t for op in "ADD MUL SUB MIN DIV MAX SQRT AND ANDN OR XOR".split() for t in ("PS", "PD")]
    + "RSQRTPS RCPPS CVTDQ2PS CVTPS2DQ CVTTPS2DQ MOVSLDUP MOVSHDUP DPPS LDDQU MOVDQU".split()
    + [op + t for op in "HADD HSUB ADDSUB UNPCKL UNPCKH ROUND MOVU".split() for t in ("PS", "PD")]
    + ["SHUFPS", "SHUFPD", "BLENDPS", "BLENDPD", *sorted(ALIGNED - {"MOVNTDQA"})]
)
# ... how far the upper half's part of the immediate is from the lower one's
STEP = {"SHUFPD": 2, "BLENDPS": 4, "BLENDPD": 2}


def _names() -> list[str]:
    """The SSE instructions that have VEX forms, each once."""
    families = {m.__name__.rpartition(".")[2] for m in SOURCES if m is not system}
    found = [
        i.name
        for i in REGISTRY
        if i.family in families and any(o.kind.bank == "xmm" for f in i.forms for o in f.operands)
    ]
    return [name for name in dict.fromkeys(found) if name not in OTHERWISE]


for name in _names():
    derive(
        name, "LIG" if SCALAR.match(name) else "128", w=W.get(name, "WIG"),
        unary=name in UNARY, aligned=name in ALIGNED,
    )  # fmt: skip
for name in WIDE:
    derive(
        name, "256", unary=name in UNARY, aligned=name in ALIGNED, step=STEP.get(name, 0)
    )  # fmt: skip
