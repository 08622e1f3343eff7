"""What the command line asks for: the layers of a root and what is mounted in it."""

from __future__ import annotations


class Plan:
    """A root to be made.

    layers    directories of the host, the topmost first; `/` is the host's own root
    upper     the directory that writes go to, on top of them; None: to the first layer
    binds     (source on the host, point, read-only)
    tmpfs     points of directories in memory, gone at the end
    bare      no /proc, /dev, /sys and /tmp of their own
    scratch   writes go to a directory that is gone at the end
    cwd       the directory to start in, as the guest names it; None: where we are, or `/`
    makes_cwd it is made where it is missing
    user      (uid, gid) to become, or None
    """

    __slots__ = ("bare", "binds", "cwd", "layers", "makes_cwd", "scratch", "tmpfs", "upper", "user")

    def __init__(self) -> None:
        self.layers: list[bytes] = []
        self.upper: bytes | None = None
        self.binds: list[tuple[bytes, bytes, bool]] = []
        self.tmpfs: list[bytes] = []
        self.bare = False
        self.scratch = False
        self.cwd: bytes | None = None
        self.makes_cwd = False
        self.user: tuple[int, int] | None = None

    @property
    def shows_host(self) -> bool:
        """Whether the host's own root is a layer, so that nothing is confined."""
        return b"/" in self.layers


def overlays(text: bytes) -> list[bytes]:
    """The layers of `--overlay` and BLINK_OVERLAYS: an empty entry is the host's root."""
    return [entry or b"/" for entry in text.split(b":")]


def bind(text: bytes) -> tuple[bytes, bytes, bool]:
    """SRC:DST[:ro].  Raises ValueError with a line for the user."""
    parts = text.split(b":")
    read_only = len(parts) == 3 and parts[2] == b"ro"
    if len(parts) not in (2, 3) or not parts[0] or not (len(parts) == 2 or parts[2] in _MODES):
        raise ValueError("--bind needs SRC:DST or SRC:DST:ro")
    return parts[0], point(parts[1], "--bind"), read_only


_MODES = (b"ro", b"rw")


def point(text: bytes, option: str) -> bytes:
    """A mount point.  Raises ValueError with a line for the user."""
    if not text.startswith(b"/") or not text.strip(b"/"):
        raise ValueError(f"{option}: a mount point is an absolute path below /")
    return text
