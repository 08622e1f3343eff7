"""System calls with paths that the host makes: which path it gets, and what else has to happen.

What a call does to its path decides: look at it, change it, make it, take it away, move it.
"""

from __future__ import annotations

import posix
from errno import EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV

from blink.abi.errors import SysError
from blink.roots import overlay, private
from blink.roots.tree import WHITEOUT, same
from blink.vfs.arguments import follows
from blink.vfs.resolve import fd_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task
    from blink.roots.rooted import RootedFiles
    from blink.roots.tree import Found, Node
    from blink.syscalls._spec import Arg, Call

    Registers = tuple[int, ...]
    Arguments = list[int | bytes]

MAKE = ("mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat")
REMOVE = ("unlink", "unlinkat", "rmdir")
CHANGE = (
    *("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimes"),
    *("futimesat", "utimensat", "truncate", "setxattr", "lsetxattr", "removexattr"),
    *("lremovexattr", "setxattrat", "removexattrat", "file_setattr"),
)
ACCESS = ("access", "faccessat", "faccessat2")
MOVE = ("rename", "renameat", "renameat2")
LINK = ("link", "linkat")
CHANGE_OPEN = ("fchmod", "fchown", "fsetxattr", "fremovexattr")
AT_REMOVEDIR = 0x200
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
W_OK = 2


class Work:
    """One call on its way to the host."""

    __slots__ = ("arguments", "call", "files", "opened", "registers", "task")

    def __init__(
        self, files: RootedFiles, task: Task, call: Call, registers: Registers,
        arguments: Arguments, opened: list[int],
    ) -> None:  # fmt: skip
        self.files = files
        self.task = task
        self.call = call
        self.registers = registers
        self.arguments = arguments
        self.opened = opened

    def run(self) -> int:
        """The host's result."""
        result: int = self.task.host_call(self.call.number, *self.arguments)
        return result

    def set(self, arg: Arg, path: bytes) -> None:
        self.arguments[arg.index] = path + b"\0"

    def path(self, arg: Arg) -> bytes:
        """The guest's path; empty for NULL where that is allowed."""
        address = self.registers[arg.index]
        return b"" if not address and arg.type.optional else self.task.read_path(address)

    def find(self, arg: Arg, path: bytes) -> Found:
        """Where the path of an argument leads."""
        dirfd = self.files._dirfd(self.registers, arg)
        return self.files.space.walk(dirfd, path, follows(arg, self.registers), self.opened)

    def find_name(self, arg: Arg, path: bytes) -> Found:
        """The name that a call makes or takes away: a link is not followed, slash or not."""
        bare = path.rstrip(b"/") or path[:1]
        dirfd = self.files._dirfd(self.registers, arg)
        found = self.files.space.walk(dirfd, bare, False, self.opened)
        found.slash = bare != path and found.parent is not None
        return found


# Call -> the place of its flags, and those that it knows: unknown ones are refused before the path.
FLAGS = {"linkat": (4, 0x1400), "unlinkat": (2, AT_REMOVEDIR)}


def _check_flags(call: Call, registers: Registers) -> None:
    place, known = FLAGS.get(call.name, (0, -1))
    if registers[place] & 0xFFFFFFFF & ~known:
        raise SysError(EINVAL)


def forward(
    files: RootedFiles, task: Task, call: Call, registers: Registers, arguments: Arguments,
    opened: list[int],
) -> int:  # fmt: skip
    """The result of a call, or -errno."""
    _check_flags(call, registers)
    work = Work(files, task, call, registers, arguments, opened)
    return _WAYS.get(call.name, _look)(work)


def _look(work: Work) -> int:
    for arg in work.call.paths:
        path = work.path(arg)
        if path:
            found = work.find(arg, path)
            work.set(arg, host_path(work.files, found, follows(arg, work.registers)))
    return work.run()


