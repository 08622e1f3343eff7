"""Which C compiler, which Python headers and which libpython a build on this machine uses.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NO_COMPILER = (
    "blink: no C compiler: `apt-get install gcc libc6-dev`, or `pip install ziglang`, or set CC"
)
NO_HEADERS = (
    f"blink: no Python.h for {sys.executable}: install its headers (`apt-get install python3-dev`)"
)


NO_HOST = "blink: this version runs on x86-64 Linux only"


class BuildError(Exception):
    """The build cannot go on; the text says why and, if known, what to install."""


def check_host() -> None:
    """Raises BuildError on a host that the engine's C code is not written for."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "amd64"):
        raise BuildError(NO_HOST)


@functools.cache
def compiler() -> tuple[str, ...]:
    """The command of the C compiler: $CC, gcc, clang, cc, or the `ziglang` wheel's."""
    if os.environ.get("CC"):
        return tuple(shlex.split(os.environ["CC"]))
    for name in ("gcc", "clang", "cc"):
        if path := shutil.which(name):
            return (path,)
    if importlib.util.find_spec("ziglang"):
        # zig compiles for this CPU and with debug information unless told otherwise.
        return (sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-g0")
    raise BuildError(NO_COMPILER)


def has_compiler() -> bool:
    """Whether `compiler()` finds one."""
    try:
        return bool(compiler())
    except BuildError:
        return False


@functools.cache
def compiler_version() -> str:
    """The compiler's name, options and the first line it says of itself; part of every key."""
    said = subprocess.run([*compiler(), "--version"], capture_output=True, text=True, check=False)
    path, *options = compiler()
    return " ".join([Path(path).name, *options, said.stdout.partition("\n")[0]])


@functools.cache
def is_gcc() -> bool:
    """Whether the compiler is GCC, by its own word."""
    return (
        "Free Software Foundation"
        in subprocess.run(
            [*compiler(), "--version"], capture_output=True, text=True, check=False
        ).stdout
    )


@functools.cache
def python_includes() -> tuple[str, ...]:
    """The folders with Python.h and pyconfig.h of the running interpreter."""
    paths = sysconfig.get_paths()
    found = tuple(dict.fromkeys((paths["include"], paths["platinclude"])))
    if not any(Path(path, "Python.h").exists() for path in found):
        raise BuildError(NO_HEADERS)
    return found


def has_headers() -> bool:
    """Whether Python.h of the running interpreter is installed."""
    try:
        return bool(python_includes())
    except BuildError:
        return False
