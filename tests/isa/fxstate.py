"""Random x87 and SSE state: FXSAVE images."""

from __future__ import annotations

from random import Random

from .cpustate import FX_MXCSR, FX_OP, FX_ST, make_fx
from .values import Pools

_INFINITY = (1 << 63).to_bytes(8, "little")  # the significand of one


def random_mxcsr(rng: Random) -> int:
    """Mostly all exceptions masked; rounding, DAZ, FTZ and sticky flags at random."""
    masks = 0x3F if rng.randrange(8) else rng.getrandbits(6)
    sticky = rng.getrandbits(6) if rng.randrange(3) == 0 else 0
    rounding = rng.getrandbits(2) << 13
    flush = (rng.randrange(4) == 0) << 15 | (rng.randrange(4) == 0) << 6
    return masks << 7 | sticky | rounding | flush


def x87_control(rng: Random) -> tuple[int, int, int]:
    """A control word, a status word that fits it, and abridged tags of the registers."""
    masks = 0x3F if rng.randrange(8) else rng.getrandbits(6)
    cw = 0x40 | masks | rng.choice((0, 2, 3, 3, 3)) << 8 | rng.getrandbits(2) << 10
    pending = rng.getrandbits(7) if rng.randrange(4) == 0 else 0
    if rng.randrange(4):
        pending &= masks
    top = rng.getrandbits(3)
    summary = 0x8080 if pending & 0x3F & ~masks else 0
    sw = pending | summary | top << 11 | (rng.getrandbits(16) & 0x4700)
    depth = rng.randrange(9) if rng.randrange(4) else 8
    tags = sum(1 << ((top + i) & 7) for i in range(depth))
    return cw, sw, tags if rng.randrange(8) else rng.getrandbits(8)


def random_fx(rng: Random, pools: Pools, pool: str, x87: bool) -> bytes:
    """An FXSAVE image: XMM registers from the named pool; x87 in its initial state unless asked."""
    xmm = b"".join(rng.choices(pools.vector[pool], k=16))
    if not x87:
        return make_fx(mxcsr=random_mxcsr(rng), xmm=xmm)
    cw, sw, tags = x87_control(rng)
    st = b"".join(rng.choices(pools.f80, k=8))
    fx = make_fx(cw, sw, tags, st, random_mxcsr(rng), xmm)
    return fx[:FX_OP] + rng.randbytes(FX_MXCSR - FX_OP) + fx[FX_MXCSR:]


def nearly_tiny(fx: bytes) -> bool:
    """Whether a result may be next to the smallest normal number, so that one estimate is tiny and
    another not quite: ST0's sine, the angle of ST1 / ST0."""
    (m0, e0), (m1, e1) = _number(fx, 0), _number(fx, 1)
    tiny_sine = e0 == 1 and abs(m0 - (1 << 63)) < 16
    tiny_angle = e1 - e0 == 1 - 0x3FFF and abs(m1 - m0) < 16
    return tiny_sine or tiny_angle


def _number(fx: bytes, i: int) -> tuple[int, int]:
    """Significand and biased exponent of ST(i); a denormal number has the exponent 1."""
    at = FX_ST + 16 * i
    exponent = int.from_bytes(fx[at + 8 : at + 10], "little") & 0x7FFF
    return int.from_bytes(fx[at : at + 8], "little"), max(exponent, 1)


def limited(fx: bytes, limit: int) -> bytes:
    """The image with ST0's exponent below `limit`; NaNs stay."""
    at = FX_ST + 8
    high = int.from_bytes(fx[at : at + 2], "little")
    exponent = high & 0x7FFF
    infinite = fx[FX_ST:at] == _INFINITY
    if exponent < limit or (exponent == 0x7FFF and not infinite):
        return fx
    smaller: int = high & 0x8000 | limit - 1 - exponent % 64
    return fx[:at] + smaller.to_bytes(2, "little") + fx[at + 2 :]
