"""Runs an image: its environment, entry point, working directory and user, as `docker run` does."""

from __future__ import annotations

import os
import posix
from pathlib import Path

from blink import _engine
from blink.abi.encoding import encode
from blink.images import ImageError, cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.roots.plan import Plan

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RESOLVER = ("/etc/resolv.conf", "/etc/hosts")


class User:
    """Who the program runs as."""

    def __init__(self, uid: int, gid: int, home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.home = home


def prepare(
    name: str, argv: list[str], plan: Plan, term: str | None = None
) -> tuple[list[str], list[bytes]]:
    """Unpacks the image if need be, and completes the plan; arguments and environment.

    Without arguments they are the image's own.  `term` is TERM of the terminal.  Raises ImageError.
    """
    path = Path(name)
    image = cache.find(path, _engine.host_call_now)
    config = image.config
    user = find_user(str(config.get("User") or ""), image.root, path)
    argv = argv or command(config)
    if not argv:
        raise ImageError(f"{path}: the image names no program to run; name one")
    plan.layers = [encode(str(image.root))]
    plan.scratch = plan.upper is None
    plan.cwd = encode(str(config.get("WorkingDir") or "/"))
    plan.makes_cwd = True
    if posix.geteuid() == 0 and user.uid != 0:
        plan.user = (user.uid, user.gid)
    if not plan.bare:
        plan.binds += [(encode(f), encode(f), True) for f in RESOLVER if os.path.isfile(f)]
    term = term or os.environ.get("TERM", "xterm")
    return argv, [encode(variable) for variable in environment(config, user, term)]


def command(config: dict[str, Any]) -> list[str]:
    """The entry point and its arguments."""
    return [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]


def environment(config: dict[str, Any], user: User, term: str) -> list[str]:
    """The image's variables, and those that `docker run` adds."""
    given = list(config.get("Env") or [])
    names = {variable.partition("=")[0] for variable in given}
    added = [PATH, f"HOSTNAME={posix.uname().nodename}", f"HOME={user.home}"]
    if posix.isatty(0):
        added.append("TERM=" + term)
    return [v for v in added if v.partition("=")[0] not in names] + given


def find_user(text: str, root: Path, path: Path) -> User:
    """USER[:GROUP], names or numbers, looked up in the image's /etc/passwd and /etc/group."""
    name, _, group = text.partition(":")
    rows = _table(root, "passwd")
    row = next((row for row in rows if row[0] == name or row[2] == (name or "0")), None)
    if row is None and not (name or "0").isdigit():
        raise ImageError(f"{path}: its user {name!r} is not in its /etc/passwd")
    uid = int(row[2] if row else name or "0")
    gid = int(row[3]) if row else 0
    if group:
        found = next((g for g in _table(root, "group") if g[0] == group or g[2] == group), None)
        if found is None and not group.isdigit():
            raise ImageError(f"{path}: its group {group!r} is not in its /etc/group")
        gid = int(found[2] if found else group)
    return User(uid, gid, row[5] if row and len(row) > 5 else "/root" if uid == 0 else "/")


def _table(root: Path, name: str) -> list[list[str]]:
    """The rows of a file in /etc; none when it is not there, or a link."""
    file = root / "etc" / name
    if file.is_symlink() or not file.is_file() or file.parent.is_symlink():
        return []
    rows = [row.split(":") for row in file.read_text(errors="replace").splitlines()]
    return [row for row in rows if len(row) > 3 or (name == "group" and len(row) > 2)]
