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

MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1


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
        return pack("<7H", *words, x.fip & 0xFFFF, x.fcs, x.fdp & 0xFFFF, x.fds)
    high = 0xFFFF0000
    pointers = (x.fip & MASK32, x.fop << 16 | x.fcs, x.fdp & MASK32, high | x.fds)
    return pack("<7I", *(w | high for w in words), *pointers)


def _load_environment(x: X87State, image: bytes, bits: int) -> int:
    """The size of the environment."""
    words = unpack_from("<7H" if bits == 16 else "<7I", image)
    x.cw = sane_control(words[0])
    x.status_word = words[1] & 0xFFFF
    x.tags = sum((words[2] >> 2 * n & 3 != 3) << n for n in range(8))
    x.fip, x.fdp = words[3], words[5]
    x.fcs, x.fds = words[4] & 0xFFFF, words[6] & 0xFFFF
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


def _pointers(x: X87State, wide: int) -> tuple[int, int, int]:
    """FOP, FIP and FDP in an image, which AMD's processors store while an exception is pending."""
    if wide:
        return x.fop, x.fip, x.fdp
    return x.fop, x.fip & MASK32 | x.fcs << 32, x.fdp & MASK32 | x.fds << 32


def _signed57(pointer: int) -> int:
    low = pointer & (1 << 57) - 1
    return low | (MASK64 ^ (1 << 57) - 1 if low >> 56 else 0)


def _load_pointers(x: X87State, fop: int, fip: int, fdp: int, wide: int) -> None:
    """The registers have 57 bits, as the largest addresses."""
    x.fop = fop & 0x7FF
    x.fip, x.fdp = (_signed57(p) if wide else p & MASK32 for p in (fip, fdp))
    x.fcs, x.fds = (0, 0) if wide else (fip >> 32 & 0xFFFF, fdp >> 32 & 0xFFFF)


def fxsave(x: X87State, mxcsr: int, xmm: list[int], wide: int) -> bytes:
    """The 416 bytes that FXSAVE writes in 64-bit mode; `xmm` has 16 registers."""
    head = pack(
        "<HHBBHQQII",
        x.cw,
        x.status_word,
        x.tags,
        0,
        *(_pointers(x, wide) if x.pending else (0, 0, 0)),
        mxcsr,
        0xFFFF,
    )
    registers = [*(x.get(i) for i in range(8)), *xmm]
    return head + b"".join(r.to_bytes(16, "little") for r in registers)


def load_fx(x: X87State, image: bytes, wide: int) -> None:
    """The x87 part of an FXSAVE image."""
    cw, sw, tags, _, fop, fip, fdp = unpack_from("<HHBBHQQ", image)
    x.cw, x.status_word, x.tags = sane_control(cw), sw, tags
    _load_pointers(x, fop, fip, fdp, wide)
    for i in range(8):
        at = 32 + 16 * i
        x.st[x.physical(i)] = int.from_bytes(image[at : at + 10], "little")


def fxrstor(x: X87State, image: bytes, wide: int) -> tuple[int, list[int]] | None:
    """MXCSR and the XMM registers; None (#GP) when MXCSR has reserved bits."""
    (mxcsr,) = unpack_from("<I", image, 24)
    if mxcsr & ~0xFFFF:
        return None
    load_fx(x, image, wide)
    return mxcsr, [int.from_bytes(image[at : at + 16], "little") for at in range(160, 416, 16)]


IMAGES: dict[str, Callable[..., object]] = {
    f"x87_{f.__name__}": f for f in (fnstenv, fldenv, fnsave, frstor, fxsave, fxrstor)
}
