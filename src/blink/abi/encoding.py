"""File names as bytes and text, as os.fsencode and os.fsdecode: without `os`, which costs 1.4 ms.

On the way to a running guest the system calls come from `posix`, which is part of the interpreter.
"""

from __future__ import annotations

import sys
from posix import fspath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    Name = bytes | str | PathLike[str] | PathLike[bytes]


def encode(name: Name) -> bytes:
    """The bytes that a name has in the host's file system."""
    plain = fspath(name)
    if isinstance(plain, bytes):
        return plain
    return plain.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def decode(name: Name) -> str:
    """A name as text; bytes that are no text become surrogates."""
    plain = fspath(name)
    if isinstance(plain, str):
        return plain
    return plain.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
