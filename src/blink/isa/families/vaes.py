"""The VEX forms of AES, PCLMULQDQ and GFNI (SDM volume 2).

VAES and VPCLMULQDQ are the forms on 256 bits.
"""

from __future__ import annotations

from blink.isa.families import aes, clmul, gfni
from blink.isa.families._vex import derive

FAMILY = "vaes"

for name in aes.ROUNDS:
    derive(name, feature=aes.FEATURE, family=FAMILY)
    derive(name, "256", feature="VAES", family=FAMILY)
for name in ("AESIMC", "AESKEYGENASSIST"):
    derive(name, feature=aes.FEATURE, family=FAMILY)
derive("PCLMULQDQ", feature=clmul.FEATURE, family=FAMILY)
derive("PCLMULQDQ", "256", feature="VPCLMULQDQ", family=FAMILY)
for name, w in (("GF2P8MULB", "W0"), ("GF2P8AFFINEQB", "W1"), ("GF2P8AFFINEINVQB", "W1")):
    for length in ("128", "256"):
        derive(name, length, w=w, feature=gfni.FEATURE, family=FAMILY)
