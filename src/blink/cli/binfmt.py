"""`blink --binfmt`: the line that makes the kernel start x86-64 programs with blink."""

from __future__ import annotations

import posix
import sys

MAGIC = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0"
# Any OS ABI but the padding; ET_EXEC and ET_DYN.
MASK = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
FLAGS = "PF"  # see the manual page; C and O would run blink itself with a program's rights
COMMENT = """\
# As root, on a host that is not x86-64:
#   blink --binfmt | grep -v '^#' > /proc/sys/fs/binfmt_misc/register
"""


def registration(name: str = "blink-x86_64") -> str:
    """The text for /proc/sys/fs/binfmt_misc/register, see binfmt_misc in the kernel's manual."""
    return f"{COMMENT}:{name}:M::{_escape(MAGIC)}:{_escape(MASK)}:{launcher()}:{FLAGS}\n"


def _escape(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def launcher() -> str:
    """The installed `blink` program: this one, or the one beside this Python."""
    running = posix.readlink("/proc/self/exe")
    if running.rpartition("/")[2] == "blink":
        return running
    return sys.executable.rpartition("/")[0] + "/blink"
