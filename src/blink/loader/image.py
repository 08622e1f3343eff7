"""Maps a program into guest memory; nothing here decides, program.py has checked everything."""

from __future__ import annotations

from errno import EEXIST, ENOMEM

from ..abi.layout import PAGE, PIE_BASE
from .elf import MASK, PHENT, Elf, page_down, page_up
from .errors import FOUND_BUT_UNUSABLE, LoadError, reason, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .program import Program
    from .source import Source

    class Mapper(Protocol):
        """What the loader needs of `blink._engine.Memory`."""

        def map(
            self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0
        ) -> object:
            """Maps whole pages of a file, or zeros with MAP_ANONYMOUS; OSError on failure."""

        def write(self, addr: int, data: bytes) -> object:
            """Copies bytes in."""

        def zero(self, addr: int, n: int) -> object:
            """Clears bytes."""


PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 2, 0x10, 0x20, 0x4000
FLAT_BASE = 0x40_0000
FLAT_BSS = 16 << 20

_FILE = MAP_PRIVATE | MAP_FIXED
_ZEROS = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS


class Segment:
    """One mapping that the loader made, for the kernel's table and /proc/self/maps.

    `kind` is its owner: main, interp, flat or stack.  Anonymous pages have an empty `path`, and 0
    in `offset`, `dev` and `ino`.  A later segment replaces what it covers of earlier ones.
    """

    __slots__ = ("dev", "end", "ino", "kind", "offset", "path", "prot", "start")

    def __init__(
        self, start: int, end: int, prot: int, kind: str, source: Source | None, offset: int
    ) -> None:
        self.start = start
        self.end = end
        self.prot = prot
        self.kind = kind
        self.path = source.path if source else b""
        self.offset = offset
        self.dev = source.stat.st_dev if source else 0
        self.ino = source.stat.st_ino if source else 0


class Image:
    """A program in memory.

    `entry` is AT_ENTRY, `start_rip` where the CPU begins (in the interpreter, if there is one);
    `base` the load bias; `phdr`, `phent`, `phnum` are AT_PHDR, AT_PHENT, AT_PHNUM; `interp_base` is
    AT_BASE (0 without interpreter); `brk` the page behind the last bss.  `span` and `interp_span`
    are (start, end) with the gaps between segments, to be kept from mmap.  `path`, `dev` and `ino`
    belong to the file behind /proc/self/exe.  build_stack fills in the rest: `rsp`, `auxv` (bytes),
    and the bounds of the strings, `arg_start` to `arg_end` and `env_start` to `env_end`.
    """

    __slots__ = (
        "arg_end",
        "arg_start",
        "auxv",
        "base",
        "brk",
        "dev",
        "entry",
        "env_end",
        "env_start",
        "exec_stack",
        "ino",
        "interp_base",
        "interp_span",
        "path",
        "phdr",
        "phent",
        "phnum",
        "rsp",
        "segments",
        "span",
        "start_rip",
    )

    def __init__(self, source: Source) -> None:
        self.path = source.path
        self.dev = source.stat.st_dev
        self.ino = source.stat.st_ino
        self.segments: list[Segment] = []
        self.entry = self.start_rip = self.base = self.interp_base = self.brk = 0
        self.phdr = self.phnum = 0
        self.phent = PHENT
        self.exec_stack = False
        self.span = (0, 0)
        self.interp_span: tuple[int, int] | None = None
        self.rsp = self.arg_start = self.arg_end = self.env_start = self.env_end = 0
        self.auxv = b""


def load(program: Program, memory: Mapper, *, place: Callable[[int], int]) -> Image:
    """Maps `program` into an empty guest address space and describes the result.

    `place(size)` returns the page where an ET_DYN interpreter of `size` bytes goes.  Raises
    LoadError (fatal: the old image is gone by now) when the host has no memory.
    """
    image = Image(program.source)
    try:
        if program.elf is None:
            _load_flat(image, program.source, memory)
        else:
            _load_elf(image, program.elf, program.interp, memory, place)
    except OSError as error:
        raise no_memory(error, program.path) from None
    return image


