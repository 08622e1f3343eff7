"""The functions of engine/x87.h, xsave.h and bodies_mem.c as twins of the reference interpreter.

`find(name)` gives a function of (s, *args) over s.cpu.x87; #MF is a guest fault.
"""

from __future__ import annotations

from blink.isa import x87_images as images
from blink.isa import xsave_images as xsave
from blink.isa.state import GP, MF
from blink.isa.x87_reference import FUNCTIONS, Pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.isa.reference import Reference
    from blink.isa.twins import Twin


def _load(s: Reference, address: int, size: int) -> bytes:
    return s.memory.load(address, size)


def _store(s: Reference, address: int, image: bytes) -> None:
    s.memory.check_write(address, len(image))
    s.memory.store(address, image)


def _size(bits: int, short: int, long: int) -> int:
    return short if bits == 16 else long


def _fldenv_image(s: Reference, address: int, bits: int) -> None:
    images.fldenv(s.cpu.x87, _load(s, address, _size(bits, 14, 28)), bits)


def _frstor_image(s: Reference, address: int, bits: int) -> None:
    images.frstor(s.cpu.x87, _load(s, address, _size(bits, 94, 108)), bits)


def _fnstenv_image(s: Reference, address: int, bits: int) -> None:
    s.memory.check_write(address, _size(bits, 14, 28))
    s.memory.store(address, images.fnstenv(s.cpu.x87, bits))


def _fnsave_image(s: Reference, address: int, bits: int) -> None:
    s.memory.check_write(address, _size(bits, 94, 108))
    s.memory.store(address, images.fnsave(s.cpu.x87, bits))


def _fxsave_body(s: Reference, address: int, wide: int) -> None:
    s.memory.check_write(address, 512)
    _store(
        s,
        address,
        images.fxsave(s.cpu.x87, s.cpu.mxcsr, s.cpu.xmm[: 16 if s.mode == 64 else 8], wide),
    )


def _fxrstor_body(s: Reference, address: int, wide: int) -> None:
    loaded = images.fxrstor(s.cpu.x87, _load(s, address, 512), wide)
    s.fault_if(loaded is None, GP)
    if loaded is not None:
        s.cpu.mxcsr, registers = loaded
        n = 16 if s.mode == 64 else 8
        s.cpu.xmm[:n] = registers[:n]


def _xgetbv(s: Reference, index: int) -> int | None:
    value = xsave.xgetbv(s.cpu, index)
    s.fault_if(value is None, GP)
    return value


def _xsave_body(s: Reference, address: int, mask: int, kind: int, wide: int) -> None:
    components = mask & s.cpu.xcr0
    size = xsave.length(components)
    s.memory.check_write(address, size)
    _store(s, address, xsave.save(s.cpu, _load(s, address, size), components, kind, wide))


def _xrstor_body(s: Reference, address: int, mask: int, wide: int) -> None:
    components = mask & s.cpu.xcr0
    size = xsave.needed(_load(s, address, xsave.HEADER_END), components)
    s.fault_if(not xsave.restore(s.cpu, _load(s, address, size), components, wide), GP)


def _faulting(body: Twin) -> Twin:
    def twin(s: Reference, *args: int) -> int | None:
        try:
            return body(s, *args)
        except Pending:
            s.fault_if(True, MF)
            return None

    return twin


def _adapt(function: Callable[..., int | None]) -> Twin:
    return _faulting(lambda s, *args: function(s.cpu.x87, *args))


IMAGES: tuple[Twin, ...] = (
    _fldenv_image, _frstor_image, _fnstenv_image, _fnsave_image, _fxsave_body, _fxrstor_body,
    _xgetbv, _xsave_body, _xrstor_body,
)  # fmt: skip
TWINS: dict[str, Twin] = {
    **{name: _adapt(function) for name, function in FUNCTIONS.items()},
    **{body.__name__[1:]: _faulting(body) for body in IMAGES},
}


def find(name: str) -> Twin:
    """The twin of an x87 function.  KeyError names one that is missing."""
    return TWINS[name]
