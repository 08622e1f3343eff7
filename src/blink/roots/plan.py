"""What the command line asks for: the layers of a root and what is mounted in it."""

from __future__ import annotations

import posix

from blink.abi.encoding import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OVERLAYS = b"BLINK_OVERLAYS"


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


class Request:
    """The options of a command line that make a root, as the user wrote them; see blink(1)."""

    __slots__ = ("bare", "binds", "image", "overlay", "root", "tmpfs", "upper")

    def __init__(
        self,
        root: str = "",
        overlay: str = "",
        image: str = "",
        upper: str = "",
        binds: Sequence[str] = (),
        tmpfs: Sequence[str] = (),
        bare: bool = False,
    ) -> None:
        self.root = root
        self.overlay = overlay
        self.image = image
        self.upper = upper
        self.binds = binds
        self.tmpfs = tmpfs
        self.bare = bare

    @property
    def wanted(self) -> bool:
        """Whether there is more than one directory of the host, or less, in the program's tree."""
        return bool(self.root or self._mounted or OVERLAYS in posix.environ)

    @property
    def is_chroot(self) -> bool:
        """A root without anything on top, and nothing more, is chroot(1)."""
        return bool(self.bare and self.root and not self._mounted)

    @property
    def _mounted(self) -> bool:
        return bool(self.overlay or self.image or self.upper or self.binds or self.tmpfs)

    def plan(self) -> Plan:
        """Raises ValueError with a line for the user.  The layers of an image are not known yet."""
        if bool(self.root) + bool(self.overlay) + bool(self.image) > 1:
            raise ValueError("-C, --overlay and --image each name the root: give one of them")
        made = Plan()
        if self.root:
            made.layers = [encode(self.root)]
        elif not self.image:
            given = encode(self.overlay) if self.overlay else posix.environ.get(OVERLAYS, b"")
            made.layers = overlays(given)
        made.upper = encode(self.upper) if self.upper else None
        made.bare = self.bare
        made.binds = [bind(encode(text)) for text in self.binds]
        made.tmpfs = [point(encode(text), "--tmpfs") for text in self.tmpfs]
        return made
