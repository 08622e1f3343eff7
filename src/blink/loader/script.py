"""The #! line of a script, read as Linux reads it (execve(2), "Interpreter scripts")."""

from __future__ import annotations

BUFFER_SIZE = 256  # BINPRM_BUF_SIZE: what the kernel looks at
_BLANK = b" \t"


class BadShebang(ValueError):
    """The line names no interpreter, or cuts its name off; execve(2) says ENOEXEC."""


def parse_shebang(head: bytes) -> tuple[bytes, bytes | None]:
    """Returns the interpreter and its one optional argument (all the rest of the line, trimmed).

    `head` starts with `#!`.  Only its first 256 bytes count: an argument may be cut there, an
    interpreter's name may not.  A name or argument ends at a NUL byte.  Raises BadShebang.
    """
    buffer = head[:BUFFER_SIZE].ljust(BUFFER_SIZE, b"\0")
    end = buffer.find(b"\n")
    # Without a newline the last byte is lost: the kernel puts its NUL there.
    line = buffer[2:end] if end >= 0 else _uncut(buffer)[:-1]
    line = line.strip(_BLANK)
    if not line:
        raise BadShebang("its #! line names no interpreter; name one, as in #!/bin/sh")
    split = _end_of_name(line)
    name, rest = line[:split], line[split:]
    if rest[:1] in (b"", b"\0"):
        return name, None
    argument = rest.lstrip(_BLANK)
    return name, argument.partition(b"\0")[0]


def names_blink(interpreter: bytes, argument: bytes | None) -> bool:
    """Whether a script asks for blink itself: by its path, or through env(1)."""
    words = (argument or b"").split()
    name = interpreter.rpartition(b"/")[2]
    if name == b"env" and words[:1] == [b"-S"]:
        del words[0]
    return name == b"blink" or (name == b"env" and bool(words) and words[0] == b"blink")


def behind_blink(head: bytes) -> tuple[bytes, bytes | None]:
    """The interpreter for a script that asks for blink: its second line's, else the shell."""
    rest = head.partition(b"\n")[2]
    return parse_shebang(rest) if rest.startswith(b"#!") else (b"/bin/sh", None)


def _uncut(buffer: bytes) -> bytes:
    """Returns what follows `#!` if the interpreter's name ends within the buffer."""
    line = buffer[2:]
    name = line.lstrip(_BLANK)
    if not name:
        raise BadShebang("its #! line names no interpreter in 256 bytes; name one, as in #!/bin/sh")
    if _end_of_name(name) == len(name):
        raise BadShebang("its #! line cuts the interpreter's name at 256 bytes; shorten the name")
    return line


def _end_of_name(text: bytes) -> int:
    for index, byte in enumerate(text):
        if byte in b" \t\0":
            return index
    return len(text)
