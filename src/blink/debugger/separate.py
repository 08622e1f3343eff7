"""Where the debugging information of a stripped file lies: a file of its own.

In the order of GDB's manual ("Debugging Information in Separate Files"): by build ID, by
.gnu_debuglink; then a sibling with `.dbg` behind its name, as Blink and Cosmopolitan keep them.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.elf.elffile import ELFFile

GLOBAL = Path("/usr/lib/debug")


def find(path: str, elf: ELFFile, folder: Path = GLOBAL) -> str | None:
    """The path of the file with the debugging information of `path`, None if there is none."""
    for candidate, checksum in _candidates(Path(path), elf, folder):
        if candidate.is_file() and (checksum is None or _crc(candidate) == checksum):
            return str(candidate)
    return None


def _candidates(path: Path, elf: ELFFile, folder: Path) -> Iterator[tuple[Path, int | None]]:
    build_id = _build_id(elf)
    if build_id:
        yield folder / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug", None
    name, checksum = _debug_link(elf)
    real = Path(os.path.realpath(path))
    if name:
        yield real.parent / name, checksum
        yield real.parent / ".debug" / name, checksum
        yield folder / real.parent.relative_to("/") / name, checksum
    if _is_here(path, elf):
        yield path.with_name(path.name + ".dbg"), None


def _is_here(path: Path, elf: ELFFile) -> bool:
    """Whether it is this machine's file that was read, not one of a recording: nothing else says
    that a .dbg belongs to it."""
    elf.stream.seek(0)
    try:
        return bool(path.read_bytes() == elf.stream.read())
    except OSError:
        return False


def _build_id(elf: ELFFile) -> str:
    from elftools.elf.sections import NoteSection

    section = elf.get_section_by_name(".note.gnu.build-id")
    if not isinstance(section, NoteSection):
        return ""
    notes = (note for note in section.iter_notes() if note["n_type"] == "NT_GNU_BUILD_ID")
    return next((str(note["n_desc"]) for note in notes), "")


def _debug_link(elf: ELFFile) -> tuple[str, int]:
    """A name, and the CRC32 of the file that is meant, 4-byte aligned behind it."""
    section = elf.get_section_by_name(".gnu_debuglink")
    if section is None:
        return "", 0
    data = section.data()
    name, _, _ = data.partition(b"\0")
    return os.fsdecode(name), int.from_bytes(data[-4:], "little")


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value
