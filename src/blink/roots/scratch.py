"""A directory for what lives as long as the guests of a root: tmpfs, and writes to an image.

All of them share a lock on a file in it, through a descriptor of ours.  Who ends by itself and
finds the lock free was the last and removes the directory; what a killed guest left is removed by
the next start that makes one.
"""

from __future__ import annotations

import posix
from errno import EEXIST
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from stat import S_ISDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Process

PREFIX = b"root-"
LOCK = b"lock"
KEY = "scratch lock"
SLOTS = 64  # of hidden descriptors


def make(process: Process) -> bytes:
    """A new directory, removed after the last guest."""
    base = _base()
    _sweep(base)
    path = _new(base)
    name = path + b"/" + LOCK
    lock = posix.open(name, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    flock(lock, LOCK_SH)
    if not posix.access(name, posix.F_OK):  # swept before it was locked
        posix.close(lock)
        return make(process)
    process.hidden.keep(KEY, lock)
    return path


def remove_later(process: Process, path: bytes) -> None:
    """Starts a process that waits for the last guest, for guests that may not remove it."""
    child = posix.fork()
    if child:
        posix.waitpid(child, 0)
        return
    if posix.fork():  # the second is nobody's child, so that no guest waits for it
        posix._exit(0)
    posix.setsid()
    posix.closerange(0, process.hidden.low + SLOTS)
    lock = posix.open(path + b"/" + LOCK, posix.O_RDWR | posix.O_CLOEXEC)
    flock(lock, LOCK_EX)
    remove_tree(path)
    posix._exit(0)


def _base() -> bytes:
    """A directory of this user's in the place for temporary files."""
    path = (posix.environ.get(b"TMPDIR") or b"/tmp") + b"/blink-%d" % posix.geteuid()
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        status = posix.lstat(path)
        if status.st_uid != posix.geteuid() or not S_ISDIR(status.st_mode):
            raise OSError(EEXIST, "belongs to somebody else; set TMPDIR", path) from None
    return path


def _new(base: bytes) -> bytes:
    while True:
        path = base + b"/" + PREFIX + posix.urandom(6).hex().encode()
        try:
            posix.mkdir(path, 0o700)
        except OSError as error:
            if error.errno != EEXIST:
                raise
            continue
        return path


def leave(process: Process, path: bytes) -> None:
    """Lets the lock go, and removes the directory when nobody else has it."""
    process.hidden.close(KEY)
    _remove_unless_locked(path)


def _remove_unless_locked(path: bytes) -> None:
    try:
        lock = posix.open(path + b"/" + LOCK, posix.O_RDWR | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    except OSError:
        return
    try:
        flock(lock, LOCK_EX | LOCK_NB)
        remove_tree(path)
    except OSError:
        return
    finally:
        posix.close(lock)


def _sweep(base: bytes) -> None:
    """Removes what guests that were killed have left."""
    for name in posix.listdir(base):
        if name.startswith(PREFIX):
            _remove_unless_locked(base + b"/" + name)


def remove_tree(path: bytes) -> None:
    """Removes a directory and what is in it, whatever its modes; links are not followed."""
    folder, _, name = path.rpartition(b"/")
    fd = posix.open(folder or b"/", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        remove_entry(fd, name)
    finally:
        posix.close(fd)


def remove_entry(parent: int, name: bytes) -> None:
    """Removes a name and all below it.  Raises OSError."""
    if not S_ISDIR(posix.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        posix.unlink(name, dir_fd=parent)
        return
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        fd = posix.open(name, flags, dir_fd=parent)
    except PermissionError:
        posix.chmod(name, 0o700, dir_fd=parent)
        fd = posix.open(name, flags, dir_fd=parent)
    try:
        if posix.fstat(fd).st_mode & 0o700 != 0o700:
            posix.fchmod(fd, 0o700)
        for inner in posix.listdir(fd):
            remove_entry(fd, inner.encode(errors="surrogateescape"))
    finally:
        posix.close(fd)
    posix.rmdir(name, dir_fd=parent)
