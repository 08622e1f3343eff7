"""Primitives of engine/fp.h in batches through ctypes: tests/native/fp_batch.c."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from struct import Struct

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "src" / "blink" / "engine"
NATIVE = ROOT / "tests" / "native"
FLAGS = "-std=gnu11 -O2 -fno-strict-aliasing -fwrapv -Wall -Wextra -Werror -shared -fPIC".split()

_IN = Struct("<QQQQQQIIII")
_OUT = Struct("<QQIIII")
_LOW = (1 << 64) - 1

# (a, b, c, mxcsr) and (value, mxcsr afterwards, trapped)
Case = tuple[int, int, int, int]
Result = tuple[int, int, bool]


def host_is_x86() -> bool:
    return platform.machine() == "x86_64"


@functools.cache
def host_has(feature: str) -> bool:
    """Whether /proc/cpuinfo names a CPU flag."""
    return feature in Path("/proc/cpuinfo").read_text().split()


def compile_shared(sources: Sequence[Path], *flags: str) -> ctypes.CDLL:
    """A shared object of C sources of the engine and the tests, cached by content."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OSError("no C compiler")
    headers = sorted(ENGINE.glob("*.h"))
    state = hashlib.sha256(" ".join([compiler, *FLAGS, *flags]).encode())
    for path in [*sources, *headers]:
        state.update(path.read_bytes())
    name = f"blink-{sources[0].stem}-{os.getuid()}-{state.hexdigest()[:16]}.so"
    target = Path(tempfile.gettempdir()) / name
    if not target.exists():
        fresh = target.with_suffix(f".{os.getpid()}")
        command = [compiler, *FLAGS, *flags, f"-I{ENGINE}", "-o", str(fresh), *map(str, sources)]
        subprocess.run(command, check=True)
        fresh.rename(target)
    return ctypes.CDLL(str(target))


@functools.cache
def library(portable: bool) -> ctypes.CDLL:
    """The batch library in one flavour of fp.h."""
    sources = [NATIVE / "fp_batch.c", ENGINE / "fp_extra.c"]
    flags = []
    if portable:
        sources.append(ENGINE / "fp_soft.c")
        flags.append("-DBLINK_PORTABLE_FP")
    lib = compile_shared(sources, *flags)
    lib.batch_init()
    return lib


def run(name: str, cases: Sequence[Case], *, portable: bool = False) -> list[Result]:
    """Results of primitive `name` for each case."""
    pack = _IN.pack
    data = b"".join(
        pack(a & _LOW, a >> 64, b & _LOW, b >> 64, c & _LOW, c >> 64, mxcsr, 0, 0, 0)
        for a, b, c, mxcsr in cases
    )
    out = ctypes.create_string_buffer(_OUT.size * len(cases))
    function = getattr(library(portable), f"batch_{name}")
    function(data, out, ctypes.c_uint32(len(cases)))
    return [
        (low | high << 64, mxcsr, bool(trapped))
        for low, high, mxcsr, trapped, _, _ in _OUT.iter_unpack(out.raw)
    ]
