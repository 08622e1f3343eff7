"""Archives that zstd has packed: into a temporary file, for tar goes back and forth.

Python has zstd from 3.14 on; before that, the module `zstandard` does the same.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path

from blink.images import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

MAGIC = b"\x28\xb5\x2f\xfd"
CHUNK = 1 << 20


class Damaged(Exception):
    """What zstd has packed cannot be unpacked, or ends too early."""


def unpacked(file: IO[bytes], path: Path) -> IO[bytes]:
    """The file, or what zstd has packed in it.  Raises ImageError, Damaged."""
    begin = file.read(len(MAGIC))
    file.seek(0)
    if begin != MAGIC:
        return file
    new, failed = _library(path)
    made = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        _expand(file, made, new)
    except failed as error:
        made.close()
        raise Damaged(str(error)) from None
    made.seek(0)
    return made


def _library(path: Path) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes a decompressor of one frame, and the errors of that."""
    try:
        zstd = import_module("compression.zstd")
        return zstd.ZstdDecompressor, (zstd.ZstdError, EOFError)
    except ImportError:
        pass
    try:
        zstd = import_module("zstandard")
    except ImportError:
        needs = "which needs Python 3.14, or `pip install zstandard`"
        raise ImageError(f"{path}: is packed by zstd, {needs}") from None
    return lambda: zstd.ZstdDecompressor().decompressobj(), (zstd.ZstdError, EOFError)


def _expand(source: IO[bytes], target: IO[bytes], new: Callable[[], Any]) -> None:
    """Frame after frame.  Raises EOFError when the last is not whole."""
    frame = new()
    while data := source.read(CHUNK):
        while data:
            if frame.eof:
                frame = new()
            target.write(frame.decompress(data))
            data = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise EOFError("the last frame is not whole")
