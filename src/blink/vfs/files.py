"""What a process's paths mean: the system calls that take one come here when policy may apply.

Without a root, paths are the host's, and the engine makes most calls itself.  Only names that may
lead into /proc are looked at (`proc.may_name_proc`), and once a directory of /proc is open or the
working directory, all of them, for then a relative path may lead there too.  Not seen: a symbolic
link elsewhere that leads to /proc/self/exe or the like.
"""

from __future__ import annotations

import posix
from errno import (
    E2BIG,
    EACCES,
    EINVAL,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    EPERM,
    ERANGE,
    ETXTBSY,
    EXDEV,
)

from blink.abi import files as f
from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.abi.file_structs import OPEN_HOW
from blink.abi.sockets import AF_UNIX
from blink.vfs import proc
from blink.vfs.arguments import Temporary, follows, records
from blink.vfs.resolve import UNREACHABLE, Root, check, fd_path, split, strict, where
from blink.vfs.socket_names import SocketNames
from blink.vfs.texts import Texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.syscalls._spec import Arg, Call
    from blink.vfs.resolve import Call as HostCall

ROOT = "root"
MAGIC = (ELOOP, EXDEV)  # what openat2 says to a magic link below a root
MAX_LINKS = 40
SUN_PATH_MAX = 108
DIRECTORY = f.O_PATH | f.O_DIRECTORY | f.O_CLOEXEC
CAP_SYS_CHROOT = 18
MAX_OPEN_HOW = 4096
PATH_MAX = 4096


