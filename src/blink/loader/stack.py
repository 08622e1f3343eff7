"""The initial stack: strings, vectors and auxv in the places where Linux puts them.

From the top: 8 zero bytes, the program's name, the environment, the arguments, (16-byte boundary)
the platform's name, 16 random bytes, (16-byte boundary) auxv, envp, argv, argc, where rsp points.
A program without address randomization shows every byte of it; tests/loader compares them.
"""

from __future__ import annotations

from errno import E2BIG
from itertools import accumulate
from struct import pack

from ..abi.layout import PAGE, STACK_SIZE, STACK_TOP
from .errors import LoadError, show
from .image import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    Segment,
    no_memory,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .image import Image, Mapper

# Keys of auxv, getauxval(3).
AT_NULL, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE = 0, 3, 4, 5, 6, 7
AT_FLAGS, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID = 8, 9, 11, 12, 13, 14
AT_PLATFORM, AT_HWCAP, AT_CLKTCK, AT_SECURE, AT_RANDOM = 15, 16, 17, 23, 25
AT_HWCAP2, AT_EXECFN, AT_MINSIGSTKSZ = 26, 31, 51

# In the kernel's order.  AT_SYSINFO_EHDR (no vDSO) and AT_RSEQ_* are absent.
_ORDER = (
    AT_MINSIGSTKSZ, AT_HWCAP, AT_PAGESZ, AT_CLKTCK, AT_PHDR, AT_PHENT, AT_PHNUM, AT_BASE, AT_FLAGS,
    AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE, AT_RANDOM, AT_HWCAP2, AT_EXECFN,
    AT_PLATFORM, AT_NULL,
)  # fmt: skip
_DEFAULTS = {AT_MINSIGSTKSZ: 2048, AT_PAGESZ: PAGE, AT_CLKTCK: 100}  # all others are 0
_FLAGS = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE


def build_stack(
    memory: Mapper,
    image: Image,
    argv: Sequence[bytes],
    env: Sequence[bytes],
    *,
    values: Mapping[int, int],
    random16: bytes,
    execfn: bytes,
    platform: bytes = b"x86_64",
    stack_top: int = STACK_TOP,
    stack_size: int = STACK_SIZE,
) -> int:
    """Maps the stack, fills it and returns rsp; every other general register is 0 at entry.

    `values` are what auxv tells and neither the image nor the stack decides: identity, hardware.
    Sets `rsp`, `auxv`, `arg_*` and `env_*` of the image and adds the stack to its segments.  Raises
    LoadError (fatal) when strings and vectors leave no room, or the host has no memory.
    """
    strings = [*argv, *env, execfn]
    size = sum(map(len, strings)) + len(strings)
    # Where each string begins, and behind them all the 8 zero bytes.
    starts = list(accumulate((len(s) + 1 for s in strings), initial=stack_top - 8 - size))
    platform_at = (starts[0] & -16) - len(platform) - 1
    random_at = platform_at - len(random16)
    places = {AT_RANDOM: random_at, AT_EXECFN: starts[-2], AT_PLATFORM: platform_at}
    auxv = _auxv({**_DEFAULTS, **_of_image(image), **places, **values})
    vectors = _vectors(starts[:-2], len(argv)) + auxv
    rsp = (random_at - len(vectors)) & -16
    parts = (
        vectors.ljust(random_at - rsp, b"\0"),
        (random16 + platform).ljust(starts[0] - random_at, b"\0"),
        b"\0".join(strings),
        bytes(9),
    )
    _map_stack(memory, image, rsp, b"".join(parts), stack_top - stack_size)
    image.rsp, image.auxv = rsp, auxv
    image.arg_start, image.arg_end = starts[0], starts[len(argv)]
    image.env_start, image.env_end = starts[len(argv)], starts[-2]
    return rsp


def _of_image(image: Image) -> dict[int, int]:
    return {
        AT_PHDR: image.phdr, AT_PHENT: image.phent, AT_PHNUM: image.phnum,
        AT_BASE: image.interp_base, AT_ENTRY: image.entry,
    }  # fmt: skip


def _auxv(values: Mapping[int, int]) -> bytes:
    words = [word for key in _ORDER for word in (key, values.get(key, 0))]
    return pack(f"<{len(words)}Q", *words)


def _vectors(starts: Sequence[int], argc: int) -> bytes:
    """argc, argv and envp."""
    words = (argc, *starts[:argc], 0, *starts[argc:], 0)
    return pack(f"<{len(words)}Q", *words)


def _map_stack(memory: Mapper, image: Image, rsp: int, data: bytes, bottom: int) -> None:
    top = rsp + len(data)
    prot = PROT_READ | PROT_WRITE | (PROT_EXEC if image.exec_stack else 0)
    if rsp < bottom + PAGE:
        text = "the arguments and environment do not fit the stack; shorten them"
        raise LoadError(E2BIG, f"{show(image.path)}: {text}", fatal=True)
    try:
        memory.map(bottom, top - bottom, prot, _FLAGS)
    except OSError as error:
        raise no_memory(error, image.path) from None
    memory.write(rsp, data)
    image.segments.append(Segment(bottom, top, prot, "stack", None, 0))
