"""ELF64 headers as execve(2) reads them (elf(5)); every check is made before anything is mapped.

The kernel finds bad segments only behind its point of no return and then kills the process; such
errors carry `fatal`.  Beyond what Linux checks we refuse what it would run into the ground: a wrong
EI_CLASS or EI_DATA, segments that overlap, are truncated, or lie where no guest memory can be.
"""

from __future__ import annotations

from errno import EINVAL, EIO, ELIBBAD, ENOMEM, EPERM
from itertools import pairwise
from struct import Struct

from ..abi.layout import GUEST_MIN, IMAGE_TOP, PAGE
from ._names import describe_foreign, describe_machine, describe_type
from .errors import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .source import Source

MAGIC = b"\x7fELF"
ET_EXEC, ET_DYN = 2, 3
PHENT = 56
MAX_SPAN = 64 << 30  # bytes of one image; keeps absurd sizes from costing memory for page flags
MASK = (1 << 64) - 1

_EM_X86_64 = 62
_PT_LOAD, _PT_INTERP, _PT_GNU_STACK = 1, 3, 0x6474E551
_PF_X = 1
_PATH_MAX = 4096
_MAX_PHDRS_SIZE = 65536
_EHDR = Struct("<16xHHIQQQIHHHHHH")
_PHDR = Struct("<IIQQQQQQ")
_PROT = (0, 4, 2, 6, 1, 5, 3, 7)  # PF_X=1 PF_W=2 PF_R=4 to PROT_READ=1 PROT_WRITE=2 PROT_EXEC=4


def page_down(address: int) -> int:
    """Returns the start of the address's page."""
    return address & -PAGE


def page_up(address: int) -> int:
    """Returns the address rounded up to a page."""
    return (address + PAGE - 1) & -PAGE


class Load:
    """One PT_LOAD: `filesz` bytes from `offset` at `vaddr`, zeros to `memsz`; PROT_* in `prot`."""

    __slots__ = ("filesz", "memsz", "offset", "prot", "vaddr")

    def __init__(self, vaddr: int, memsz: int, offset: int, filesz: int, prot: int) -> None:
        self.vaddr = vaddr
        self.memsz = memsz
        self.offset = offset
        self.filesz = filesz
        self.prot = prot


class Elf:
    """The headers of one ELF file.

    `loads` in the order of the file; `low` and `high` are the page bounds of all of them, before
    relocation; `align` is the largest p_align, at least a page.
    """

    __slots__ = (
        "_interp",
        "align",
        "entry",
        "exec_stack",
        "high",
        "loads",
        "low",
        "phdr",
        "phnum",
        "source",
        "type",
    )

    def __init__(self, source: Source) -> None:
        self.source = source
        self.type, phoff, self.entry, phentsize, self.phnum = _check_header(source)
        headers = _read_phdrs(source, phoff, phentsize, self.phnum)
        self._interp: tuple[int, int] | None = None
        self.exec_stack = False
        self.align = PAGE
        self.loads: list[Load] = []
        self.phdr = 0
        for kind, flags, offset, vaddr, _, filesz, memsz, align in headers:
            if kind == _PT_LOAD:
                self.loads.append(Load(vaddr, memsz, offset, filesz, _PROT[flags & 7]))
                if align > self.align and not align & (align - 1):
                    self.align = align
                if offset <= phoff < offset + filesz:
                    self.phdr = phoff - offset + vaddr
            elif kind == _PT_INTERP and self._interp is None:
                self._interp = offset, filesz
            elif kind == _PT_GNU_STACK:
                self.exec_stack = bool(flags & _PF_X)
        self.low = self.high = 0

    def read_interp(self) -> bytes | None:
        """Returns the path in the first PT_INTERP, up to its NUL; None when there is none."""
        return None if self._interp is None else _read_interp(self.source, *self._interp)

    def check_segments(self) -> None:
        """Sets `low` and `high`; raises LoadError (fatal) unless the segments can be mapped."""
        source = self.source
        if self.type not in (ET_EXEC, ET_DYN):  # an interpreter; Linux looks this late
            raise source.error(describe_type(self.type), fatal=True)
        for load in self.loads:
            _check_load(source, load)
        used = sorted((load.vaddr, load.vaddr + load.memsz) for load in self.loads if load.memsz)
        if not used:
            raise source.error("has no PT_LOAD segment, so no code to run", fatal=True)
        for (start, end), (following, _) in pairwise(used):
            if end > following:
                text = f"its segments at {start:#x} and {following:#x} overlap; rebuild it"
                raise source.error(text, fatal=True)
        self.low, self.high = page_down(used[0][0]), page_up(used[-1][1])
        # Fixed segments may lie far apart: nothing between them is mapped.
        span = sum(load.memsz for load in self.loads) if self.fixed else self.high - self.low
        if span > MAX_SPAN:
            text = f"its segments span {span >> 30} GiB; the limit is 64 GiB"
            raise source.error(text, ENOMEM, fatal=True)
        if self.align > MAX_SPAN:
            text = f"its segments want to be aligned to {self.align:#x}; the limit is 64 GiB"
            raise source.error(text, EINVAL, fatal=True)

    @property
    def fixed(self) -> bool:
        """Whether the segments must lie where they were linked (ET_EXEC)."""
        return self.type == ET_EXEC

    def place(self, address: int) -> int:
        """Returns the load bias: 0 for ET_EXEC, else the lowest that p_align allows at `address`.

        Raises LoadError (fatal) unless the image then is where guest memory can be.
        """
        wanted = (address - self.low + self.align - 1) & -self.align
        bias = 0 if self.fixed else wanted
        start, end, entry = self.low + bias, self.high + bias, (self.entry + bias) & MASK
        if start < GUEST_MIN:
            text = f"its segments begin at {start:#x}, below {GUEST_MIN:#x}; link it higher"
            raise self.source.error(text, EPERM, fatal=True)
        if end > IMAGE_TOP:
            text = f"its segments end at {end:#x}, above {IMAGE_TOP:#x}; link it lower"
            raise self.source.error(text, ENOMEM, fatal=True)
        if entry >= IMAGE_TOP:
            text = f"its entry point {entry:#x} is outside its memory; rebuild it"
            raise self.source.error(text, EINVAL, fatal=True)
        return bias


