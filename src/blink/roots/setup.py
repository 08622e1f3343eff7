"""Makes the root that a `Plan` describes, before the program is looked for.

Unless asked not to, a root has what programs expect of Linux, whatever its directories hold: /proc
(of its guests), /sys (read-only), /dev with the harmless devices of the host and room for more, and
/tmp if it has none.
"""

from __future__ import annotations

import posix
from errno import EMFILE, ENOTDIR
from stat import S_ISDIR

from blink.abi.errors import SysError
from blink.roots.namespace import Namespace
from blink.roots.private import SESSION
from blink.roots.rooted import RootedFiles
from blink.roots.tree import DIR, PROC, Layer, Mount
from blink.vfs import proc
from blink.vfs.resolve import where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from blink.kernel.process import Process
    from blink.roots.plan import Plan
    from blink.roots.tree import Parts

DIRECTORY = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
DEVICES = frozenset(b"null zero full random urandom tty pts console".split())
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
STICKY = 0o1777
MOST = 56  # descriptors of ours: the engine hides 64, and some come later


def install(process: Process, plan: Plan, host: ModuleType) -> None:
    """Gives a process its root; `host` is blink.kernel.host.  Raises OSError."""
    space = Namespace(process.hidden)
    files = RootedFiles(process, host, space)
    builder = _Builder(process, plan, space, files)
    process.files = files
    process.open_executable = files.open_executable
    try:
        builder.build()
        _enter(files, plan)
    except SysError as error:
        files.close()
        raise OSError(error.errno, posix.strerror(error.errno), builder.name) from None
    except OSError:
        files.close()
        raise
    if not plan.shows_host:
        from blink.roots.landlock import confine

        confine(process, space, files.scratch)
    if plan.user is not None:
        _become(files, *plan.user)


def _become(files: RootedFiles, uid: int, gid: int) -> None:
    """Another user, who may not remove what was made for the root."""
    if files.scratch is not None:
        from blink.roots.scratch import remove_later

        remove_later(files.process, files.scratch)
    posix.setgroups([gid])
    posix.setgid(gid)
    posix.setuid(uid)


def _enter(files: RootedFiles, plan: Plan) -> None:
    """Into the directory that the program starts in."""
    with files.temporary() as opened:
        if plan.cwd is not None:
            if plan.makes_cwd:
                _make_path(files, plan.cwd)
            posix.fchdir(files.space.walk(-100, plan.cwd, True, opened).existing().fd)
        elif files.space.guest_path(posix.getcwdb()) is None:
            posix.fchdir(files.space.root(opened).fd)


def _make_path(files: RootedFiles, path: bytes) -> None:
    """Makes the directories of a path that are missing."""
    names = [name for name in path.split(b"/") if name]
    for end in range(1, len(names) + 1):
        with files.temporary() as opened:
            found = files.space.walk(-100, b"/" + b"/".join(names[:end]), True, opened)
            if found.node is None:
                folder = files.upper(found.folder(), opened)
                posix.mkdir(found.name, 0o755, dir_fd=folder)


