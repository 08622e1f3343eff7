"""Unpacked images, in $XDG_CACHE_HOME/blink or ~/.cache/blink, by digest.

    images/KEY/root        the root; never changed by guests
    images/KEY/config      the image's configuration, as JSON
    files/HASH             the KEY of a file, by its path, size and time, so that a second start
                           does not read it

An image is unpacked beside its place and moved there, so that it is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

from blink.images import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Unpacked:
    """An image in the cache: its root and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.config: dict[str, Any] = json.loads((folder / "config").read_bytes())


def find(path: Path, call: Callable[..., int]) -> Unpacked:
    """An image, unpacked now if it never was.  Raises ImageError."""
    cache = _place()
    note = cache / "files" / _name_of(path)
    try:
        return Unpacked(cache / "images" / note.read_text())
    except (OSError, ValueError):
        pass  # not seen yet
    from blink.images.source import open_image

    image = open_image(path)
    folder = cache / "images" / image.key
    try:
        if not folder.is_dir():
            _unpack(image, folder, call)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(image.key)
    except OSError as error:
        raise ImageError(f"{cache}: cannot be used as a cache: {error.strerror}") from None
    return Unpacked(folder)


def _place() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "blink"


def _name_of(path: Path) -> str:
    """Changes when the image does: of a layout, its index counts."""
    try:
        real = path.resolve(strict=True)
        inside = [real / name for name in ("index.json", "manifest.json")] if real.is_dir() else []
        file = next((one for one in inside if one.is_file()), real)
        status = file.stat()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from None
    words = f"{file} {status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()


def _unpack(image: Any, folder: Path, call: Callable[..., int]) -> None:
    from blink.images.unpack import unpack
    from blink.roots.scratch import remove_tree

    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        (draft / "root").mkdir(mode=0o755)
        unpack(image, draft / "root", call)
        (draft / "config").write_text(json.dumps(image.config))
        try:
            draft.rename(folder)
        except OSError:  # somebody else was faster
            if not folder.is_dir():
                raise
    finally:
        if draft.exists():
            remove_tree(os.fsencode(draft))
