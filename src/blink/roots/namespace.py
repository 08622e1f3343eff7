"""Mounts, and how a path is walked over them: the guest's tree, made of directories of the host.

A mount shows one or more layers (directories of the host) at a point of the guest's tree.  A path
is walked part by part, each looked up from an open descriptor of its directory with O_NOFOLLOW;
links are read and walked by us, `..` goes back to what we know is above.  So no link, no `..` and
nobody who moves directories meanwhile leads out, and a walk finds a descriptor, not a name.

Rejected: mount namespaces, which need privileges or user namespaces that many hosts forbid, and
RESOLVE_IN_ROOT alone, which knows one tree.  Where a mount has one layer, the kernel walks all
parts that are no links in one step.
"""

from __future__ import annotations

import posix
from errno import ELOOP, ENOENT, ENOTDIR, EXDEV
from stat import S_ISCHR, S_ISDIR, S_ISLNK, S_ISREG

from blink.abi import files as f
from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.abi.file_structs import OPEN_HOW
from blink.vfs.resolve import check, where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.hidden import HiddenFds

    Parts = tuple[bytes, ...]
    Place = tuple["Mount", int, Parts]
    Magic = Callable[["Node", list[int]], "Node | None"]

MAX_LINKS = 40
MAX_PLACES = 4096
LOOK = f.O_PATH | f.O_NOFOLLOW | f.O_CLOEXEC
PLAIN = f.RESOLVE_BENEATH | f.RESOLVE_NO_SYMLINKS | f.RESOLVE_NO_MAGICLINKS
WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
DELETED = b" (deleted)"
DIR, PROC = "dir", "proc"


class Layer:
    """A directory of the host, or a single file (`name`) in it.

    key         the name of its hidden descriptor: of the directory that it is, or that it is in
    path        where the host has it
    whiteouts   whether files `.wh.NAME` in it hide names of lower layers
    only        the names that it shows at its top, or None for all
    """

    __slots__ = ("key", "name", "only", "path", "whiteouts")

    def __init__(self, key: str, path: bytes, whiteouts: bool = False) -> None:
        self.key = key
        self.path = path
        self.name = b""
        self.whiteouts = whiteouts
        self.only: frozenset[bytes] | None = None


class Mount:
    """What the guest sees at a point of its tree.

    point      its place, as parts
    layers     the first that has a name shows it; directories are merged
    read_only  EROFS for all writes; else they go to layers[0], and what lies in a lower layer is
               copied there first
    kind       DIR or PROC, which has rules of its own
    source, type   what /proc/mounts calls it
    """

    __slots__ = ("kind", "layers", "number", "point", "read_only", "source", "type")

    def __init__(self, point: Parts, layers: list[Layer], kind: str, source: bytes) -> None:
        self.point = point
        self.layers = layers
        self.kind = kind
        self.source = source
        self.read_only = False
        self.number = 0
        self.type = b"none"

    @property
    def is_merged(self) -> bool:
        return len(self.layers) > 1

    @property
    def is_file(self) -> bool:
        return bool(self.layers[0].name)


class Node:
    """Something in the guest's tree.

    parts   its path; None for what lies outside (a directory that was open before)
    mount   where it lies; None outside
    dirs    (layer, descriptor) of each layer that has it, the topmost first; more than one only for
            directories
    mode    its st_mode
    """

    __slots__ = ("dirs", "mode", "mount", "parts")

    def __init__(
        self, parts: Parts | None, mount: Mount | None, dirs: list[tuple[int, int]], mode: int
    ) -> None:
        self.parts = parts
        self.mount = mount
        self.dirs = dirs
        self.mode = mode

    @property
    def fd(self) -> int:
        return self.dirs[0][1]

    @property
    def layer(self) -> int:
        return self.dirs[0][0]

    @property
    def is_dir(self) -> bool:
        return S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        return S_ISREG(self.mode)

    @property
    def is_mounted(self) -> bool:
        """Whether it is the top of its mount."""
        return self.mount is not None and self.mount.point == self.parts

    @property
    def inner(self) -> Parts:
        """Its path below the mount's point."""
        assert self.mount is not None and self.parts is not None
        return self.parts[len(self.mount.point) :]


class Found:
    """The end of a walk.

    parent   the directory of the last name, or None for a path that ends in `.` or `..`
    name     that name
    node     what it names; None when there is nothing
    slash    whether the path had a slash behind it
    """

    __slots__ = ("name", "node", "parent", "slash")

    def __init__(self, parent: Node | None, name: bytes, node: Node | None, slash: bool) -> None:
        self.parent = parent
        self.name = name
        self.node = node
        self.slash = slash

    def existing(self) -> Node:
        """The node.  Raises ENOENT."""
        if self.node is None:
            raise SysError(ENOENT)
        return self.node

    def folder(self) -> Node:
        """The directory of the name.  A path without one never comes here."""
        assert self.parent is not None
        return self.parent


