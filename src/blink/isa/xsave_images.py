"""XSAVE areas on plain numbers (Intel SDM volume 1, chapter 13): the twin of engine/xsave.c."""

from __future__ import annotations

from struct import pack, unpack_from

from blink.isa.families.xsave import XSAVE, XSAVEC
from blink.isa.x87_images import fxsave, load_fx
from blink.isa.x87_state import CW_INIT, X87State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.isa.reference import CpuState

X87, SSE, AVX = 1, 2, 4
COMPACTED = 1 << 63
MXCSR_INIT, MXCSR_MASK = 0x1F80, 0xFFFF
HEADER, HEADER_END, SIZE = 512, 576, 832
_MXCSR = slice(24, 32)
# Where each component lies; in the compacted format, too, since AVX is the only one behind SSE.
_PARTS = {
    X87: (slice(0, 24), slice(32, 160)),
    SSE: (slice(160, 416),),
    AVX: (slice(HEADER_END, SIZE),),
}


def _x87_in_use(x: X87State) -> bool:
    words = (x.cw != CW_INIT, x.sw, x.top, x.tags, *x.st)
    return any(words)


def in_use(cpu: CpuState) -> int:
    """XINUSE, MXCSR apart: the components of which any part is not in its initial state."""
    return _x87_in_use(cpu.x87) * X87 | any(cpu.xmm) * SSE | any(cpu.ymmh) * AVX


def xgetbv(cpu: CpuState, index: int) -> int | None:
    """XCR0, or its components in use; None (#GP) for other indices."""
    used = in_use(cpu) | (cpu.mxcsr != MXCSR_INIT) * SSE
    return {0: cpu.xcr0, 1: cpu.xcr0 & used}.get(index)


def length(components: int) -> int:
    """How much of an area of these components there is."""
    return SIZE if components & AVX else HEADER_END


def _area(cpu: CpuState, wide: int) -> bytes:
    """All of the state, with an empty header."""
    high = b"".join(value.to_bytes(16, "little") for value in cpu.ymmh)
    return fxsave(cpu.x87, cpu.mxcsr, cpu.xmm, wide).ljust(HEADER_END, b"\0") + high


def _put(image: bytearray, area: bytes, components: int) -> None:
    for component, parts in _PARTS.items():
        for part in parts if components & component else ():
            image[part] = area[part]


def save(cpu: CpuState, old: bytes, components: int, kind: int, wide: int) -> bytes:
    """The area after XSAVE, XSAVEOPT or XSAVEC; it was `old` before."""
    image, area, used = bytearray(old), _area(cpu, wide), in_use(cpu)
    if kind == XSAVEC and cpu.mxcsr != MXCSR_INIT:
        used |= SSE
    written = components if kind == XSAVE else components & used
    _put(image, area, written)
    if written & SSE if kind == XSAVEC else components & (SSE | AVX):
        image[_MXCSR] = area[_MXCSR]
    (before,) = unpack_from("<Q", old, HEADER)
    kept = 0 if kind == XSAVEC else before & ~components
    header = pack("<Q", kept | components & used)
    if kind == XSAVEC:
        header += pack("<Q", components | COMPACTED)
    image[HEADER : HEADER + len(header)] = header
    return bytes(image)


def _legal(cpu: CpuState, there: int, compaction: int, reserved: tuple[int, ...]) -> bool:
    if not compaction & COMPACTED:
        return not (there & ~cpu.xcr0 or compaction or reserved[0])
    offered = compaction & ~COMPACTED
    return not (offered & ~cpu.xcr0 or there & ~offered or any(reserved))


def needed(image: bytes, components: int) -> int:
    """How much of the area XRSTOR reads; `image` has the header."""
    (there,) = unpack_from("<Q", image, HEADER)
    return length(components & there)


def restore(cpu: CpuState, image: bytes, components: int, wide: int) -> bool:
    """XRSTOR.  False (#GP): an illegal header, or reserved bits of MXCSR."""
    there, compaction, *reserved = unpack_from("<8Q", image, HEADER)
    if not _legal(cpu, there, compaction, tuple(reserved)):
        return False
    compacted = bool(compaction & COMPACTED)
    mxcsr = cpu.mxcsr
    if components & (SSE if compacted else SSE | AVX):
        initial = compacted and not there & SSE
        mxcsr = MXCSR_INIT if initial else unpack_from("<I", image, _MXCSR.start)[0]
    if mxcsr & ~MXCSR_MASK:
        return False
    new = bytearray(_INITIAL)
    _put(new, image, components & there)
    if components & X87:
        load_fx(cpu.x87, bytes(new), wide)
    if components & SSE:
        cpu.xmm[:] = _halves(new, 160)
    if components & AVX:
        cpu.ymmh[:] = _halves(new, HEADER_END)
    cpu.mxcsr = mxcsr
    return True


_INITIAL = fxsave(X87State(), MXCSR_INIT, [0] * 16, 1).ljust(SIZE, b"\0")


def _halves(image: bytearray, start: int) -> list[int]:
    places = range(start, start + 256, 16)
    return [int.from_bytes(image[at : at + 16], "little") for at in places]
