"""qXfer: the documents that GDB asks for in pieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from signal import SIGTRAP
from struct import iter_unpack, pack
from xml.sax.saxutils import quoteattr

from blink.abi.layout import GUEST_TOP
from blink.debugger.gdb import recorded, registers
from blink.debugger.session import Session
from blink.debugger.stop import Stop

AT_PHDR, AT_PHENT, AT_PHNUM = 3, 4, 5
PT_DYNAMIC, PT_PHDR = 2, 6
DT_NULL, DT_DEBUG = 0, 21
TRAP_TRACE, _SIGINFO = 2, 128
_R_MAP = 8  # offset of r_map in struct r_debug
_LONGEST_PATH = 4096
_MOST_LIBRARIES = 10_000


def document(
    session: Session, name: str, annex: str, thread_id: Callable[[int], str], stop: Stop
) -> bytes | None:
    """The whole of one; None when there is no such thing.  `thread_id` writes a thread's number;
    `stop` is the last one."""
    if name == "features":
        return registers.description().encode() if annex == "target.xml" else None
    if name == "auxv":
        return session.auxv()
    if name == "siginfo":
        return _siginfo(stop)
    if name == "exec-file":
        return os.fsencode(recorded.executable(session))
    if name == "threads":
        return _threads(session, thread_id).encode()
    if name == "memory-map":
        return _memory_map().encode()
    if name == "libraries-svr4":
        return _libraries(session).encode()
    return None


def _siginfo(stop: Stop) -> bytes:
    """The siginfo_t of what has stopped the program."""
    details = stop.details
    if stop.reason == "signal" and isinstance(details.get("siginfo"), str):
        text: str = details["siginfo"]  # bytes, or their digits where they are no ASCII text
        return text.encode() if len(text) == _SIGINFO else bytes.fromhex(text)
    signo, code, address = SIGTRAP, TRAP_TRACE, stop.rip or 0
    if stop.reason == "killed":
        signo, code, address = (details.get(n, 0) for n in ("signo", "code", "address"))
    return pack("<iiiiQ", signo, 0, code, 0, address).ljust(_SIGINFO, b"\0")


def piece(whole: bytes, offset: int, length: int) -> bytes:
    """`m` and a piece with more behind it, or `l` and the last one."""
    part = whole[offset : offset + length]
    return (b"l" if offset + length >= len(whole) else b"m") + part


def _threads(session: Session, name: Callable[[int], str]) -> str:
    rows = (
        f'<thread id="{name(t.tid)}" core="0" name={quoteattr(t.name)}>{t.state}</thread>\n'
        for t in session.threads()
    )
    return f'<?xml version="1.0"?>\n<threads>\n{"".join(rows)}</threads>\n'


def _memory_map() -> str:
    """All of it is RAM: what is mapped changes at any time, and GDB asks only once."""
    return (
        '<?xml version="1.0"?>\n'
        '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN"'
        ' "http://sourceware.org/gdb/gdb-memory-map.dtd">\n'
        f'<memory-map><memory type="ram" start="0x0" length="{GUEST_TOP:#x}"/></memory-map>\n'
    )


# --- the dynamic linker's list ---


def _libraries(session: Session) -> str:
    """The link map, as the dynamic linker of the program keeps it."""
    rows = list(_link_map(session))
    main = f' main-lm="{rows[0][0]:#x}"' if rows else ""
    text = "".join(
        f'<library name={quoteattr(recorded.library(session, path, dynamic))} lm="{lm:#x}"'
        f' l_addr="{address:#x}" l_ld="{dynamic:#x}" lmid="0x0"/>'
        for lm, address, path, dynamic in rows[1:]
    )
    return f'<library-list-svr4 version="1.0"{main}>{text}</library-list-svr4>'


def _link_map(session: Session) -> Iterator[tuple[int, int, str, int]]:
    """(entry's address, load bias, path, dynamic section) of each object, the program first."""
    at = _word(session, debug + _R_MAP) if (debug := _r_debug(session)) else 0
    for _ in range(_MOST_LIBRARIES):
        data = session.read(at, 40) if at else b""
        if len(data) < 40:
            return
        bias, name, dynamic, following, _ = _words(data)
        path = session.read(name, _LONGEST_PATH).partition(b"\0")[0]
        yield at, bias, os.fsdecode(path), dynamic
        at = following


def _r_debug(session: Session) -> int:
    """The address of struct r_debug: DT_DEBUG of the program, 0 while it is not known."""
    aux = dict(_pairs(session.auxv()))
    headers = session.read(aux.get(AT_PHDR, 0), 56 * aux.get(AT_PHNUM, 0))
    bias, dynamic, size = 0, 0, 0
    for at in range(0, len(headers) - 55, 56):
        kind = int.from_bytes(headers[at : at + 4], "little")
        address = int.from_bytes(headers[at + 16 : at + 24], "little")
        if kind == PT_PHDR:
            bias = aux[AT_PHDR] - address
        elif kind == PT_DYNAMIC:
            dynamic, size = address, int.from_bytes(headers[at + 40 : at + 48], "little")
    for tag, value in _pairs(session.read(bias + dynamic, size)) if dynamic else ():
        if tag == DT_NULL:
            break
        if tag == DT_DEBUG:
            return value
    return 0


def _pairs(data: bytes) -> Iterator[tuple[int, int]]:
    yield from iter_unpack("<QQ", data[: len(data) & -16])


def _words(data: bytes) -> list[int]:
    return [word for (word,) in iter_unpack("<Q", data)]


def _word(session: Session, address: int) -> int:
    return int.from_bytes(session.read(address, 8), "little")