class Namespace:
    """All mounts of a process, and its root."""

    __slots__ = ("base", "hidden", "magic", "mounts", "places", "shown")

    def __init__(self, hidden: HiddenFds) -> None:
        self.hidden = hidden
        self.mounts: dict[Parts, Mount] = {}
        self.base: Parts = ()  # chroot(2)
        self.places: dict[bytes, Place | None] = {}  # what `locate` has found
        self.magic: Magic = lambda _node, _opened: None
        self.shown: Callable[[Node, bytes], bool] = lambda _node, _name: True

    def add(self, mount: Mount) -> None:
        """A mount; it hides an earlier one at the same point."""
        mount.number = len(self.mounts) + 1
        self.places.clear()
        self.mounts[mount.point] = mount

    def has_mounts(self, parts: Parts) -> bool:
        """Whether something is mounted at a path or below it."""
        return any(point[: len(parts)] == parts for point in self.mounts)

    # --- where the host's paths are in the guest's tree ---

    def locate(self, path: bytes) -> Place | None:
        """The mount, the layer and the guest's path of a host's path; None for what none shows."""
        if path not in self.places:
            if len(self.places) > MAX_PLACES:
                self.places.clear()
            self.places[path] = self._locate(path)
        return self.places[path]

    def _locate(self, path: bytes) -> Place | None:
        best = None
        length = -1
        for mount in self.mounts.values():
            for index, layer in enumerate(mount.layers):
                inner = _inner(layer, path)
                if inner is None or len(layer.path) <= length:
                    continue
                parts = mount.point + tuple(filter(None, inner.split(b"/")))
                if self._holder(parts) is mount:
                    best, length = (mount, index, parts), len(layer.path)
        return best

    def _holder(self, parts: Parts) -> Mount | None:
        """The mount that a path lies in."""
        for end in range(len(parts), -1, -1):
            if (mount := self.mounts.get(parts[:end])) is not None:
                return mount
        return None

    def guest_path(self, path: bytes) -> bytes | None:
        """A host's path as the guest sees it; None for what lies outside its root."""
        deleted = DELETED if path.endswith(DELETED) else b""
        place = self.locate(path.removesuffix(DELETED))
        if place is None or place[2][: len(self.base)] != self.base:
            return None
        return b"/" + b"/".join(place[2][len(self.base) :]) + deleted

    # --- walking ---

    def top(self, mount: Mount, opened: list[int]) -> Node:
        """The directory or file that a mount shows at its point."""
        dirs = [(i, self.hidden.fds[layer.key]) for i, layer in enumerate(mount.layers)]
        if mount.is_file:
            dirs = [(0, self._look(dirs[0][1], mount.layers[0].name, opened))]
        return Node(mount.point, mount, dirs, posix.fstat(dirs[0][1]).st_mode)

    def _look(self, fd: int, name: bytes, opened: list[int]) -> int:
        made = check(self.hidden.now(nr.NR_OPENAT, fd, name + b"\0", LOOK, 0))
        opened.append(made)
        return made

    def root(self, opened: list[int]) -> Node:
        """The directory that the guest sees as `/`."""
        return self.at(self.base, opened)

    def at(self, parts: Parts, opened: list[int]) -> Node:
        """The node of a path without links.  Raises ENOENT."""
        mount = self._holder(parts)
        assert mount is not None
        node = self.top(mount, opened)
        for name in parts[len(mount.point) :]:
            found = self.child(node, name, opened)
            if found is None:
                raise SysError(ENOENT)
            node = found
        return node

    def start(self, dirfd: int, opened: list[int]) -> Node:
        """The directory of a descriptor, or the working directory."""
        path = where(dirfd)
        place = None if path.endswith(DELETED) else self.locate(path)
        mount, _index, parts = place or (None, 0, None)
        if mount is not None and parts is not None and mount.is_merged:
            return self.at(parts, opened)
        if dirfd == f.AT_FDCWD:
            dirfd = check(self.hidden.now(nr.NR_OPENAT, dirfd, b".\0", LOOK, 0))
            opened.append(dirfd)
        return Node(parts, mount, [(0, dirfd)], posix.fstat(dirfd).st_mode)

    def parent(self, node: Node, opened: list[int]) -> Node:
        """The directory above; the root is its own.  Raises EXDEV outside: only down from there."""
        if node.parts is None:
            raise SysError(EXDEV)
        return node if node.parts == self.base else self.at(node.parts[:-1], opened)

    def child(self, node: Node, name: bytes, opened: list[int]) -> Node | None:
        """What a name in a directory is; None when there is nothing.  Raises SysError."""
        parts = None if node.parts is None else (*node.parts, name)
        if parts is not None and parts in self.mounts:
            return self.top(self.mounts[parts], opened)
        if _is_hidden(node, name) or not self.admits(node, name):
            return None
        dirs: list[tuple[int, int]] = []
        mode = 0
        for index, fd in node.dirs:
            if not _has(node, index, name):
                continue
            made = self.hidden.now(nr.NR_OPENAT, fd, name + b"\0", LOOK, 0)
            if made < 0:
                if made not in (-ENOENT, -ENOTDIR):
                    check(made)
                if self._is_white(node, index, fd, name):
                    break
                continue
            opened.append(made)
            found = posix.fstat(made)
            if dirs and not S_ISDIR(found.st_mode):
                break
            if S_ISCHR(found.st_mode) and found.st_rdev == 0:  # overlayfs's whiteout
                break
            mode = mode or found.st_mode
            dirs.append((index, made))
            if not S_ISDIR(mode) or self._is_opaque(node, index, made):
                break
        return Node(parts, node.mount, dirs, mode) if dirs else None

    def admits(self, node: Node, name: bytes) -> bool:
        """Whether a directory may show a name: /proc does not show all processes."""
        return node.mount is None or node.mount.kind != PROC or self.shown(node, name)

    def _is_white(self, node: Node, index: int, fd: int, name: bytes) -> bool:
        return self._marks(node, index) and exists(fd, WHITEOUT + name)

    def _is_opaque(self, node: Node, index: int, fd: int) -> bool:
        return self._marks(node, index) and exists(fd, OPAQUE)

    def _marks(self, node: Node, index: int) -> bool:
        mount = node.mount
        return mount is not None and mount.layers[index].whiteouts

    def walk(
        self, dirfd: int, path: bytes, follow: bool, opened: list[int], resolve: int = 0
    ) -> Found:
        """Where a path leads; descriptors of what was met on the way are added to `opened`."""
        return _Walk(self, opened, resolve).go(dirfd, path, follow)