def _check_header(source: Source) -> tuple[int, int, int, int, int]:
    """Returns type, e_phoff, e_entry, e_phentsize and e_phnum of a valid x86-64 header."""
    head = source.head
    size = len(head)
    # The kernel reads the interpreter's header with a read that must be complete.
    errno = EIO if source.bad == ELIBBAD and size < _EHDR.size else None
    if head[:4] != MAGIC:
        raise source.error(describe_foreign(head), errno)
    if size >= 20 and (head[4] != 2 or head[5] != 1):
        raise source.error(describe_machine(head), errno)
    if size < _EHDR.size:
        text = f"is truncated: {size} of the 64 bytes of an ELF header; copy it again"
        raise source.error(text, errno)
    kind, machine, _, entry, phoff, _, _, _, phentsize, phnum, *_ = _EHDR.unpack_from(head)
    if machine != _EM_X86_64:
        raise source.error(describe_machine(head))
    if source.bad != ELIBBAD and kind not in (ET_EXEC, ET_DYN):
        raise source.error(describe_type(kind))
    return kind, phoff, entry, phentsize, phnum


def _read_phdrs(source: Source, phoff: int, phentsize: int, phnum: int) -> Iterator[Any]:
    """Returns an iterator over the program headers, as tuples in elf(5)'s order of fields."""
    if phentsize != PHENT:
        text = f"its program headers have {phentsize} bytes, not 56; rebuild it"
        raise source.error(text)
    size = phnum * PHENT
    if not 0 < size <= _MAX_PHDRS_SIZE:
        raise source.error(f"has {phnum} program headers, not 1 to 1170; rebuild it")
    data = source.read(phoff, size)
    if len(data) != size:
        raise source.error("is truncated: its program headers are cut off; copy it again")
    return _PHDR.iter_unpack(data)


def _read_interp(source: Source, offset: int, size: int) -> bytes:
    if not 2 <= size <= _PATH_MAX:
        text = f"its interpreter's name has {size} bytes, not 2 to 4096; rebuild it"
        raise source.error(text)
    name = source.read(offset, size)
    if len(name) != size:
        errno = EIO if offset + size <= MASK >> 1 else EINVAL  # as pread(2) sees the offset
        raise source.error("is truncated: its interpreter's name is cut off; copy it again", errno)
    if name[-1]:
        text = f"its interpreter's name {show(name)} does not end in a NUL; rebuild it"
        raise source.error(text)
    return name.partition(b"\0")[0]


def _check_load(source: Source, load: Load) -> None:
    """Raises LoadError (fatal) for a segment that no mapping can stand for."""
    where = f"its segment at {load.vaddr:#x}"
    if load.filesz > load.memsz:
        text = f"{where} has more bytes in the file than in memory; rebuild it"
        raise source.error(text, EINVAL, fatal=True)
    if load.vaddr + load.memsz > MASK:
        text = f"{where} wraps around the address space; rebuild it"
        raise source.error(text, EINVAL, fatal=True)
    if not load.filesz:
        return
    if (load.offset - load.vaddr) % PAGE:
        text = f"{where} and its file offset {load.offset:#x} differ within a page; rebuild it"
        raise source.error(text, EINVAL, fatal=True)
    if load.offset + load.filesz > source.stat.st_size:
        text = f"is truncated: {where} ends behind the end of the file; copy it again"
        raise source.error(text, fatal=True)
