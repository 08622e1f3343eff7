"""Paths under a root directory: the guest sees it as `/`, and nothing above it (`-C`, chroot(2)).

Every name is looked up by the host kernel with openat2(2) and RESOLVE_IN_ROOT: absolute links and
`..` stay below the root, and magic links (/proc/PID/fd/N, exe, cwd) do not resolve.  What comes out
is a descriptor, and a call that takes a path gets `/proc/self/fd/N` or `/proc/self/fd/N/name`.
So no other process can lead a lookup astray by moving directories meanwhile.

Rejected: a textual prefix (links escape from it), and walking the parts ourselves (races).
"""

from __future__ import annotations

import posix
from errno import EAGAIN, EBADF, ENOENT, EXDEV

from blink.abi import files as f
from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.abi.file_structs import OPEN_HOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., int]

KNOWN_OPEN_FLAGS = 0o37777703  # openat2 refuses what open ignores
PATH_FLAGS = f.O_DIRECTORY | f.O_NOFOLLOW | f.O_CLOEXEC | f.O_PATH
TMPFILE = 0o20000000
RETRIES = 16
UNREACHABLE = b"(unreachable)"


def check(result: int) -> int:
    """A host's result; raises SysError when it is -errno."""
    if -4096 < result < 0:
        raise SysError(-result)
    return result


def fd_path(fd: int) -> bytes:
    """A path that leads to what a descriptor refers to."""
    return b"/proc/self/fd/%d" % fd


def where(fd: int) -> bytes:
    """The host's path of a descriptor, or of the working directory for AT_FDCWD."""
    link = b"/proc/self/cwd" if fd == f.AT_FDCWD else fd_path(fd)
    try:
        return posix.readlink(link)
    except OSError:
        raise SysError(EBADF) from None


def split(path: bytes) -> tuple[bytes, bytes, bytes]:
    """(what leads to the parent, the last name, trailing slashes).

    The name is empty when the path ends in `.` or `..` or is nothing but slashes: then the first
    part is all of it.
    """
    bare = path.rstrip(b"/")
    parent, slash, name = bare.rpartition(b"/")
    if name in (b"", b".", b".."):
        return path or b"/", b"", b""
    return parent + slash or b".", name, path[len(bare) :]


class Root:
    """A root directory; `fd` is a hidden descriptor of it."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def guest_path(self, path: bytes) -> bytes | None:
        """A host's path as the guest sees it; None for what lies outside."""
        root = where(self.fd).rstrip(b"/")
        if path == root:
            return b"/"
        return path[len(root) :] if path.startswith(root + b"/") else None

    def open(
        self, call: Call, dirfd: int, path: bytes, flags: int, mode: int = 0, resolve: int = 0
    ) -> int:
        """openat(2) below the root.  `call` makes host calls: `task.host` where one may block."""
        if not path:
            raise SysError(ENOENT)
        how = strict(flags, mode)
        if not path.startswith(b"/"):
            try:
                return _openat2(call, dirfd, path, *how, resolve | f.RESOLVE_BENEATH)
            except SysError as error:
                if error.errno != EXDEV:
                    raise
            base = self.guest_path(where(dirfd))
            if base is None:  # a directory outside leads only downwards
                raise SysError(EXDEV)
            path = base + b"/" + path
        return _openat2(call, self.fd, path, *how, resolve | f.RESOLVE_IN_ROOT)

    def translate(
        self, call: Call, dirfd: int, path: bytes, follow: bool, opened: list[int]
    ) -> bytes:
        """A host's path for the object (`follow`), or for the name itself.

        It goes through a descriptor, which is added to `opened` and closed by the caller.
        """
        parent, name, slashes = split(path)
        if follow or not name:
            opened.append(self.open(call, dirfd, path, f.O_PATH | f.O_CLOEXEC))
            return fd_path(opened[-1]) + (b"" if follow else b"/.")
        flags = f.O_PATH | f.O_DIRECTORY | f.O_CLOEXEC
        opened.append(self.open(call, dirfd, parent, flags))
        made = fd_path(opened[-1]) + b"/" + name
        if slashes and _is_link(made):  # with a slash behind it a link is always followed
            return self.translate(call, dirfd, path + b".", False, opened)
        return made + slashes


def _is_link(path: bytes) -> bool:
    try:
        posix.readlink(path)
    except OSError:
        return False
    return True


def _openat2(call: Call, dirfd: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
    """Tries again when something on the way was moved meanwhile."""
    how = OPEN_HOW.pack(flags, mode, resolve)
    for _ in range(RETRIES):
        try:
            return check(call(nr.NR_OPENAT2, dirfd, path + b"\0", how, len(how)))
        except SysError as error:
            if error.errno != EAGAIN or flags & f.O_NONBLOCK:
                raise
    raise SysError(EAGAIN)


def strict(flags: int, mode: int) -> tuple[int, int]:
    """The flags and the mode of open(2) as openat2(2) takes them."""
    flags &= KNOWN_OPEN_FLAGS
    if flags & f.O_PATH:
        return flags & PATH_FLAGS, 0
    return flags, mode & 0o7777 if flags & (f.O_CREAT | TMPFILE) else 0
