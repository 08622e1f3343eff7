"""All mounts of a process: what lies where in the guest's tree, made of directories of the host.

Rejected: mount namespaces, which need privileges or user namespaces that many hosts forbid, and
RESOLVE_IN_ROOT alone, which knows one tree.
"""

from __future__ import annotations

import posix
from errno import ENOENT, ENOTDIR, EXDEV
from stat import S_ISCHR, S_ISDIR

from blink.abi import files as f
from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.roots.tree import DELETED, OPAQUE, PROC, WHITEOUT, Node, exists
from blink.roots.walk import LOOK, Walk
from blink.vfs.resolve import check, where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.hidden import HiddenFds
    from blink.roots.tree import Found, Layer, Mount, Parts

    Place = tuple[Mount, int, Parts]
    Magic = Callable[[Node, list[int]], Node | None]

MAX_PLACES = 4096


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
        if node.hides(name) or not self.admits(node, name):
            return None
        dirs: list[tuple[int, int]] = []
        mode = 0
        for index, fd in node.dirs:
            if not node.may_have(index, name):
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
        return Walk(self, opened, resolve).go(dirfd, path, follow)


def _inner(layer: Layer, path: bytes) -> bytes | None:
    """A host's path below a layer."""
    top = layer.path.rstrip(b"/")
    if path == (top or b"/"):
        return b""
    if path.startswith(top + b"/") and not layer.name:
        return path[len(top) + 1 :]
    return None
