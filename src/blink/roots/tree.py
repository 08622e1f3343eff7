"""What a guest's tree is made of: layers, mounts, and what a walk over them finds.

A mount shows one or more layers (directories of the host) at a point of the guest's tree.
"""

from __future__ import annotations

import posix
from errno import ENOENT
from stat import S_ISDIR, S_ISLNK, S_ISREG

from blink.abi.errors import SysError

TYPE_CHECKING = False
if TYPE_CHECKING:
    Parts = tuple[bytes, ...]

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

    def may_have(self, index: int, name: bytes) -> bool:
        """Whether a layer may show a name in this directory."""
        if self.mount is None or self.parts is None:
            return True
        only = self.mount.layers[index].only
        return only is None or bool(self.inner) or name in only

    def hides(self, name: bytes) -> bool:
        """Whether a name marks something, in a merged directory."""
        return self.mount is not None and self.mount.is_merged and name.startswith(WHITEOUT)


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


def read_link(node: Node) -> bytes:
    """Where a symbolic link leads."""
    try:
        return posix.readlink(b"", dir_fd=node.fd)
    except OSError as error:
        raise SysError(error.errno or ENOENT) from None


def same(one: posix.stat_result, two: posix.stat_result) -> bool:
    """Whether two files are one."""
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def exists(fd: int, name: bytes) -> bool:
    """Whether a directory has a name."""
    return posix.access(name, posix.F_OK, dir_fd=fd, follow_symlinks=False)
