"""x87 state of the Python semantics to and from the FXSAVE image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cpustate import FX_CW, FX_ST, FX_SW, FX_TAG

if TYPE_CHECKING:
    from blink.isa.x87_reference import X87State


def load(x87: X87State, fx: bytes) -> None:
    x87.cw = int.from_bytes(fx[FX_CW : FX_CW + 2], "little")
    sw = int.from_bytes(fx[FX_SW : FX_SW + 2], "little")
    x87.top = sw >> 11 & 7
    x87.sw = sw & ~0xB880
    x87.tags = fx[FX_TAG]
    for i in range(8):
        x87.st[(x87.top + i) & 7] = int.from_bytes(
            fx[FX_ST + 16 * i : FX_ST + 16 * i + 10], "little"
        )


def save(x87: X87State, image: bytearray) -> None:
    pending = x87.sw & ~x87.cw & 0x3F
    sw = x87.sw | x87.top << 11 | (0x8080 if pending else 0)
    image[FX_CW : FX_CW + 2] = x87.cw.to_bytes(2, "little")
    image[FX_SW : FX_SW + 2] = sw.to_bytes(2, "little")
    image[FX_TAG] = x87.tags
    for i in range(8):
        at = FX_ST + 16 * i
        image[at : at + 10] = x87.st[(x87.top + i) & 7].to_bytes(10, "little")
