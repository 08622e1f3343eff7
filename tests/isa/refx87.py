"""x87 state of the Python semantics to and from the FXSAVE image."""

from __future__ import annotations

from blink.isa.x87_images import fxsave, load_fx
from blink.isa.x87_reference import X87State

from .cpustate import FX_MXCSR, FX_ST, FX_XMM


def load(x87: X87State, fx: bytes) -> None:
    load_fx(x87, fx, 1)


def save(x87: X87State, image: bytearray) -> None:
    whole = fxsave(x87, 0, [], 1)
    image[:FX_MXCSR] = whole[:FX_MXCSR]
    image[FX_ST:FX_XMM] = whole[FX_ST:FX_XMM]