def host_path(files: RootedFiles, found: Found, follow: bool) -> bytes:
    """A path of the host that leads to what was found."""
    node = found.existing()
    path = fd_path(node.fd)
    if follow or found.parent is None:
        return path + (b"/." if node.is_dir else b"")
    if node.is_mounted:
        assert node.mount is not None
        layer = node.mount.layers[0]
        folder = fd_path(files.process.hidden.fds[layer.key])
        return folder + b"/" + layer.name if layer.name else path + b"/."
    for index, fd in found.parent.dirs:
        if index == node.layer:
            return fd_path(fd) + b"/" + found.name
    return path


def _access(work: Work) -> int:
    arg = work.call.paths[0]
    path = work.path(arg)
    if path and work.registers[arg.index + 1] & W_OK:
        node = work.find(arg, path).existing()
        if node.is_file or node.is_dir:
            work.files.require_writable(node)
    return _look(work)


# --- changing ---


def _change(work: Work) -> int:
    arg = work.call.paths[0]
    path = work.path(arg)
    if not path:
        return _change_open(work, arg)
    found = work.find(arg, path)
    node = found.existing()
    if node.is_mounted or not overlay.is_lower(node):
        work.files.require_writable(node)
        work.set(arg, host_path(work.files, found, follows(arg, work.registers)))
        return work.run()
    fd = work.files.copy_up(found, work.opened)
    if found.parent is None or node.is_dir or follows(arg, work.registers):
        work.set(arg, fd_path(fd) + (b"/." if node.is_dir else b""))
    else:
        folder = work.files.upper(found.folder(), work.opened)
        work.set(arg, fd_path(folder) + b"/" + found.name)
    return work.run()


def _change_open(work: Work, arg: Arg) -> int:
    """A call on a descriptor, by an empty path or none."""
    fd = _s32(work.registers[arg.dirfd]) if arg.dirfd is not None else -1
    if fd >= 0:
        changed = _changeable(work, fd)
        if changed is not None:
            work.set(arg, fd_path(changed))
    return work.run()


def _changeable(work: Work, fd: int) -> int | None:
    """A descriptor of the copy of what a descriptor refers to; None where it is the same."""
    node = work.files.node_of(fd, work.opened)
    work.files.require_writable(node)
    if not overlay.is_lower(node):
        return None
    assert node.parts is not None
    parent = work.files.space.at(node.parts[:-1], work.opened)
    return overlay.copy_up(work.files.space, parent, node, work.opened)


def _change_by_fd(work: Work) -> int:
    """fchmod(2) and its like, which need no descriptor for writing."""
    fd = _s32(work.registers[0])
    if not work.files.process.hides(fd) and fd >= 0:
        changed = _changeable(work, fd)
        if changed is not None:
            made = posix.open(fd_path(changed), posix.O_RDONLY | posix.O_CLOEXEC)
            work.opened.append(made)
            work.arguments[0] = made
    return work.run()


def _s32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - ((value & 1 << 31) << 1)


# --- names ---


def _make(work: Work) -> int:
    arg = work.call.paths[0]
    found = work.find_name(arg, work.path(arg))
    name = work.files.new_name(found, work.opened, work.call.name.startswith("mkdir"))
    if found.name.startswith(WHITEOUT) and _is_merged(found.folder()):
        raise SysError(EPERM)
    if work.call.name.startswith("mknod"):
        _check_device(work, arg)
    work.set(arg, name)
    result = work.run()
    if result == 0:
        _shown(work, found, work.call.name.startswith("mkdir"))
    return result


def _check_device(work: Work, arg: Arg) -> None:
    mode, device = work.registers[arg.index + 1], work.registers[arg.index + 2]
    try:
        private.require_harmless(work.files, mode & 0xFFFF, device & 0xFFFFFFFF)
    except SysError:
        raise SysError(EPERM) from None


def _is_merged(node: Node) -> bool:
    return node.mount is not None and node.mount.is_merged


def _shown(work: Work, found: Found, is_dir: bool) -> None:
    """A name has come; what it hid below stays hidden."""
    if _is_merged(found.folder()):
        folder = work.files.upper(found.folder(), work.opened)
        overlay.show(folder, found.name, is_dir)