def no_memory(error: OSError, path: bytes) -> LoadError:
    """Returns the error for a host that refused a mapping."""
    errno, text = reason(error)
    advice = "free memory or raise ulimit -v"
    if errno == EEXIST:  # the engine never maps over what is not the guest's
        errno, text, advice = ENOMEM, "blink itself occupies its addresses", "relink it elsewhere"
    message = f"{show(path)}: cannot be mapped: {text}; {advice}"
    return LoadError(errno, message, fatal=True, exit_status=FOUND_BUT_UNUSABLE)


def _load_elf(
    image: Image, elf: Elf, interp: Elf | None, memory: Mapper, place: Callable[[int], int]
) -> None:
    bias = elf.place(PIE_BASE)
    image.base = bias & MASK
    image.entry = image.start_rip = (elf.entry + bias) & MASK
    image.phdr = (elf.phdr + bias) & MASK
    image.phnum = elf.phnum
    image.exec_stack = elf.exec_stack
    image.span = (elf.low + bias, elf.high + bias)
    image.brk = elf.high + bias
    if interp is not None:
        room = interp.high - interp.low + interp.align - PAGE
        interp_bias = interp.place(0 if interp.fixed else place(room))
        _place_interp(image, interp, interp_bias)
    _map_loads(image, elf, bias, "main", memory)
    if interp is not None:
        _map_loads(image, interp, interp_bias, "interp", memory)


def _place_interp(image: Image, interp: Elf, bias: int) -> None:
    start, end = interp.low + bias, interp.high + bias
    if start < image.span[1] and image.span[0] < end:
        text = f"its segments at {start:#x} overlap the program's; relink one of them"
        raise interp.source.error(text, ENOMEM, fatal=True)
    image.interp_span = (start, end)
    image.interp_base = bias & MASK
    image.start_rip = (interp.entry + bias) & MASK


def _map_loads(image: Image, elf: Elf, bias: int, kind: str, memory: Mapper) -> None:
    """Maps every PT_LOAD in the file's order: where two share a page, the later one wins."""
    for item in elf.loads:
        start = item.vaddr + bias
        file_end = start + item.filesz
        end = page_up(start + item.memsz)
        first = page_down(start)
        zeros = first
        if item.filesz:
            zeros = page_up(file_end)
            segment = Segment(
                first, zeros, item.prot, kind, elf.source, item.offset - (start - first)
            )
            memory.map(first, zeros - first, item.prot, _FILE, elf.source.fd, segment.offset)
            image.segments.append(segment)
            # The page's tail holds other bytes of the file.  ld.so allocates from it and relies on
            # zeros; Linux, too, leaves it as it is in a segment that is not writable.
            if item.memsz > item.filesz and item.prot & PROT_WRITE and zeros > file_end:
                memory.zero(file_end, zeros - file_end)
        if end > zeros and item.memsz > item.filesz:
            _map_zeros(image, zeros, end, item.prot & PROT_EXEC, kind, memory)


def _map_zeros(image: Image, start: int, end: int, execute: int, kind: str, memory: Mapper) -> None:
    """Maps bss pages: always readable and writable, as Linux makes them."""
    prot = PROT_READ | PROT_WRITE | execute
    memory.map(start, end - start, prot, _ZEROS)
    image.segments.append(Segment(start, end, prot, kind, None, 0))


def _load_flat(image: Image, source: Source, memory: Mapper) -> None:
    """Maps a flat image, all permissions, and zeroed memory behind it."""
    prot = PROT_READ | PROT_WRITE | PROT_EXEC
    end = FLAT_BASE + page_up(source.stat.st_size)
    memory.map(FLAT_BASE, end - FLAT_BASE, prot, _FILE, source.fd, 0)
    image.segments.append(Segment(FLAT_BASE, end, prot, "flat", source, 0))
    image.entry = image.start_rip = FLAT_BASE
    image.brk = end + FLAT_BSS
    image.span = (FLAT_BASE, image.brk)
    _map_zeros(image, end, image.brk, PROT_EXEC, "flat", memory)
