"""Builds the decoder alone: as an extension module, and into the C test drivers."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import toolchain
from blink.codegen import emit_maps

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "src" / "blink" / "engine"
NATIVE = ROOT / "tests" / "native"
FLAGS = "-std=gnu11 -O2 -Wall -Wextra -Werror".split()
SANITIZE = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined".split()

Decode = Callable[..., dict[str, int]]


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Holds the generated header and what is built; it goes with this process."""
    folder = tempfile.TemporaryDirectory(prefix="blink-decode-")
    Path(folder.name, "_generated_maps.h").write_text(emit_maps.emit(), "ascii")
    return folder


def _compile(output: str, sources: list[Path], *options: str) -> Path:
    folder = Path(_folder().name)
    path = folder / output
    includes = [f"-I{ENGINE}", f"-I{folder}"]
    command = [*toolchain.compiler(), *FLAGS, *includes, *map(str, sources), "-o", str(path)]
    subprocess.run([*command, *options], check=True, timeout=600)
    return path


@functools.cache
def driver(name: str, *options: str) -> Path:
    """The program tests/native/NAME.c with the decoder in it."""
    return _compile(name, [NATIVE / f"{name}.c", ENGINE / "decode.c"], *options)


@functools.cache
def module() -> Any:
    """An extension module with `decode` and `DecodeError` as `blink._engine` has them."""
    sources = [NATIVE / "decode_module.c", ENGINE / "py_decode.c", ENGINE / "decode.c"]
    includes = [f"-I{sysconfig.get_paths()[key]}" for key in ("include", "platinclude")]
    options = ["-shared", "-fPIC", "-DPy_LIMITED_API=0x030B0000", *includes]
    path = _compile("_decoder.abi3.so", sources, *options)
    spec = importlib.util.spec_from_file_location("_decoder", path)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
