"""System calls whose result says how many bytes of their buffers they have filled, by number."""

from __future__ import annotations

FILLS_ALL = frozenset(
    (0, 17, 19, 78, 79, 89, 191, 192, 193, 194, 195, 196, 217, 267, 295, 318, 327)
)
"""Of all Out arguments, in their order: read, pread64, readv, getdents, getcwd, readlink,
getxattr and listxattr, getdents64, readlinkat, preadv, getrandom, preadv2."""

FILLS_FIRST = frozenset((45,))
"""Of the first Out argument; what follows is as long as its definition says: recvfrom."""
