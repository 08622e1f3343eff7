"""One walk of a path over the mounts.

A path is walked part by part, each looked up from an open descriptor of its directory with
O_NOFOLLOW; links are read and walked by us, `..` goes back to what we know is above.  So no link,
no `..` and nobody who moves directories meanwhile leads out, and a walk finds a descriptor, not a
name.  Where a mount has one layer, the kernel walks all parts that are no links in one step.
"""

from __future__ import annotations

import posix
from errno import ELOOP, ENOENT, ENOTDIR, EXDEV

from blink.abi import files as f
from blink.abi import numbers as nr
from blink.abi.errors import SysError
from blink.abi.file_structs import OPEN_HOW
from blink.roots.tree import PROC, Found, Node, read_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.roots.namespace import Namespace

MAX_LINKS = 40
LOOK = f.O_PATH | f.O_NOFOLLOW | f.O_CLOEXEC
PLAIN = f.RESOLVE_BENEATH | f.RESOLVE_NO_SYMLINKS | f.RESOLVE_NO_MAGICLINKS


class Walk:
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
