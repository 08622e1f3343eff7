"""The files that a capsule holds whole: its programs and libraries, as they were."""

from __future__ import annotations

import io
import os
import posix
from functools import cached_property

from blink.replay.log import HEADER, whole_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO


class KeptFiles:
    """By path.  Of several with one path the last one counts.

    `fd` is the capsule's, and belongs to this; it is read when somebody asks, and has been checked
    until then.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        at = HEADER.unpack(posix.pread(self._fd, HEADER.size, 0))[5]
        while at:
            path, place, length, at = whole_file(self._fd, at)
            found.setdefault(os.fsdecode(path), (place, length))
        return found

    def name(self, path: str) -> str | None:
        """The path by which a file is known here; symbolic links are this machine's."""
        known = (name for name in (path, os.path.realpath(path)) if name in self._places)
        return next(known, None)

    def open(self, path: str) -> IO[bytes]:
        """Raises FileNotFoundError, for it is not to be mixed up with a file of this machine."""
        if path not in self._places:
            raise FileNotFoundError(f"{path} is not in the recording")
        place, length = self._places[path]
        return io.BytesIO(posix.pread(self._fd, length, place))

    def copy(self) -> KeptFiles:
        """Another one, which is to be closed, too."""
        return KeptFiles(posix.dup(self._fd))

    def close(self) -> None:
        """Nothing is in it any more."""
        self._places = {}
        posix.close(self._fd)
