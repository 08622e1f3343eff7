"""/proc/self/mounts, mountinfo and mountstats: the mounts that the guest sees."""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.roots.rooted import RootedFiles
    from blink.roots.tree import Mount

ESCAPED = {b" ": rb"\040", b"\t": rb"\011", b"\n": rb"\012", b"\\": rb"\134"}


def _shown(files: RootedFiles) -> Iterator[tuple[Mount, bytes]]:
    """The mounts below the guest's root, and their points as it sees them."""
    base = files.space.base
    for point in sorted(files.space.mounts):
        if point[: len(base)] == base:
            yield files.space.mounts[point], b"/" + b"/".join(point[len(base) :])


def _escape(path: bytes) -> bytes:
    return b"".join(ESCAPED.get(path[i : i + 1], path[i : i + 1]) for i in range(len(path)))


def _options(mount: Mount) -> bytes:
    return b"ro" if mount.read_only else b"rw"


def mounts(files: RootedFiles) -> bytes:
    """A line a mount, as fstab(5)."""
    lines = [
        b"%s %s %s %s,relatime 0 0\n"
        % (_escape(mount.source), _escape(point), mount.type, _options(mount))
        for mount, point in _shown(files)
    ]
    return b"".join(lines)


def mountinfo(files: RootedFiles) -> bytes:
    """A line a mount, as proc_pid_mountinfo(5)."""
    lines = []
    for mount, point in _shown(files):
        device = posix.fstat(files.process.hidden.fds[mount.layers[0].key]).st_dev
        above = 0 if not mount.point else 1
        lines.append(
            b"%d %d %d:%d / %s %s,relatime - %s %s %s\n"
            % (
                *(mount.number, above, device >> 8 & 0xFFF, device & 0xFF, _escape(point)),
                *(_options(mount), mount.type, _escape(mount.source), _options(mount)),
            )
        )
    return b"".join(lines)


def mountstats(files: RootedFiles) -> bytes:
    """A line a mount, as proc_pid_mountstats(5)."""
    lines = [
        b"device %s mounted on %s with fstype %s\n"
        % (_escape(mount.source), _escape(point), mount.type)
        for mount, point in _shown(files)
    ]
    return b"".join(lines)
