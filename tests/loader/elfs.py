"""ELF files made to measure."""

from __future__ import annotations

import os
import struct
from pathlib import Path

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
EHDR_FIELDS = (
    "ident type machine version entry phoff shoff flags ehsize phentsize phnum shentsize shnum "
    "shstrndx"
).split()
PHDR_FIELDS = "type flags offset vaddr paddr filesz memsz align".split()
PT_LOAD, PT_INTERP, PT_GNU_STACK = 1, 3, 0x6474E551
BASE = 0x40_0000
CODE = b"\x31\xff\xb8\x3c\x00\x00\x00\x0f\x05"  # exit(0)


def phdr(**fields: int) -> dict[str, int]:
    """A program header: a PT_LOAD of one page at BASE, with `fields` changed."""
    values = {"type": PT_LOAD, "flags": 5, "offset": 0, "vaddr": BASE, "align": 0x1000}
    values |= {"paddr": fields.get("vaddr", BASE), "filesz": 0x1000, "memsz": 0x1000}
    return values | fields


def elf(*phdrs: dict[str, int], size: int = 0x1000, body: dict[int, bytes] | None = None,
        **fields: int | bytes) -> bytes:  # fmt: skip
    """An ELF program of `size` bytes; `fields` of the header changed, `body` laid over it."""
    phdrs = phdrs or (phdr(),)
    values: dict[str, int | bytes] = {
        "ident": b"\x7fELF\2\1\1".ljust(16, b"\0"),
        "type": 2,
        "machine": 62,
        "version": 1,
        "entry": BASE + 0x800,
        "phoff": 64,
        "shoff": 0,
        "flags": 0,
        "ehsize": 64,
        "phentsize": 56,
        "phnum": len(phdrs),
        "shentsize": 0,
        "shnum": 0,
        "shstrndx": 0,
    }
    values |= fields
    data = bytearray(max(size, 64 + 56 * len(phdrs)))
    EHDR.pack_into(data, 0, *(values[name] for name in EHDR_FIELDS))
    for index, header in enumerate(phdrs):
        PHDR.pack_into(data, 64 + 56 * index, *(header[name] for name in PHDR_FIELDS))
    if len(data) >= 0x809:
        data[0x800 : 0x800 + len(CODE)] = CODE
    for offset, content in (body or {}).items():
        data[offset : offset + len(content)] = content
    return bytes(data[:size])


def with_interp(name: bytes, **fields: int | bytes) -> bytes:
    """A program whose PT_INTERP holds exactly the bytes `name`."""
    interp = phdr(type=PT_INTERP, offset=0x400, filesz=len(name), memsz=len(name))
    return elf(phdr(), interp, body={0x400: name}, **fields)  # type: ignore[arg-type]


def save(path: Path, data: bytes, mode: int = 0o755) -> bytes:
    """Writes an executable file and returns its name."""
    path.write_bytes(data)
    path.chmod(mode)
    return os.fsencode(path)
