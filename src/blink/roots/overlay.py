"""Directories made of layers: copying up, hiding names, listing what all layers have together.

Writes go to the first layer.  What lies below is copied there before it changes, and a name that
goes away is hidden by a file `.wh.NAME`; a directory with `.wh..wh..opq` hides those below it.
These are the marks of OCI image layers, so that an upper directory is such a layer; character
devices 0:0, overlayfs's, hide names, too.  Rejected as our own: they need mknod(2).
"""

from __future__ import annotations

import posix
from contextlib import suppress
from errno import EIO, ENOTEMPTY, EROFS, EXDEV
from stat import S_ISFIFO, S_ISLNK, S_ISREG

from blink.abi import files as f
from blink.abi.encoding import encode
from blink.abi.errors import SysError
from blink.roots.tree import OPAQUE, WHITEOUT, exists, read_link
from blink.vfs.resolve import fd_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.roots.namespace import Namespace
    from blink.roots.tree import Found, Mount, Node

DRAFT = b".wh..wh.blink."
CHUNK = 1 << 20
RENAME_EXCHANGE = 2
LISTING = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
READ = posix.O_RDONLY | posix.O_CLOEXEC
WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC


def failed(error: OSError) -> SysError:
    """The error of a system call that needed a copy or a mark."""
    return SysError(error.errno or EIO)


def require_writable(mount: Mount | None) -> None:
    """Raises EROFS for a mount that is read-only."""
    if mount is not None and mount.read_only:
        raise SysError(EROFS)


def is_lower(node: Node) -> bool:
    """Whether a write must copy it first."""
    return node.mount is not None and node.mount.is_merged and node.layer > 0


# --- copying up ---


def upper_directory(space: Namespace, node: Node, opened: list[int]) -> int:
    """A descriptor of the directory in the layer that is written to; made there if need be."""
    require_writable(node.mount)
    if not is_lower(node):
        return node.fd
    assert node.parts is not None
    above = space.at(node.parts[:-1], opened)
    return _copy_directory(upper_directory(space, above, opened), node, opened)


def _copy_directory(parent: int, node: Node, opened: list[int]) -> int:
    assert node.parts is not None
    name = node.parts[-1]
    times = posix.fstat(parent)
    try:
        posix.mkdir(name, 0o700, dir_fd=parent)
        _set_times(parent, times)
        made = posix.open(name, LISTING | posix.O_NOFOLLOW, dir_fd=parent)
        opened.append(made)
        _copy_attributes(node.fd, made)
    except FileExistsError:  # another process was faster
        made = posix.open(name, LISTING | posix.O_NOFOLLOW, dir_fd=parent)
        opened.append(made)
    except OSError as error:
        raise failed(error) from None
    return made


