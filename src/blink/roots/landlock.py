"""Landlock: the host's kernel itself keeps a process to the directories of its root.

A second wall behind the first: paths are confined by `Namespace` already, but machine code that
attacks the emulator could make calls of its own.  Best effort: hosts before Linux 5.13, or without
it, are noted in the log.  The rules leave what the emulator itself needs: its modules, /proc, and
what standard input and output are.
"""

from __future__ import annotations

import posix
import sys
from stat import S_ISDIR
from struct import Struct

from blink.abi.encoding import encode
from blink.vfs.resolve import fd_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.process import Process
    from blink.roots.namespace import Namespace

NR_CREATE, NR_ADD_RULE, NR_RESTRICT, NR_PRCTL = 444, 445, 446, 157
PR_SET_NO_NEW_PRIVS = 38
VERSION = 1
PATH_BENEATH = 1
_RULESET = Struct("<Q")
_RULE = Struct("<Qi")
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REMOVE_DIR = 1 << 4
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
# What each ABI knows: the first 13 rights, then one more in 2, 3 and 5.
RIGHTS = {1: REFER - 1, 2: TRUNCATE - 1, 3: IOCTL_DEV - 1, 4: IOCTL_DEV - 1}
ALL = (IOCTL_DEV << 1) - 1


def confine(process: Process, space: Namespace, scratch: bytes | None) -> None:
    """Restricts this process, and all that it starts, to the layers of its mounts and `scratch`."""
    now = process.files.host.now
    version = now(NR_CREATE, 0, 0, VERSION)
    if version <= 0:
        process.log("this host has no Landlock: paths are confined by blink alone")
        return
    handled = RIGHTS.get(version, ALL)
    ruleset = now(NR_CREATE, _RULESET.pack(handled), _RULESET.size, 0)
    if ruleset < 0:
        process.log(f"Landlock cannot be used: {posix.strerror(-ruleset)}")
        return
    _add_rules(process, space, ruleset, handled)
    if scratch is not None:
        _allow(process, ruleset, scratch, handled)
        _allow(process, ruleset, scratch.rpartition(b"/")[0], REMOVE_DIR)
    now(NR_PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    result = now(NR_RESTRICT, ruleset, 0)
    posix.close(ruleset)
    if result < 0:
        process.log(f"Landlock cannot be used: {posix.strerror(-result)}")


def _add_rules(process: Process, space: Namespace, ruleset: int, handled: int) -> None:
    for mount in space.mounts.values():
        for index, layer in enumerate(mount.layers):
            writes = (index == 0 and not mount.read_only) or layer.only is not None
            _allow(process, ruleset, layer.path, handled if writes else READ)
    _allow(process, ruleset, b"/proc", handled)
    for path in _own_paths():
        _allow(process, ruleset, path, READ)
    for fd in range(3):
        _allow(process, ruleset, fd_path(fd), handled)


def _own_paths() -> set[bytes]:
    """Where modules may still be imported from, and the libraries that they need."""
    places = {encode(path) for path in sys.path if path}
    return places | {b"/lib", b"/lib64", b"/usr/lib", b"/usr/lib64", b"/etc/ld.so.cache"}


def _allow(process: Process, ruleset: int, path: bytes, rights: int) -> None:
    try:
        fd = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    except OSError:
        return
    if not S_ISDIR(posix.fstat(fd).st_mode):
        rights &= OF_FILES
    process.files.host.now(NR_ADD_RULE, ruleset, PATH_BENEATH, _RULE.pack(rights, fd), 0)
    posix.close(fd)
