"""x87 state of the Python semantics to and from the FXSAVE image."""

from __future__ import annotations

from blink.isa.x87_reference import X87State

from .cpustate import FX_CW, FX_ST, FX_SW, FX_TAG


def load(x87: X87State, fx: bytes) -> None:
    x87.cw = int.from_bytes(fx[FX_CW : FX_CW + 2], "little")
    x87.status_word = int.from_bytes(fx[FX_SW : FX_SW + 2], "little")
    x87.tags = fx[FX_TAG]
    for i in range(8):
        at = FX_ST + 16 * i
        x87.st[x87.physical(i)] = int.from_bytes(fx[at : at + 10], "little")


def save(x87: X87State, image: bytearray) -> None:
    image[FX_CW : FX_CW + 2] = x87.cw.to_bytes(2, "little")
    image[FX_SW : FX_SW + 2] = x87.status_word.to_bytes(2, "little")
    image[FX_TAG] = x87.tags
    for i in range(8):
        at = FX_ST + 16 * i
        image[at : at + 10] = x87.get(i).to_bytes(10, "little")
