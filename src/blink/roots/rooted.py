"""The file policy of a process whose tree is made of mounts: `Files` over a `Namespace`."""

from __future__ import annotations

import posix
from errno import (
    E2BIG,
    EADDRINUSE,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    EPERM,
    ERANGE,
    EROFS,
    ETXTBSY,
)

from blink.abi import files as f
from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.abi.file_structs import OPEN_HOW
from blink.abi.sockets import AF_UNIX
from blink.roots import calls, listing, overlay, private
from blink.roots.tree import DELETED, PROC, Node, read_link, same
from blink.vfs import proc
from blink.vfs.files import CAP_SYS_CHROOT, MAX_OPEN_HOW, SUN_PATH_MAX, Files
from blink.vfs.resolve import TMPFILE, UNREACHABLE, check, fd_path, strict, where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.roots.namespace import Namespace
    from blink.roots.tree import Found
    from blink.syscalls._spec import Call

NR_FCNTL, F_DUPFD_CLOEXEC, F_DUPFD, F_GETFD = 72, 1030, 0, 1
AWAY = 64  # how far below our own descriptors those are that we need for a moment
CREATES = f.O_CREAT | f.O_EXCL


class RootedFiles(Files):
    """Paths lead where the mounts of `space` say.

    session    the name of the memory file that marks guests of this root in the host's /proc, or
               None: then all processes are shown
    scratch    the directory of what is gone at the end, or None
    listings   what getdents(2) has still to tell of merged directories, by descriptor
    """

    __slots__ = ("listings", "scratch", "session", "space")
    mounted = True

    def __init__(self, process: Process, host: ModuleType, space: Namespace) -> None:
        self.space = space
        self.session: bytes | None = None
        self.scratch: bytes | None = None
        self.listings: dict[int, listing.Listing] = {}
        super().__init__(process, host)
        space.magic = self._magic
        space.shown = self._shows

    def _tell_engine(self) -> None:
        self.host.native_paths(False)

    def close(self) -> None:
        """The process ends: what lives as long as the guests of a root goes with the last."""
        if self.scratch is not None:
            from blink.roots.scratch import leave

            leave(self.process, self.scratch)

    @property
    def confined(self) -> bool:
        """Whether the mounts hide what the host has."""
        return True

    # --- what is where ---

    def guest_path(self, path: bytes) -> bytes | None:
        """A host's path as the guest sees it; None for what lies outside."""
        return self.space.guest_path(path)

    def node_of(self, fd: int, opened: list[int]) -> Node:
        """What a descriptor of the guest refers to.

        What is not where its name says (deleted, outside, copied up meanwhile) has no `parts`; it
        has a mount if nobody may change it.
        """
        path = where(fd)
        made = check(self.process.hidden.now(nr.NR_OPENAT, -1, fd_path(fd) + b"\0", f.O_PATH, 0))
        opened.append(made)
        status = posix.fstat(made)
        place = self.space.locate(path.removesuffix(DELETED))
        if place is None:
            return Node(None, None, [(0, made)], status.st_mode)
        mount, index, parts = place
        try:
            node = self.space.at(parts, opened)
        except SysError:
            node = None
        if node is not None and same(posix.fstat(node.fd), status):
            return node
        frozen = mount.read_only or index > 0
        return Node(None, mount if frozen else None, [(index, made)], status.st_mode)

    def own_entry(self, node: Node | None) -> bytes | None:
        """The name of an entry of this process in /proc, see `proc.own_name`."""
        if node is None or node.mount is None or node.mount.kind != PROC or not node.inner:
            return None
        return proc.own_name(b"/".join((b"/proc", *node.inner[:-1])), node.inner[-1])

    def _magic(self, link: Node, opened: list[int]) -> Node | None:
        """Where a magic link of /proc leads; None for one that leads to what its text says."""
        name = self.own_entry(link)
        if name is None:
            return private.other_exe(self, link, opened) if link.inner[-1:] == (b"exe",) else None
        if name == b"root":
            return self.space.root(opened)
        if name == b"cwd":
            return self.space.start(f.AT_FDCWD, opened)
        number = proc.descriptor(name)
        if number is not None:
            if self.process.hides(number):
                raise SysError(ENOENT)
            return self.node_of(number, opened)
        if name == proc.EXE:
            return self.host_node(proc.exe_path(self.process), opened)
        return None

    def host_node(self, path: bytes, opened: list[int]) -> Node:
        """What the host has at a path that we know; it may be read only."""
        place = self.space.locate(path)
        if place is not None:
            return self.space.at(place[2], opened)
        made = check(self.process.hidden.now(nr.NR_OPENAT, -1, path + b"\0", f.O_PATH, 0))
        opened.append(made)
        return Node(None, self.space.mounts[()], [(0, made)], posix.fstat(made).st_mode)

    def _shows(self, node: Node, name: bytes) -> bool:
        return private.shows(self, node, name)

    # --- writes ---

    def require_writable(self, node: Node) -> None:
        """Raises EROFS for a node that may not change."""
        mount = node.mount
        if mount is None:
            return
        if mount.kind == PROC and node.parts is not None:
            private.require_writable(self, node)
        elif mount.read_only or node.parts is None:
            raise SysError(EROFS)

    def upper(self, node: Node, opened: list[int]) -> int:
        """A descriptor of a directory, in the layer where names are made."""
        self.require_writable(node)
        return overlay.upper_directory(self.space, node, opened)

    def copy_up(self, found: Found, opened: list[int], data: bool = True) -> int:
        """A descriptor of what was found, in the layer where it may change."""
        node = found.existing()
        self.require_writable(node)
        if not overlay.is_lower(node):
            return node.fd
        assert node.parts is not None
        parent = found.parent or self.space.at(node.parts[:-1], opened)
        return overlay.copy_up(self.space, parent, node, opened, data)

    # --- opening ---

    def open(self, task: Task, dirfd: int, path: bytes, flags: int, mode: int) -> int:
        """openat(2)."""
        return self._open(task, dirfd, path, flags, mode, 0)

    def _open(
        self, task: Task, dirfd: int, path: bytes, flags: int, mode: int, resolve: int
    ) -> int:
        follow = not flags & f.O_NOFOLLOW and flags & CREATES != CREATES
        with self.temporary() as opened:
            if flags & f.O_CREAT and path.endswith(b"/") and not flags & f.O_PATH:
                self.space.walk(dirfd, path.rstrip(b"/") or b"/", False, opened, resolve)
                raise SysError(EISDIR)
            found = self.space.walk(dirfd, path, follow, opened, resolve)
            node = found.node
            name = self.own_entry(node)
            if node is not None and name is not None and not node.is_dir:
                _check_open(node, flags)
                return self._open_own(
                    task, name, flags, False, lambda: self._reopen(task, node, flags, opened)
                )
            if node is None:
                return self._create(task, found, flags, mode, opened)
            if (text := private.other_text(self, task, node, flags)) is not None:
                return self.texts.make(node.inner[-1], text, flags)
            return self._open_existing(task, found, flags, mode, opened)

    def own_text(self, task: Task, name: bytes) -> bytes | None:
        """What an own file of /proc says."""
        if name in private.TEXTS:
            return private.TEXTS[name](self)
        return super().own_text(task, name)

    def _open_existing(
        self, task: Task, found: Found, flags: int, mode: int, opened: list[int]
    ) -> int:
        node = found.existing()
        _check_open(node, flags)
        if not flags & f.O_PATH and not node.is_file:
            private.require_harmless(self, node.mode, posix.fstat(node.fd).st_rdev)
        writes = flags & (f.O_ACCMODE | f.O_TRUNC) and not flags & f.O_PATH
        if flags & TMPFILE and writes:
            return self._at(task, self.upper(node, opened), b".", flags, mode, opened)
        if not writes or not node.is_file:
            return self._reopen(task, node, flags, opened)
        image = self.process.image
        status = posix.fstat(node.fd)
        if image is not None and (image.dev, image.ino) == (status.st_dev, status.st_ino):
            raise SysError(ETXTBSY)
        fd = self.copy_up(found, opened, data=not flags & f.O_TRUNC)
        return self._at(task, fd, b"", flags, mode, opened)

    def _reopen(self, task: Task, node: Node, flags: int, opened: list[int]) -> int:
        if node.is_link:  # O_PATH alone opens it
            command = F_DUPFD_CLOEXEC if flags & f.O_CLOEXEC else F_DUPFD
            away = self._away(node.fd, opened)
            made = self.host.now(NR_FCNTL, away, command, 0)
            self.host.now(nr.NR_CLOSE, away)
            return check(made)
        return self._at(task, node.fd, b"", flags, 0, opened)

    def _create(self, task: Task, found: Found, flags: int, mode: int, opened: list[int]) -> int:
        if not flags & f.O_CREAT or flags & f.O_PATH:
            raise SysError(ENOENT)
        if flags & f.O_DIRECTORY:
            raise SysError(EINVAL)
        how = OPEN_HOW.pack(*strict(flags, mode), f.RESOLVE_BENEATH | f.RESOLVE_NO_SYMLINKS)
        away = self._away(self.upper(found.folder(), opened), opened)
        try:
            made = task.host(nr.NR_OPENAT2, away, found.name + b"\0", how, len(how))
            self._named(away, found, False)
        finally:
            self.host.now(nr.NR_CLOSE, away)
        return made

    def _named(self, folder: int, found: Found, is_dir: bool) -> None:
        """A name in the upper directory is new."""
        mount = found.folder().mount
        if mount is not None and mount.is_merged:
            overlay.show(folder, found.name, is_dir)

    def _at(
        self, task: Task, fd: int, name: bytes, flags: int, mode: int, opened: list[int]
    ) -> int:
        """Opens a name in a directory, or what a descriptor refers to; the lowest free number."""
        away = self._away(fd, opened)
        try:
            if name:
                return task.host(nr.NR_OPENAT, away, name + b"\0", flags, mode)
            flags &= ~(CREATES | f.O_NOFOLLOW)
            return task.host(nr.NR_OPENAT, f.AT_FDCWD, fd_path(away) + b"\0", flags, mode)
        finally:
            self.host.now(nr.NR_CLOSE, away)

    def _away(self, fd: int, opened: list[int]) -> int:
        """A duplicate far from the numbers that the guest gets next; the others are closed."""
        hidden = self.process.hidden
        made = hidden.now(NR_FCNTL, fd, F_DUPFD_CLOEXEC, max(hidden.low - AWAY, 0))
        if made == -EINVAL:  # the guest has lowered its limit
            made = hidden.now(NR_FCNTL, fd, F_DUPFD_CLOEXEC, 0)
        while opened:
            self.host.now(nr.NR_CLOSE, opened.pop())
        return check(made)

    def openat2(self, task: Task, dirfd: int, path: bytes, how: int, size: int) -> int:
        """openat2(2)."""
        if size < OPEN_HOW.size:
            raise SysError(EINVAL)
        if size > MAX_OPEN_HOW:
            raise SysError(E2BIG)
        data = task.memory.read(how, size)
        flags, mode, resolve = OPEN_HOW.unpack(data[: OPEN_HOW.size])
        if strict(flags, mode) != (flags, mode) or resolve & ~f.RESOLVE_KNOWN or any(data[24:]):
            return task.host(nr.NR_OPENAT2, -1, b"\0", data, size)  # it knows which error
        if resolve & f.RESOLVE_BENEATH and resolve & f.RESOLVE_IN_ROOT:
            raise SysError(EINVAL)
        return self._open(task, dirfd, path, flags, mode, resolve)

    def _open_executable(self, path: bytes, dirfd: int, flags: int) -> int:
        flags |= posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY
        with self.temporary() as opened:
            found = self.space.walk(dirfd, path, not flags & posix.O_NOFOLLOW, opened)
            node = found.existing()
            if node.is_link:
                raise SysError(ELOOP)
            name = fd_path(node.fd) + b"\0"
            now = self.process.hidden.now
            return check(now(nr.NR_OPENAT, f.AT_FDCWD, name, flags & ~f.O_NOFOLLOW, 0))

    # --- links and directories ---

    def readlink(self, task: Task, dirfd: int, path: bytes, buf: int, size: int) -> int:
        """readlinkat(2)."""
        if size <= 0:
            raise SysError(EINVAL)
        with self.temporary() as opened:
            if path:
                node = self.space.walk(dirfd, path, False, opened).existing()
            else:
                node = self.node_of(dirfd, opened)
            if not node.is_link:
                raise SysError(EINVAL if path else ENOENT)
            target = self._link_text(node)
        task.memory.write(buf, target[:size])
        return min(len(target), size)

    def _link_text(self, node: Node) -> bytes:
        name = self.own_entry(node)
        if name == b"root":
            return b"/"
        if name == b"cwd":
            return self._working_directory()
        shown = None if name is None else self._own_link(name)
        if shown is None:
            shown = private.link_text(self, node)
        return read_link(node) if shown is None else shown

    def getdents(self, task: Task, number: int, fd: int, buf: int, count: int) -> int:
        """getdents(2) and getdents64(2)."""
        if self._is_simple(fd):
            return super().getdents(task, number, fd, buf, count)
        return listing.getdents(self, task, number, fd, buf, count)

    def _is_simple(self, fd: int) -> bool:
        """Whether a directory shows just what the host has there."""
        try:
            place = self.space.locate(where(fd))
        except SysError:
            return True
        if place is None:
            return True
        mount, index, parts = place
        inner = len(parts) - len(mount.point)
        if mount.is_merged or (mount.kind == PROC and inner == 0) or mount.layers[index].only:
            return False
        return not any(point[:-1] == parts for point in self.space.mounts if point)

    def chdir(self, task: Task, path: bytes) -> int:
        """chdir(2)."""
        with self.temporary() as opened:
            node = self.space.walk(f.AT_FDCWD, path, True, opened).existing()
            if not node.is_dir:
                raise SysError(ENOTDIR)
            check(self.host.now(nr.NR_FCHDIR, node.fd))
        return 0

    def getcwd(self, task: Task, buf: int, size: int) -> int:
        """getcwd(2)."""
        path = self._working_directory() + b"\0"
        if len(path) > size:
            raise SysError(ERANGE)
        task.memory.write(buf, path)
        return len(path)

    def _working_directory(self) -> bytes:
        path = where(f.AT_FDCWD)
        if path.endswith(DELETED) and not posix.stat(b"/proc/self/cwd").st_nlink:
            raise SysError(ENOENT)
        return self.guest_path(path) or UNREACHABLE + path

    def chroot(self, task: Task, path: bytes) -> int:
        """chroot(2)."""
        with self.temporary() as opened:
            node = self.space.walk(f.AT_FDCWD, path, True, opened).existing()
            if not node.is_dir:
                raise SysError(ENOTDIR)
            name = fd_path(node.fd) + b"\0"
            check(self.host.now(nr.NR_FACCESSAT2, f.AT_FDCWD, name, posix.X_OK, f.AT_EACCESS))
            if not self.host.has_capability(CAP_SYS_CHROOT) or node.parts is None:
                raise SysError(EPERM)
            self.space.base = node.parts
        return 0

    def address(
        self, task: Task, address: int, length: int, opened: list[int], follow: bool = True
    ) -> tuple[int | bytes, int]:
        """A socket address for the host, and its length; `follow` is not set for bind(2)."""
        if not 3 <= length <= SUN_PATH_MAX + 2:
            return task.guest(address), length
        data = task.memory.read(address, length)
        if int.from_bytes(data[:2], "little") != AF_UNIX or not data[2]:
            return task.guest(address), length
        found = self.space.walk(f.AT_FDCWD, data[2:].partition(b"\0")[0], follow, opened)
        if not follow and found.node is not None:
            fd = task.cpu.syscall_args()[1] & 0xFFFFFFFF
            check(self.host.now(NR_FCNTL, fd, F_GETFD))
            raise SysError(EADDRINUSE)
        made = fd_path(found.existing().fd) if follow else self.new_name(found, opened)
        if len(made) >= SUN_PATH_MAX:
            raise SysError(ENAMETOOLONG)
        return data[:2] + made + b"\0", len(made) + 3

    # --- calls that the host makes, on other paths ---

    def new_name(self, found: Found, opened: list[int], is_dir: bool = False) -> bytes:
        """The host's path for something new.  Raises EEXIST."""
        if found.node is not None or found.parent is None:
            raise SysError(EEXIST)
        if found.slash and not is_dir:
            raise SysError(ENOENT)
        return fd_path(self.upper(found.parent, opened)) + b"/" + found.name

    def forward(
        self, task: Task, call: Call, registers: tuple[int, ...], arguments: list[int | bytes]
    ) -> int:
        """Makes the host's call in place of a guest's with paths: the result, or -errno."""
        with self.temporary() as opened:
            return calls.forward(self, task, call, registers, arguments, opened)


def _check_open(node: Node, flags: int) -> None:
    """The errors of open(2) for something that is there."""
    if flags & CREATES == CREATES and not flags & f.O_PATH:
        raise SysError(EEXIST)
    if node.is_link and not flags & f.O_PATH:
        raise SysError(ELOOP)
    if flags & f.O_DIRECTORY and not node.is_dir:
        raise SysError(ENOTDIR)
    if node.is_dir and flags & f.O_CREAT and not flags & f.O_PATH:
        raise SysError(EISDIR)