def copy_up(
    space: Namespace, parent: Node, node: Node, opened: list[int], data: bool = True
) -> int:
    """A descriptor (O_PATH) of the copy of a node in the layer that is written to.

    `data`: with its content; else a regular file is empty, for O_TRUNC.
    """
    if not is_lower(node):
        return node.fd
    if node.is_dir:
        return upper_directory(space, node, opened)
    assert node.parts is not None
    folder, name = upper_directory(space, parent, opened), node.parts[-1]
    draft = DRAFT + b"%d" % posix.getpid()
    times = posix.fstat(parent.fd)
    try:
        _copy(node, folder, draft, data)
        posix.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        _set_times(folder, times)
        made = posix.open(name, f.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        raise failed(error) from None
    opened.append(made)
    return made


def _set_times(fd: int, status: posix.stat_result) -> None:
    """A copy in a directory is no change of it."""
    posix.utime(fd_path(fd), ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy(node: Node, folder: int, draft: bytes, data: bool) -> None:
    mode = node.mode
    if exists(folder, draft):
        posix.unlink(draft, dir_fd=folder)
    if S_ISLNK(mode):
        posix.symlink(read_link(node), draft, dir_fd=folder)
        _own(node.fd, draft, folder)
        return
    if not S_ISREG(mode):
        kind = posix.mkfifo if S_ISFIFO(mode) else None
        if kind is None:
            posix.mknod(draft, mode, posix.fstat(node.fd).st_rdev, dir_fd=folder)
        else:
            kind(draft, mode & 0o7777, dir_fd=folder)
        return
    source = posix.open(fd_path(node.fd), READ)
    try:
        target = posix.open(draft, WRITE, 0o600, dir_fd=folder)
        try:
            if data:
                _copy_data(source, target)
            _copy_attributes(node.fd, target)
        finally:
            posix.close(target)
    finally:
        posix.close(source)


def _copy_data(source: int, target: int) -> None:
    while part := posix.read(source, CHUNK):
        while part:
            part = part[posix.write(target, part) :]


def _own(fd: int, name: bytes, folder: int) -> None:
    status = posix.fstat(fd)
    try:
        posix.chown(name, status.st_uid, status.st_gid, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return  # only root may give files away


def _copy_attributes(source: int, target: int) -> None:
    """Owner, mode, times and user attributes, as far as we may."""
    status = posix.fstat(source)
    if (status.st_uid, status.st_gid) != (posix.geteuid(), posix.getegid()):
        with suppress(OSError):  # the copy is ours, then
            posix.fchown(target, status.st_uid, status.st_gid)
    path = fd_path(source)
    with suppress(OSError):  # no attributes here
        for name in posix.listxattr(path):
            posix.setxattr(target, name, posix.getxattr(path, name))
    posix.fchmod(target, status.st_mode & 0o7777)
    posix.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


# --- hiding ---


def is_hidden(folder: int, name: bytes) -> bool:
    """Whether the upper directory hides a name of the layers below."""
    return exists(folder, WHITEOUT + name)


def hide(folder: int, name: bytes) -> None:
    """Hides a name of the layers below."""
    try:
        _mark(folder, WHITEOUT + name)
    except OSError as error:
        raise failed(error) from None


def _mark(folder: int, name: bytes) -> None:
    with suppress(FileExistsError):
        posix.close(posix.open(name, WRITE, 0o600, dir_fd=folder))


def show(folder: int, name: bytes, is_dir: bool) -> None:
    """Something new has a name that was hidden; what a new directory covers stays hidden."""
    if not is_hidden(folder, name):
        return
    try:
        if is_dir:
            made = posix.open(name, LISTING | posix.O_NOFOLLOW, dir_fd=folder)
            times = posix.fstat(made)
            _mark(made, OPAQUE)
            _set_times(made, times)
            posix.close(made)
        posix.unlink(WHITEOUT + name, dir_fd=folder)
    except OSError as error:
        raise failed(error) from None


def lower_has(space: Namespace, parent: Node, name: bytes, opened: list[int]) -> bool:
    """Whether a layer below the upper one would show a name."""
    below = [pair for pair in parent.dirs if pair[0] > 0]
    if not below or parent.mount is None or not parent.mount.is_merged:
        return False
    twin = type(parent)(parent.parts, parent.mount, below, parent.mode)
    return space.child(twin, name, opened) is not None


# --- listing ---


def names(space: Namespace, node: Node) -> dict[bytes, tuple[int, int]]:
    """The names in a directory -> (inode, kind as in d_type); without `.` and `..`."""
    found: dict[bytes, tuple[int, int]] = {}
    hidden: set[bytes] = set()
    for index, fd in node.dirs:
        here = _layer_names(fd)
        only = None
        if node.mount is not None and node.parts is not None and not node.inner:
            only = node.mount.layers[index].only
        for name, what in here.items():
            if name not in hidden and name not in found and (only is None or name in only):
                found[name] = what
        if node.mount is not None and node.mount.layers[index].whiteouts:
            hidden |= {n[len(WHITEOUT) :] for n in here if n.startswith(WHITEOUT)}
        hidden |= found.keys()
    if node.mount is not None and node.mount.is_merged:
        found = {n: what for n, what in found.items() if not _is_mark(n, what, node)}
    return {**found, **_mount_points(space, node)}


def _is_mark(name: bytes, what: tuple[int, int], node: Node) -> bool:
    if name.startswith(WHITEOUT):
        return True
    if what[1] != DT_CHR:
        return False
    for _index, fd in node.dirs:
        try:
            return posix.stat(name, dir_fd=fd, follow_symlinks=False).st_rdev == 0
        except OSError:
            continue
    return False


DT_CHR, DT_DIR, DT_REG = 2, 4, 8


def _layer_names(fd: int) -> dict[bytes, tuple[int, int]]:
    made = posix.open(fd_path(fd), LISTING)
    try:
        with posix.scandir(made) as entries:
            return {encode(entry.name): _kind(entry) for entry in entries}
    finally:
        posix.close(made)


def _kind(entry: posix.DirEntry[str]) -> tuple[int, int]:
    if entry.is_symlink():
        return entry.inode(), 10
    if entry.is_dir(follow_symlinks=False):
        return entry.inode(), DT_DIR
    if entry.is_file(follow_symlinks=False):
        return entry.inode(), DT_REG
    try:
        return entry.inode(), entry.stat(follow_symlinks=False).st_mode >> 12
    except OSError:
        return entry.inode(), 0


def _mount_points(space: Namespace, node: Node) -> dict[bytes, tuple[int, int]]:
    if node.parts is None:
        return {}
    depth = len(node.parts)
    found = {}
    for point, mount in space.mounts.items():
        if len(point) == depth + 1 and point[:depth] == node.parts:
            found[point[-1]] = (mount.number, DT_REG if mount.is_file else DT_DIR)
    return found


def require_empty(space: Namespace, node: Node) -> None:
    """Raises ENOTEMPTY."""
    if names(space, node):
        raise SysError(ENOTEMPTY)


def clear_marks(node: Node) -> None:
    """Removes our marks from the upper directory of a directory that shows nothing."""
    if node.layer > 0:
        return
    for name in _layer_names(node.fd):
        if name.startswith(WHITEOUT):
            posix.unlink(name, dir_fd=node.fd)


# --- moving ---


def check_move(space: Namespace, old: Found, new: Found, flags: int) -> None:
    """The errors of renameat2(2) that the host cannot know."""
    moved = old.existing()
    mount = moved.mount
    target = new.node
    if new.folder().mount is not old.folder().mount:
        raise SysError(EXDEV)
    require_writable(mount)
    if mount is None or not mount.is_merged:
        return
    for node in (moved, target if flags & RENAME_EXCHANGE else None):
        if node is not None and node.is_dir and (len(node.dirs) > 1 or node.layer > 0):
            raise SysError(EXDEV)  # as overlayfs: mv(1) copies it
    if target is not None and target.is_dir and moved.is_dir and not flags & RENAME_EXCHANGE:
        require_empty(space, target)
        clear_marks(target)