class Files:
    """The file policy of a process.

    host       blink.kernel.host
    root       the guest's root directory, or None
    sockets    names of sockets that the host was given others for
    texts      what is open of the texts about the guest
    in_proc    a directory of /proc is or was within reach of relative paths
    """

    __slots__ = ("host", "in_proc", "process", "root", "sockets", "texts")
    mounted = False  # whether `forward` makes the host's calls: blink.roots

    def __init__(self, process: Process, host: ModuleType) -> None:
        self.process = process
        self.host = host
        self.root: Root | None = None
        self.texts = Texts(host)
        self.sockets = SocketNames()
        self.in_proc = proc.is_proc(host, b".")
        self._tell_engine()

    def _tell_engine(self) -> None:
        self.host.native_paths(self.root is None and not self.in_proc)

    @property
    def confined(self) -> bool:
        """Whether a root hides what the host has."""
        return self.root is not None

    def close(self) -> None:
        """The process ends."""

    def temporary(self) -> Temporary:
        """For the descriptors that a translation opens."""
        return Temporary(self.host)

    # --- roots ---

    def set_root(self, path: bytes) -> None:
        """Makes a directory of the host the root (`-C`).  Raises OSError."""
        fd = posix.open(path, DIRECTORY)
        self._enter_root(fd)
        assert self.root is not None
        try:
            posix.close(self.root.open(self.host.call, f.AT_FDCWD, b"/", DIRECTORY))
            if self.root.guest_path(where(f.AT_FDCWD)) is None:
                posix.fchdir(self.root.fd)
        except SysError as error:
            raise OSError(error.errno, posix.strerror(error.errno), path) from None

    def _enter_root(self, fd: int) -> None:
        self.process.hidden.close(ROOT)
        self.root = Root(self.process.hidden.keep(ROOT, fd))
        self._tell_engine()

    def chroot(self, task: Task, path: bytes) -> int:
        """chroot(2)."""
        fd = self._open_directory(task.host, f.AT_FDCWD, path)
        try:
            name = fd_path(fd) + b"\0"
            check(self.host.now(nr.NR_FACCESSAT2, f.AT_FDCWD, name, posix.X_OK, f.AT_EACCESS))
            if not self.host.has_capability(CAP_SYS_CHROOT):
                raise SysError(EPERM)
        except SysError:
            self.host.now(nr.NR_CLOSE, fd)
            raise
        self._enter_root(fd)
        return 0

    # --- where a path leads ---

    def guest_path(self, path: bytes) -> bytes | None:
        """A host's path as the guest sees it; None for what lies outside."""
        return path if self.root is None else self.root.guest_path(path)

    def _concerns_proc(self, path: bytes) -> bool:
        return self.in_proc or proc.may_name_proc(path)

    def _open_directory(self, call: HostCall, dirfd: int, path: bytes) -> int:
        if self.root is not None:
            return self.root.open(call, dirfd, path, DIRECTORY)
        return check(call(nr.NR_OPENAT, dirfd, path + b"\0", DIRECTORY, 0))

    def own_name(self, dirfd: int, path: bytes, follow: bool) -> bytes | None:
        """The entry of this process in /proc that a path names, see `proc.own_name`."""
        if not self._concerns_proc(path):
            return None
        name = proc.plain_name(path)
        if name is not None and self.root is None:
            return name
        try:
            return self._locate(dirfd, path, follow)
        except SysError:
            return None  # the call itself will tell

    def _locate(self, dirfd: int, path: bytes, follow: bool) -> bytes | None:
        with self.temporary() as opened:
            for _ in range(MAX_LINKS):
                parent, name, slashes = split(path)
                if not name:
                    return None
                opened.append(self._open_directory(self.process.hidden.now, dirfd, parent))
                dirfd = opened[-1]
                found = proc.own_name(where(dirfd), name)
                if found is not None and proc.is_proc(self.host, fd_path(dirfd)):
                    return found
                try:
                    target = posix.readlink(fd_path(dirfd) + b"/" + name)
                except OSError:
                    return None
                if not follow:
                    return None
                path = target + slashes
        return None

    def translated(
        self, task: Task, arg: Arg, registers: tuple[int, ...], opened: list[int]
    ) -> bytes | None:
        """The host's path for a path argument; None where the guest's will do."""
        address = registers[arg.index]
        if self.root is None and not address:
            return None
        path = task.read_path(address) if address or not arg.type.optional else b""
        dirfd = self._dirfd(registers, arg)
        if not path:
            return None
        follow = follows(arg, registers)
        name = self.own_name(dirfd, path, follow)
        if name is not None and (special := self._own_path(name, follow)) is not None:
            return special
        if self.root is None:
            return None
        return self.root.translate(self.process.hidden.now, dirfd, path, follow, opened)

    def forward(
        self, task: Task, call: Call, registers: tuple[int, ...], arguments: list[int | bytes]
    ) -> int:
        """Makes the host's call in place of the guest's, where `mounted`."""
        raise NotImplementedError

    def _dirfd(self, registers: tuple[int, ...], arg: Arg) -> int:
        if arg.dirfd is None:
            return f.AT_FDCWD
        value = registers[arg.dirfd] & 0xFFFFFFFF
        return -1 if self.process.hides(value) else value - ((value & 1 << 31) << 1)

    def _own_path(self, name: bytes, follow: bool) -> bytes | None:
        """A host's path in place of an own entry of /proc; None where the host's entry will do."""
        number = proc.descriptor(name)
        if number is not None:
            if self.process.hides(number):
                raise SysError(ENOENT)
            return b"/proc/self/" + name if self.root is not None and follow else None
        return proc.exe_path(self.process) if name == proc.EXE and follow else None

    def address(
        self, task: Task, address: int, length: int, opened: list[int], follow: bool = True
    ) -> tuple[int | bytes, int]:
        """A socket address for the host, and its length: names of AF_UNIX sockets are paths."""
        if self.root is None or not 3 <= length <= SUN_PATH_MAX + 2:
            return task.guest(address), length
        data = task.memory.read(address, length)
        if int.from_bytes(data[:2], "little") != AF_UNIX or not data[2]:
            return task.guest(address), length
        path = data[2:].partition(b"\0")[0]
        made = self.root.translate(self.process.hidden.now, f.AT_FDCWD, path, follow, opened)
        if len(made) >= SUN_PATH_MAX:
            raise SysError(ENAMETOOLONG)
        return data[:2] + made + b"\0", len(made) + 3

    def note_socket(
        self, task: Task, fd: int, host: int | bytes, address: int, length: int, is_bind: bool
    ) -> None:
        """A socket has been bound or connected, by another name where `host` is bytes."""
        if isinstance(host, bytes):
            path = task.memory.read(address, length)[2:].partition(b"\0")[0]
            self.sockets.note(fd, host, path, is_bind)

    # --- opening ---

    def open(self, task: Task, dirfd: int, path: bytes, flags: int, mode: int) -> int:
        """openat(2)."""
        if (text := self._other_text(path, flags)) is not None:
            return self.texts.make(path[len(b"/proc/") :], text, flags)
        exclusive = f.O_CREAT | f.O_EXCL
        follow = not flags & f.O_NOFOLLOW and flags & exclusive != exclusive
        name = self.own_name(dirfd, path, follow)

        def plain() -> int:
            if self.root is None:
                fd = task.host(nr.NR_OPENAT, dirfd, path + b"\0", flags, mode)
                return self._noted(fd, path)
            return self._noted(self.root.open(task.host, dirfd, path, flags, mode), path)

        if name is not None:
            return self._open_own(task, name, flags, follow, plain)
        try:
            return plain()
        except SysError as error:  # a link such as /dev/stdin, which leads to a magic link of /proc
            linked = self.root is not None and error.errno in MAGIC
            name = self._locate(dirfd, path, follow) if linked else None
            if name is None:
                raise
            return self._open_own(task, name, flags, follow, plain)

    def _open_own(
        self, task: Task, name: bytes, flags: int, follow: bool, plain: Callable[[], int]
    ) -> int:
        """Opens an own entry of /proc; `plain` opens the host's."""
        writes = flags & f.O_ACCMODE
        if name == proc.EXE and follow and writes:
            raise SysError(ETXTBSY)
        if name == proc.MEM and (writes or task.memory.skew):
            task.process.log_once("/proc/self/mem can only be read, and not in checked memory")
            raise SysError(EACCES)
        path = self._own_path(name, follow)
        if path is not None:
            return task.host(nr.NR_OPENAT, f.AT_FDCWD, path + b"\0", flags, 0)
        text = None if flags & f.O_PATH else self.own_text(task, name)
        fd = plain()
        if text is None:
            return fd
        self.host.now(nr.NR_CLOSE, fd)  # it has told that the file may be opened
        opened = self.texts.make(name, text, flags)
        self.texts.add(opened, name)
        return opened

    def own_text(self, task: Task, name: bytes) -> bytes | None:
        """What an own file of /proc says; None where the host's will do."""
        return proc.text(task, name)

    def _other_text(self, path: bytes, flags: int) -> bytes | None:
        """What a file of another guest in /proc says; None where the host's will do."""
        other = proc.other_entry(path)
        if other is None or other[1] == proc.EXE or flags & (f.O_PATH | f.O_ACCMODE):
            return None
        from blink.vfs import others

        return others.text(*other, self.guest_path)

    def _other_exe(self, path: bytes) -> bytes | None:
        """The program of another guest; None where the host's answer will do."""
        other = proc.other_entry(path)
        if other is None or other[1] != proc.EXE:
            return None
        from blink.vfs import others

        found = others.exe(other[0])
        if found == b"":
            raise SysError(ENOENT)
        return None if found is None else proc.shown_path(self.process, found)

    def _noted(self, fd: int, path: bytes) -> int:
        """The descriptor; from an open directory of /proc, relative paths lead there."""
        if self._concerns_proc(path) and posix.fstat(fd).st_mode & f.S_IFMT == f.S_IFDIR:
            self._note_proc(fd_path(fd))
        return fd

    def _note_proc(self, path: bytes) -> None:
        if not self.in_proc and proc.is_proc(self.host, path):
            self.in_proc = True
            self._tell_engine()

    def openat2(self, task: Task, dirfd: int, path: bytes, how: int, size: int) -> int:
        """openat2(2)."""
        if size < OPEN_HOW.size:
            raise SysError(EINVAL)
        if size > MAX_OPEN_HOW:
            raise SysError(E2BIG)
        try:
            data = task.memory.read(how, size)
        except task.MemoryFault:
            if self.root is not None:
                raise
            return task.host(nr.NR_OPENAT2, dirfd, path + b"\0", task.guest(how), size)
        flags, mode, resolve = OPEN_HOW.unpack(data[: OPEN_HOW.size])
        links = not resolve & (f.RESOLVE_NO_MAGICLINKS | f.RESOLVE_NO_SYMLINKS)
        follow = links and not flags & f.O_NOFOLLOW
        name = self.own_name(dirfd, path, follow)
        scoped = resolve & (f.RESOLVE_BENEATH | f.RESOLVE_IN_ROOT)
        wrong = strict(flags, mode) != (flags, mode) or resolve & ~f.RESOLVE_KNOWN

        def plain() -> int:
            if self.root is None or scoped or wrong:
                fd = task.host(nr.NR_OPENAT2, dirfd, path + b"\0", data, size)
                return self._noted(fd, path)
            fd = self.root.open(task.host, dirfd, path, flags, mode, resolve)
            return self._noted(fd, path)

        return plain() if name is None else self._open_own(task, name, flags, follow, plain)

    def open_executable(self, path: bytes, dirfd: int = f.AT_FDCWD, flags: int = 0) -> int:
        """Opens a program for execve(2), or for execveat(2) with O_NOFOLLOW.  Raises OSError."""
        try:
            return self._open_executable(path, dirfd, flags)
        except SysError as error:
            raise OSError(error.errno, posix.strerror(error.errno), path) from None

    def _open_executable(self, path: bytes, dirfd: int, flags: int) -> int:
        follow = not flags & posix.O_NOFOLLOW
        flags |= posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY
        name = self.own_name(dirfd, path, follow)
        special = None if name is None else self._own_path(name, follow)
        now = self.process.hidden.now
        if special is None and self.root is not None:
            try:
                return self.root.open(now, dirfd, path, flags)
            except SysError as error:  # a link that leads to a magic link of /proc
                name = self._locate(dirfd, path, follow) if error.errno in MAGIC else None
                special = None if name is None else self._own_path(name, follow)
                if special is None:
                    raise
        fd = check(now(nr.NR_OPENAT, dirfd, (special or path) + b"\0", flags, 0))
        if special is None and name is None and proc.is_emulator(fd):
            fd = self._instead_of_emulator(fd, dirfd, path, follow, flags)
        return fd

    def _instead_of_emulator(
        self, fd: int, dirfd: int, path: bytes, follow: bool, flags: int
    ) -> int:
        """The guest's program, where a link outside /proc has led to /proc/self/exe."""
        name = self._locate(dirfd, path, follow)
        special = None if name is None else self._own_path(name, follow)
        if special is None:
            return fd  # it is blink that is to be run
        self.host.now(nr.NR_CLOSE, fd)
        return check(self.process.hidden.now(nr.NR_OPENAT, dirfd, special + b"\0", flags, 0))

    # --- links and directories ---

    def readlink(self, task: Task, dirfd: int, path: bytes, buf: int, size: int) -> int:
        """readlinkat(2)."""
        if size <= 0:
            raise SysError(EINVAL)
        name = self.own_name(dirfd, path, False) if path else None
        target = self._other_exe(path) if name is None else self._own_link(name)
        if target is not None:
            task.memory.write(buf, target[:size])
            return min(len(target), size)
        with self.temporary() as opened:
            if self.root is not None and path:
                path = self.root.translate(self.process.hidden.now, dirfd, path, False, opened)
            pointer = task.guest(buf, size, True)
            return task.host(nr.NR_READLINKAT, dirfd, path + b"\0", pointer, size)

    def _own_link(self, name: bytes) -> bytes | None:
        """What a link in /proc/self says; None for the host's answer."""
        if name == proc.EXE:
            return proc.shown_path(self.process, proc.exe_path(self.process))
        number = proc.descriptor(name)
        if number is not None:
            if self.process.hides(number):
                raise SysError(ENOENT)
            return proc.shown_target(self.process, number) if name.startswith(b"fd/") else None
        if self.root is not None and name in (b"cwd", b"root"):
            return self._working_directory() if name == b"cwd" else b"/"
        return None

    def getdents(self, task: Task, number: int, fd: int, buf: int, count: int) -> int:
        """getdents(2) and getdents64(2)."""
        while True:
            size = task.host(number, fd, task.guest(buf, count, True), count)
            if size == 0 or not self._lists_descriptors(fd):
                return size
            data = task.memory.read(buf, size)
            name_at = 19 if number == nr.NR_GETDENTS64 else 18
            kept = b"".join(e for e in records(data) if not self._is_ours(e[name_at:]))
            if kept:
                task.memory.write(buf, kept)
                return len(kept)

    def _lists_descriptors(self, fd: int) -> bool:
        try:
            parent, _, name = where(fd).rpartition(b"/")
        except SysError:
            return False
        own = proc.own_name(parent, name) in (b"fd", b"fdinfo")
        return own and proc.is_proc(self.host, fd_path(fd))

    def _is_ours(self, name: bytes) -> bool:
        number = name.partition(b"\0")[0]
        return number.isdigit() and self.process.hides(int(number))

    def chdir(self, task: Task, path: bytes) -> int:
        """chdir(2)."""
        if self.root is None:
            task.host(nr.NR_CHDIR, path + b"\0")
        else:
            with self.temporary() as opened:
                opened.append(self.root.open(task.host, f.AT_FDCWD, path, DIRECTORY))
                check(self.host.now(nr.NR_FCHDIR, opened[0]))
        if self._concerns_proc(path):
            self._note_proc(b".")
        return 0

    def getcwd(self, task: Task, buf: int, size: int) -> int:
        """getcwd(2)."""
        if self.root is None:
            return task.host(nr.NR_GETCWD, task.guest(buf, size, True), size)
        path = self._working_directory() + b"\0"
        if len(path) > size:
            raise SysError(ERANGE)
        task.memory.write(buf, path)
        return len(path)

    def _working_directory(self) -> bytes:
        """As the guest sees it."""
        buffer = bytearray(PATH_MAX)
        length = check(self.host.now(nr.NR_GETCWD, buffer, len(buffer)))
        path = bytes(buffer[: length - 1])
        assert self.root is not None
        shown = self.root.guest_path(path)
        return UNREACHABLE + path if shown is None else shown