def _hidden(work: Work, found: Found) -> None:
    """A name has gone from the upper directory; lower ones must not show it."""
    space = work.files.space
    if overlay.lower_has(space, found.folder(), found.name, work.opened):
        overlay.hide(work.files.upper(found.folder(), work.opened), found.name)


def _require_name(found: Found, path: bytes, error: int) -> None:
    if found.parent is None:
        last = path.rstrip(b"/").rpartition(b"/")[2]
        raise SysError({b".": EINVAL, b"..": ENOTEMPTY}.get(last, EBUSY) if error else EBUSY)


def _require_unmounted(work: Work, node: Node) -> None:
    """Raises EBUSY for a mount point, or a directory that has one in it."""
    if node.parts is not None and work.files.space.has_mounts(node.parts):
        raise SysError(EBUSY)


def _remove(work: Work) -> int:
    arg = work.call.paths[0]
    path = work.path(arg)
    found = work.find_name(arg, path)
    rmdir = work.call.name == "rmdir" or (
        work.call.name == "unlinkat" and bool(work.registers[2] & AT_REMOVEDIR)
    )
    if found.parent is None and not rmdir:
        raise SysError(EISDIR)
    _require_name(found, path, 1)
    node = found.existing()
    _require_unmounted(work, node)
    work.files.require_writable(node)
    if rmdir != node.is_dir:
        raise SysError(ENOTDIR if rmdir else EISDIR)
    if found.slash and not node.is_dir:
        raise SysError(ENOTDIR)
    if _is_merged(node):
        return _remove_merged(work, arg, found)
    work.set(arg, host_path(work.files, found, False) + (b"/" if found.slash else b""))
    return work.run()


def _remove_merged(work: Work, arg: Arg, found: Found) -> int:
    node, result = found.existing(), 0
    if node.is_dir:
        overlay.require_empty(work.files.space, node)
        overlay.clear_marks(node)
    if not overlay.is_lower(node):
        work.set(arg, host_path(work.files, found, False))
        result = work.run()
    if result == 0:
        _hidden(work, found)
    return result


def _move(work: Work) -> int:
    flags = work.registers[4] & 0xFFFFFFFF if work.call.name == "renameat2" else 0
    if flags > 7 or (flags & RENAME_EXCHANGE and flags != RENAME_EXCHANGE):
        raise SysError(EINVAL)
    paths = [work.path(arg) for arg in work.call.paths]
    old, new = (work.find_name(arg, path) for arg, path in zip(work.call.paths, paths, strict=True))
    for found, path in ((old, paths[0]), (new, paths[1])):
        _require_name(found, path, 0)
        if found.node is not None:
            _require_unmounted(work, found.node)
    moved = old.existing()
    _check_names(old, new, flags)
    if new.node is not None and same(posix.fstat(moved.fd), posix.fstat(new.node.fd)):
        return 0
    overlay.check_move(work.files.space, old, new, flags)
    work.files.require_writable(old.folder())
    work.files.require_writable(new.folder())
    if not _is_merged(moved):
        for arg, found in zip(work.call.paths, (old, new), strict=True):
            work.set(arg, fd_path(found.folder().fd) + b"/" + found.name + _slash(found))
        return work.run()
    if flags & RENAME_WHITEOUT:
        raise SysError(EINVAL)
    return _move_merged(work, old, new, flags)


def _check_names(old: Found, new: Found, flags: int) -> None:
    """What renameat2(2) asks first."""
    moved, target = old.existing(), new.node
    if flags & RENAME_NOREPLACE and target is not None:
        raise SysError(EEXIST)
    if flags & RENAME_EXCHANGE and target is None:
        raise SysError(ENOENT)
    if not moved.is_dir and (old.slash or (new.slash and not flags & RENAME_EXCHANGE)):
        raise SysError(ENOTDIR)
    if flags & RENAME_EXCHANGE and new.slash and target is not None and not target.is_dir:
        raise SysError(ENOTDIR)
    _check_loops(old, new, flags)