class _Builder:
    """Makes mounts; `name` is what an error is about."""

    def __init__(self, process: Process, plan: Plan, space: Namespace, files: RootedFiles) -> None:
        self.process = process
        self.plan = plan
        self.space = space
        self.name = b""
        self.files = files

    def build(self) -> None:
        plan = self.plan
        if not plan.shows_host:
            self.files.session = self._session()
        self._root()
        if not plan.bare:
            self._defaults()
        for path in sorted(plan.tmpfs, key=lambda path: path.count(b"/")):
            self._tmpfs(path, STICKY)
        for source, path, read_only in sorted(plan.binds, key=lambda bind: bind[1].count(b"/")):
            mount = self._bind(source, path)
            mount.read_only = read_only

    def _session(self) -> bytes:
        name = "blink-session-" + posix.urandom(8).hex()
        fd = self.process.hidden.keep(SESSION, posix.memfd_create(name, posix.MFD_CLOEXEC))
        return where(fd)

    def _layer(self, path: bytes) -> Layer:
        """A directory or file of the host.  Raises OSError, which names it."""
        self.name = path
        hidden = self.process.hidden
        if len(hidden.fds) >= MOST:
            raise OSError(EMFILE, "too many layers and mounts", path)
        key = f"layer {len(hidden.fds)} {path!r}"
        fd = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
        real = where(fd)
        layer = Layer(key, real)
        if not S_ISDIR(posix.fstat(fd).st_mode):
            posix.close(fd)
            folder, _, layer.name = real.rpartition(b"/")
            fd = posix.open(folder or b"/", DIRECTORY)
        hidden.keep(key, fd)
        return layer

    def _directory(self, path: bytes) -> Layer:
        layer = self._layer(path)
        if layer.name:
            raise OSError(ENOTDIR, posix.strerror(ENOTDIR), path)
        return layer

    def _root(self) -> None:
        plan = self.plan
        paths = list(plan.layers)
        if plan.upper is not None:
            paths.insert(0, plan.upper)
        elif plan.scratch:
            paths.insert(0, self._scratch_directory(b"upper", 0o755))
        layers = [self._directory(path) for path in paths]
        for layer in layers[:-1]:
            layer.whiteouts = layer.path != b"/"
        merged = len(layers) > 1
        self._add((), layers, DIR, b"overlay" if merged else b"rootfs", merged)

    def _add(
        self, point: Parts, layers: list[Layer], kind: str, source: bytes, is_overlay: bool = False
    ) -> Mount:
        mount = Mount(point, layers, kind, source)
        mount.type = b"overlay" if is_overlay else _type_of(layers[0].path)
        self.space.add(mount)
        return mount

    # --- what a root has anyway ---

    def _defaults(self) -> None:
        if proc.is_proc(self.files.host, b"/proc"):
            self._add((b"proc",), [self._directory(b"/proc")], PROC, b"proc")
        if self.plan.shows_host:
            self._add((b"dev",), [self._directory(b"/dev")], DIR, b"devtmpfs")
            return
        if posix.access(b"/sys/kernel", posix.F_OK):
            self._add((b"sys",), [self._directory(b"/sys")], DIR, b"sysfs").read_only = True
        self._devices()
        with self.files.temporary() as opened:
            if self.space.walk(-100, b"/tmp", True, opened).node is None:
                self._tmpfs(b"/tmp", STICKY)

    def _devices(self) -> None:
        upper = self._scratch_directory(b"dev", 0o755)
        for name, target in DEVICE_LINKS.items():
            posix.symlink(target, upper + b"/" + name.encode())
        _make_directory(upper + b"/shm", STICKY)
        host = self._directory(b"/dev")
        host.only = DEVICES
        layers = [self._directory(upper), host]
        self._add((b"dev",), layers, DIR, b"tmpfs").type = b"tmpfs"

    # --- what is asked for ---

    def _tmpfs(self, path: bytes, mode: int) -> None:
        self.name = path
        point = self._point(path)
        made = self._scratch_directory(b"tmpfs", mode)
        self._add(point, [self._directory(made)], DIR, b"tmpfs").type = b"tmpfs"

    def _bind(self, source: bytes, path: bytes) -> Mount:
        layer = self._layer(source)
        self.name = path
        return self._add(self._point(path), [layer], DIR, layer.path)

    def _point(self, path: bytes) -> Parts:
        """Where a mount point lies; what is missing on the way to it is made, in a tmpfs."""
        parts: Parts = ()
        names = [name for name in path.split(b"/") if name not in (b"", b".")]
        with self.files.temporary() as opened:
            for i, name in enumerate(names):
                found = self.space.walk(-100, b"/" + b"/".join((*parts, name)), True, opened)
                last = i == len(names) - 1
                if found.node is None:
                    parent = found.folder().parts
                    assert parent is not None
                    parts = (*parent, found.name)
                    return parts if last else self._glue(parts, names[i + 1 :])
                assert found.node.parts is not None
                parts = found.node.parts
        return parts

    def _glue(self, parts: Parts, below: list[bytes]) -> Parts:
        made = self._scratch_directory(b"glue", 0o755)
        self._add(parts, [self._directory(made)], DIR, b"tmpfs").type = b"tmpfs"
        for name in below[:-1]:
            made += b"/" + name
            posix.mkdir(made, 0o755)
        return (*parts, *below)

    def _scratch_directory(self, name: bytes, mode: int) -> bytes:
        if self.files.scratch is None:
            from blink.roots.scratch import make

            self.files.scratch = make(self.process)
        scratch = self.files.scratch
        path = b"%s/%s%d" % (scratch, name, len(posix.listdir(scratch)))
        _make_directory(path, mode)
        return path


def _make_directory(path: bytes, mode: int) -> None:
    posix.mkdir(path, 0o700)
    posix.chmod(path, mode)


def _type_of(path: bytes) -> bytes:
    """The type of the host's file system that a path lies on."""
    best, kind = b"", b"none"
    try:
        lines = proc.read("/proc/self/mounts").splitlines()
    except OSError:
        return kind
    for line in lines:
        _, point, found, *_ = line.split()
        top = point.rstrip(b"/")
        if len(top) >= len(best) and (path == point or path.startswith(top + b"/")):
            best, kind = top, found
    return kind
