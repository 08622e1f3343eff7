"""Container images as roots: found in files, unpacked into a cache once, run as `docker run` would.

Nothing here is imported before `--image` is given.  `run.start` is where it begins; `source` finds
out what a file or directory is, `unpack` applies layers, `cache` keeps what was unpacked.
"""

from __future__ import annotations


class ImageError(Exception):
    """An image cannot be used; the message is one line for the user."""