def _check_loops(old: Found, new: Found, flags: int) -> None:
    """Nothing moves into itself or onto a directory that it lies in."""
    moved, target, folder = old.existing().parts, new.node, new.folder().parts
    if moved is not None and folder is not None and folder[: len(moved)] == moved:
        raise SysError(EINVAL)
    above = None if target is None else target.parts
    if moved is None or above is None or moved == above:
        return
    if moved[: len(above)] == above:
        raise SysError(EINVAL if flags & RENAME_EXCHANGE else ENOTEMPTY)


def _slash(found: Found) -> bytes:
    return b"/" if found.slash else b""


def _move_merged(work: Work, old: Found, new: Found, flags: int) -> int:
    """A rename in the upper layer, after what moves has been copied there."""
    files = work.files
    moved, target = old.existing(), new.node
    _check_kinds(moved, target, flags)
    files.copy_up(old, work.opened)
    if flags & RENAME_EXCHANGE:
        files.copy_up(new, work.opened)
    for arg, found in zip(work.call.paths, (old, new), strict=True):
        folder = files.upper(found.folder(), work.opened)
        work.set(arg, fd_path(folder) + b"/" + found.name)
    result = work.run()
    if result == 0 and not flags & RENAME_EXCHANGE:
        if moved.is_dir and overlay.lower_has(
            files.space, new.folder(), new.name, work.opened
        ):  # what was there must not show through
            overlay.hide(files.upper(new.folder(), work.opened), new.name)
        _shown(work, new, moved.is_dir)
        _hidden(work, old)
    return result


def _check_kinds(moved: Node, target: Node | None, flags: int) -> None:
    if target is None or flags & RENAME_EXCHANGE:
        return
    if moved.is_dir and not target.is_dir:
        raise SysError(ENOTDIR)
    if target.is_dir and not moved.is_dir:
        raise SysError(EISDIR)


def _link(work: Work) -> int:
    old_arg, new_arg = work.call.paths
    path = work.path(old_arg)
    old = work.find(old_arg, path) if path else None
    node = old.existing() if old is not None else None
    new = work.find_name(new_arg, work.path(new_arg))
    work.set(new_arg, work.files.new_name(new, work.opened))
    if old is not None and node is not None:
        mount = new.folder().mount
        if node.parts is not None and node.mount is not mount:
            raise SysError(EXDEV)
        if node.is_dir:
            raise SysError(EPERM)
        if node.is_mounted:
            raise SysError(EXDEV)
        work.set(old_arg, _link_source(work, old_arg, old))
    else:
        _require_linkable(work, old_arg)
    result = work.run()
    if result == 0:
        _shown(work, new, False)
    return result


def _link_source(work: Work, arg: Arg, old: Found) -> bytes:
    node = old.existing()
    fd = work.files.copy_up(old, work.opened)
    if old.parent is None or follows(arg, work.registers):
        return fd_path(fd)
    if overlay.is_lower(node):
        return fd_path(work.files.upper(old.folder(), work.opened)) + b"/" + old.name
    return host_path(work.files, old, False)


def _require_linkable(work: Work, arg: Arg) -> None:
    """linkat(2) with AT_EMPTY_PATH: the file must be where it may be linked."""
    fd = work.files._dirfd(work.registers, arg)
    node = work.files.node_of(fd, work.opened)
    if (node.parts is None and node.mount is not None) or overlay.is_lower(node):
        raise SysError(EROFS if node.mount is None else EXDEV)


_WAYS: dict[str, Callable[[Work], int]] = {
    **dict.fromkeys(MAKE, _make),
    **dict.fromkeys(REMOVE, _remove),
    **dict.fromkeys(CHANGE, _change),
    **dict.fromkeys(ACCESS, _access),
    **dict.fromkeys(MOVE, _move),
    **dict.fromkeys(LINK, _link),
    **dict.fromkeys(CHANGE_OPEN, _change_by_fd),
}
