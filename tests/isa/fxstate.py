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
    """Whether ST0 is next to the smallest normal number: its sine is tiny, or not quite."""
    low, high = (int.from_bytes(fx[at : at + 8], "little") for at in (FX_ST, FX_ST + 8))
    return high & 0x7FFF <= 1 and abs(low - (1 << 63)) < 16


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
