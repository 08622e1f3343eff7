"""vFile: GDB reads the program's files through us, with paths as the program knows them.

/proc/PID/maps and the like show the guest's side.  Files are only read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from struct import pack

from blink.abi.mman import PROT_WRITE
from blink.debugger.errors import DebugError
from blink.debugger.gdb import recorded
from blink.debugger.gdb.drive import Drive
from blink.debugger.gdb.packets import MAX_PACKET
from blink.debugger.modules import Mapping

# The protocol's numbers (GDB manual, appendix E, "File-I/O Remote Protocol Extension").
_ERRNO = {
    errno.EPERM: 1, errno.ENOENT: 2, errno.EINTR: 4, errno.EBADF: 9, errno.EACCES: 13,
    errno.EFAULT: 14, errno.EBUSY: 16, errno.EEXIST: 17, errno.ENODEV: 19, errno.ENOTDIR: 20,
    errno.EISDIR: 21, errno.EINVAL: 22, errno.ENFILE: 23, errno.EMFILE: 24, errno.EFBIG: 27,
    errno.ENOSPC: 28, errno.ESPIPE: 29, errno.EROFS: 30, errno.ENAMETOOLONG: 91,
}  # fmt: skip
_UNKNOWN = 9999
_WRITING = 0x0001 | 0x0002 | 0x0200 | 0x0400  # FILEIO_O_WRONLY, _RDWR, _CREAT, _TRUNC
_MAX_READ = MAX_PACKET // 2 - 64


class Files:
    """The files that GDB has open: descriptors, or bytes that we have made."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._open: dict[int, int | bytes] = {}
        self._next = 1
        self._calls: dict[bytes, Callable[[bytes], bytes]] = {
            b"setfs": lambda _: b"F0",
            b"open": self._do_open,
            b"close": self._close,
            b"pread": self._pread,
            b"fstat": self._fstat,
            b"readlink": self._readlink,
        }

    def call(self, packet: bytes) -> bytes:
        """The reply to what stands behind `vFile:`."""
        name, _, arguments = packet.partition(b":")
        handler = self._calls.get(name)
        if handler is None:
            return b""
        try:
            return handler(arguments)
        except OSError as error:
            return b"F-1,%x" % _ERRNO.get(error.errno or 0, _UNKNOWN)
        except (ValueError, DebugError):
            return b"F-1,%x" % _ERRNO[errno.EINVAL]

    def _do_open(self, arguments: bytes) -> bytes:
        name, flags, _ = arguments.split(b",")
        path = bytes.fromhex(name.decode())
        if int(flags, 16) & _WRITING:
            raise OSError(errno.EROFS, "files are only read")
        made = self._made(path) or recorded.contents(self._drive.session, os.fsdecode(path))
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK) if made is None else made
        self._open[self._next] = fd
        self._next += 1
        return b"F%x" % (self._next - 1)

    def _made(self, path: bytes) -> bytes | None:
        """What a file of /proc says about the guest, not about its host process."""
        session = self._drive.session
        folder = b"/proc/%d/" % session.pid
        if not path.startswith(folder):
            return None
        name = path.removeprefix(folder)
        if name == b"maps" or name.endswith(b"/maps"):
            return "".join(_maps_line(m) for m in session.maps()).encode()
        if name == b"smaps":
            return "".join(_maps_line(m) + _smaps_lines(m) for m in session.maps()).encode()
        return session.auxv() if name == b"auxv" else None

    def _pread(self, arguments: bytes) -> bytes:
        fd, count, offset = (int(word, 16) for word in arguments.split(b","))
        file, count = self._file(fd), min(count, _MAX_READ)
        data = (
            file[offset : offset + count]
            if isinstance(file, bytes)
            else os.pread(file, count, offset)
        )
        return b"F%x;" % len(data) + data

    def _fstat(self, arguments: bytes) -> bytes:
        file = self._file(int(arguments, 16))
        if isinstance(file, bytes):
            fields = [0, 0, stat.S_IFREG | 0o444, 1, 0, 0, 0, len(file), 4096, 0, 0, 0, 0]
        else:
            s = os.fstat(file)
            mode = (s.st_mode & 0o777) | (s.st_mode & (stat.S_IFREG | stat.S_IFDIR | stat.S_IFCHR))
            ids = (s.st_dev & 0xFFFFFFFF, s.st_ino & 0xFFFFFFFF, mode, s.st_nlink)
            times = [int(t) & 0xFFFFFFFF for t in (s.st_atime, s.st_mtime, s.st_ctime)]
            owner = (s.st_uid, s.st_gid, s.st_rdev & 0xFFFFFFFF)
            fields = [*ids, *owner, s.st_size, s.st_blksize, s.st_blocks, *times]
        data = pack(">7I3Q3I", *fields)
        return b"F%x;" % len(data) + data

    def _readlink(self, arguments: bytes) -> bytes:
        path = bytes.fromhex(arguments.decode())
        if path == b"/proc/%d/exe" % self._drive.session.pid:
            data = os.fsencode(recorded.executable(self._drive.session))
        else:
            data = os.readlink(path)
        return b"F%x;" % len(data) + data

    def _close(self, arguments: bytes) -> bytes:
        number = int(arguments, 16)
        file = self._file(number)
        del self._open[number]
        if isinstance(file, int):
            os.close(file)
        return b"F0"

    def _file(self, number: int) -> int | bytes:
        try:
            return self._open[number]
        except KeyError:
            raise OSError(errno.EBADF, "not open") from None

    def close(self) -> None:
        """GDB is gone."""
        for file in self._open.values():
            if isinstance(file, int):
                os.close(file)
        self._open.clear()


def _maps_line(m: Mapping) -> str:
    prot = "".join(c if m.prot & bit else "-" for c, bit in (("r", 1), ("w", 2), ("x", 4)))
    head = f"{m.start:x}-{m.end:x} {prot}p {m.offset:08x} 00:00 0"
    return f"{head.ljust(73)}{m.path}\n" if m.path else f"{head}\n"


def _smaps_lines(m: Mapping) -> str:
    """What GDB decides by about what belongs into a core file: what may have been written does."""
    size = (m.end - m.start) >> 10
    anonymous = size if m.prot & PROT_WRITE or not m.path else 0
    flags = " ".join(flag for flag, bit in (("rd", 1), ("wr", 2), ("ex", 4)) if m.prot & bit)
    return f"Size: {size} kB\nAnonymous: {anonymous} kB\nVmFlags: {flags} mr mw me\n"
