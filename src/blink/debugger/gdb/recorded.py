"""What GDB is told of a capsule's files: they have the paths from which they were mapped, and the
bytes that they had.  Without a capsule paths are the program's, and files this machine's."""

from __future__ import annotations

import os
from struct import iter_unpack

from blink.debugger.session import Session

AT_BASE, AT_ENTRY = 7, 9


def executable(session: Session) -> str:
    """The path of the program's file: GDB wants it absolute."""
    path, kept = session.executable, session.kept
    known = path if kept is None else kept.name(path)
    if known is not None and path.startswith("/"):
        return known
    return _mapped(session, _auxiliary(session, AT_ENTRY)) or path


def library(session: Session, path: str, address: int) -> str:
    """The path of a library, of which an address is known."""
    return path if session.kept is None else _mapped(session, address) or path


def contents(session: Session, path: str) -> bytes | None:
    """A recorded file; None for others."""
    kept = session.kept
    if kept is None:
        return None
    name = kept.name(path)
    if name is None:  # the dynamic linker: its name is in the program, and may be that of a link
        linker = _mapped(session, _auxiliary(session, AT_BASE))
        same = os.path.basename(path) == os.path.basename(linker)
        name = kept.name(linker) if same else None
    if name is None:
        return None
    with kept.open(name) as file:
        return file.read()


def _mapped(session: Session, address: int) -> str:
    mapping = session.symbols.mapping(address)
    return mapping.path if mapping is not None and mapping.path.startswith("/") else ""


def _auxiliary(session: Session, kind: int) -> int:
    auxv = session.auxv()
    pairs: dict[int, int] = dict(iter_unpack("<QQ", auxv[: len(auxv) & -16]))
    return pairs.get(kind, 0)