class _Walk:
    """One walk, with the RESOLVE_ flags of openat2(2).

    names   what is still to be walked, the last name first
    floor   where RESOLVE_BENEATH and RESOLVE_IN_ROOT end `..`
    """

    __slots__ = ("floor", "links", "names", "node", "opened", "resolve", "space")

    def __init__(self, space: Namespace, opened: list[int], resolve: int) -> None:
        self.space = space
        self.opened = opened
        self.resolve = resolve
        self.links = 0
        self.floor: Node | None = None
        self.names: list[bytes] = []

    def go(self, dirfd: int, path: bytes, follow: bool) -> Found:
        """The end of the walk.  Raises SysError."""
        if not path:
            raise SysError(ENOENT)
        absolute = path.startswith(b"/")
        scoped = self.resolve & (f.RESOLVE_BENEATH | f.RESOLVE_IN_ROOT)
        if absolute and self.resolve & f.RESOLVE_BENEATH:
            raise SysError(EXDEV)
        if absolute and not scoped:
            self.node = self.space.root(self.opened)
        else:
            self.node = self.space.start(dirfd, self.opened)
            self.floor = self.node if scoped else None
        self.names = path.split(b"/")[::-1]
        while True:
            found = self._next(follow)
            if found is not None:
                return found

    def _next(self, follow: bool) -> Found | None:
        """Takes the next name; the end of the walk when it was the last."""
        while self.names and self.names[-1] in (b"", b"."):
            self.names.pop()
        self._require_dir(self.node)
        if not self.names:
            return Found(None, b"", self.node, False)
        last = not any(self.names[:-1])  # but for slashes
        if not last and self._leap():
            return None
        name = self.names.pop()
        if name == b"..":
            self._up()
            return None
        node = self.space.child(self.node, name, self.opened)
        return self._take(name, node, last, follow)

    def _take(self, name: bytes, node: Node | None, last: bool, follow: bool) -> Found | None:
        parent, slash = self.node, bool(self.names)
        if node is None:
            if last:
                return Found(parent, name, None, slash)
            raise SysError(ENOENT)
        self._check_crossing(parent, node)
        if node.is_link and (not last or follow or slash):
            return self._follow(node, last)
        if last:
            if slash:
                self._require_dir(node)
            return Found(parent, name, node, slash)
        self.node = node
        return None

    def _require_dir(self, node: Node) -> None:
        if not node.is_dir:
            raise SysError(ENOTDIR)

    def _up(self) -> None:
        if self.floor is not None and self.node.parts == self.floor.parts:
            if self.resolve & f.RESOLVE_BENEATH:
                raise SysError(EXDEV)
            return
        above = self.space.parent(self.node, self.opened)
        self._check_crossing(self.node, above)
        self.node = above

    def _check_crossing(self, old: Node, new: Node) -> None:
        if self.resolve & f.RESOLVE_NO_XDEV and old.mount is not new.mount:
            raise SysError(EXDEV)

    def _follow(self, link: Node, last: bool) -> Found | None:
        self.links += 1
        if self.links > MAX_LINKS or self.resolve & f.RESOLVE_NO_SYMLINKS:
            raise SysError(ELOOP)
        jump = None
        if link.mount is not None and link.mount.kind == PROC:
            jump = self.space.magic(link, self.opened)
        if jump is not None:
            return self._jump(jump, last)
        target = read_link(link)
        if target.startswith(b"/"):
            if self.resolve & f.RESOLVE_BENEATH:
                raise SysError(EXDEV)
            self.node = self.floor or self.space.root(self.opened)
        self.names += target.split(b"/")[::-1]
        return None

    def _jump(self, node: Node, last: bool) -> Found | None:
        """A magic link leads to a node, not to a path."""
        if self.resolve & f.RESOLVE_NO_MAGICLINKS:
            raise SysError(ELOOP)
        if self.floor is not None:
            raise SysError(EXDEV)
        if last:
            if self.names:
                self._require_dir(node)
            return Found(None, b"", node, bool(self.names))
        self.node = node
        return None

    def _leap(self) -> bool:
        """Takes all names but the last at once, if one layer has them and none is a link."""
        end = next(i for i, name in enumerate(self.names) if name not in (b"", b"."))
        names = [name for name in self.names[:end:-1] if name not in (b"", b".")]
        if len(names) < 2 or b".." in names or not self._is_plain(names):
            return False
        how = OPEN_HOW.pack(LOOK | f.O_DIRECTORY, 0, PLAIN | self.resolve & f.RESOLVE_NO_XDEV)
        path = b"/".join(names) + b"\0"
        made = self.space.hidden.now(nr.NR_OPENAT2, self.node.fd, path, how, len(how))
        if made < 0:
            return False  # a link, or an error: step by step it will be known which
        self.opened.append(made)
        parts = None if self.node.parts is None else (*self.node.parts, *names)
        self.node = Node(parts, self.node.mount, [(0, made)], posix.fstat(made).st_mode)
        del self.names[end + 1 :]
        return True

    def _is_plain(self, names: list[bytes]) -> bool:
        """Whether the host's own walk over these names is ours."""
        node = self.node
        if node.mount is None or node.parts is None:
            return True
        if node.mount.kind == PROC or node.mount.is_merged or node.mount.layers[0].only is not None:
            return False
        start, mounts = node.parts, self.space.mounts
        return not any((*start, *names[:i]) in mounts for i in range(1, len(names) + 1))


def read_link(node: Node) -> bytes:
    """Where a symbolic link leads."""
    try:
        return posix.readlink(b"", dir_fd=node.fd)
    except OSError as error:
        raise SysError(error.errno or ENOENT) from None


def _has(node: Node, index: int, name: bytes) -> bool:
    """Whether a layer may show a name in a directory."""
    if node.mount is None or node.parts is None:
        return True
    only = node.mount.layers[index].only
    return only is None or bool(node.inner) or name in only


def same(one: posix.stat_result, two: posix.stat_result) -> bool:
    """Whether two files are one."""
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def exists(fd: int, name: bytes) -> bool:
    """Whether a directory has a name."""
    return posix.access(name, posix.F_OK, dir_fd=fd, follow_symlinks=False)


def _inner(layer: Layer, path: bytes) -> bytes | None:
    """A host's path below a layer."""
    top = layer.path.rstrip(b"/")
    if path == (top or b"/"):
        return b""
    if path.startswith(top + b"/") and not layer.name:
        return path[len(top) + 1 :]
    return None


def _is_hidden(node: Node, name: bytes) -> bool:
    """Whether a name marks something, in a merged directory."""
    return node.mount is not None and node.mount.is_merged and name.startswith(WHITEOUT)
