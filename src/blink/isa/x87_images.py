"""FSTENV, FSAVE and FXSAVE images (Intel SDM volume 1, 8.1.10 and 10.5.1), as bytes.

The twin of engine/x87_image.c.  What the engine copies to or from a pointer is here a `bytes`
argument of the loads and the result of the stores.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack, unpack_from

from blink.isa import _f80 as f80
from blink.isa._f80 import C0, C2, C3
from blink.isa._x87_more import sane_control
from blink.isa.x87_state import EXCEPTIONS, X87State

MASK32 = (1 << 32) - 1


def _full_tags(x: X87State) -> int:
    """Two bits for each physical register: 0 valid, 1 zero, 2 special, 3 empty."""
    tags = 0
    for n in range(8):
        kind = f80.examine(x.st[n]) & (C0 | C2 | C3)
        tag = 3 if not x.tags >> n & 1 else {C2: 0, C3: 1}.get(kind, 2)
        tags |= tag << 2 * n
    return tags


def _environment(x: X87State, bits: int) -> bytes:
    words = (x.cw, x.status_word, _full_tags(x))
    if bits == 16:
        return pack("<7H", *words, x.fip & 0xFFFF, 0, x.fdp & 0xFFFF, 0)
    high = 0xFFFF0000
    pointers = (x.fip & MASK32, x.fop << 16, x.fdp & MASK32, high)
    return pack("<7I", *(w | high for w in words), *pointers)


def _load_environment(x: X87State, image: bytes, bits: int) -> int:
    """The size of the environment."""
    words = unpack_from("<7H" if bits == 16 else "<7I", image)
    x.cw = sane_control(words[0])
    x.status_word = words[1] & 0xFFFF
    x.tags = sum((words[2] >> 2 * n & 3 != 3) << n for n in range(8))
    x.fip, x.fdp = words[3], words[5]
    x.fop = 0 if bits == 16 else words[4] >> 16 & 0x7FF
    return 14 if bits == 16 else 28


def fnstenv(x: X87State, bits: int) -> bytes:
    """The environment; all exceptions are masked afterwards."""
    image = _environment(x, bits)
    x.cw |= EXCEPTIONS
    return image


def fldenv(x: X87State, image: bytes, bits: int) -> None:
    """Load the environment."""
    x.wait()
    _load_environment(x, image, bits)


def fnsave(x: X87State, bits: int) -> bytes:
    """The environment and all registers; initializes."""
    image = _environment(x, bits) + b"".join(x.get(i).to_bytes(10, "little") for i in range(8))
    x.initialize()
    return image


def frstor(x: X87State, image: bytes, bits: int) -> None:
    """Load the environment and all registers."""
    x.wait()
    at = _load_environment(x, image, bits)
    for i in range(8):
        x.st[x.physical(i)] = int.from_bytes(image[at + 10 * i : at + 10 * i + 10], "little")


def fxsave(x: X87State, mxcsr: int, xmm: list[int], wide: int) -> bytes:
    """The 416 bytes that FXSAVE writes in 64-bit mode; `xmm` has 16 registers."""
    mask = (1 << 64) - 1 if wide else MASK32
    head = pack(
        "<HHBBHQQII",
        x.cw,
        x.status_word,
        x.tags,
        0,
        x.fop,
        x.fip & mask,
        x.fdp & mask,
        mxcsr,
        0xFFFF,
    )
    registers = [*(x.get(i) for i in range(8)), *xmm]
    return head + b"".join(r.to_bytes(16, "little") for r in registers)


def fxrstor(x: X87State, image: bytes, wide: int) -> tuple[int, list[int]] | None:
    """MXCSR and the XMM registers; None (#GP) when MXCSR has reserved bits."""
    cw, sw, tags, _, fop, fip, fdp, mxcsr, _ = unpack_from("<HHBBHQQII", image)
    if mxcsr & ~0xFFFF:
        return None
    x.cw, x.status_word, x.tags, x.fop = sane_control(cw), sw, tags, fop & 0x7FF
    mask = (1 << 64) - 1 if wide else MASK32
    x.fip, x.fdp = fip & mask, fdp & mask
    registers = [int.from_bytes(image[at : at + 16], "little") for at in range(32, 416, 16)]
    for i in range(8):
        x.st[x.physical(i)] = registers[i] & (1 << 80) - 1
    return mxcsr, registers[8:]


IMAGES: dict[str, Callable[..., object]] = {
    f"x87_{f.__name__}": f for f in (fnstenv, fldenv, fnsave, frstor, fxsave, fxrstor)
}
