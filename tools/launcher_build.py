"""Builds the `blink` command: src/launcher/blink.c for the interpreter that runs this.

Three ways, the first that works: load the shared libpython, link a static one that can be part of a
position-independent executable, or execute the interpreter at run time.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import subprocess
import sys
import sysconfig
from importlib.abc import SourceLoader
from pathlib import Path

from engine_build import BUILD, ROOT, locked
from toolchain import BuildError, compiler, python_includes

# Modules that Python imports at every start and does not freeze itself.
FROZEN = ("encodings", "encodings.aliases", "encodings.utf_8")
SOURCE = ROOT / "src" / "launcher" / "blink.c"
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-fPIE", "-pie", "-Wl,-z,relro"]

# What isolated Python without `site` says of itself; the launcher sets up the same.
PROBE = """
import sys, os, json
print(json.dumps({
  "executable": os.path.realpath(sys.executable), "prefix": sys.base_prefix,
  "exec_prefix": sys.base_exec_prefix, "path": sys.path, "stdlib": sys._stdlib_dir,
}))
"""


def probe() -> dict[str, object]:
    """Asks the base interpreter (not the virtual environment's) where it keeps things."""
    base = str(getattr(sys, "_base_executable", "") or sys.executable)
    said = subprocess.run(
        [base, "-I", "-S", "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    found = json.loads(said)
    assert isinstance(found, dict)
    return found


def shared_libpython() -> Path | None:
    """The shared libpython of the running interpreter, if it is installed."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    folders = [sysconfig.get_config_var("LIBDIR") or "", f"{sys.base_prefix}/lib"]
    return _first_file(folders, name) if ".so" in name else None


def static_libpython() -> Path | None:
    """The static libpython of the running interpreter, if it is installed."""
    name = sysconfig.get_config_var("LIBRARY") or ""
    folders = [sysconfig.get_config_var(key) or "" for key in ("LIBPL", "LIBDIR")]
    return _first_file([*folders, f"{sys.base_prefix}/lib"], name)


def _first_file(folders: list[str], name: str) -> Path | None:
    places = [Path(folder) / name for folder in folders if folder and name]
    return next((place for place in places if place.is_file()), None)


def config_header(sources: Path | None, libpython: Path | None) -> str:
    """The text of launcher_config.h; `sources` is the package's folder in an editable build."""
    python = probe()
    path = python["path"]
    assert isinstance(path, list)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    layouts = [f"../{lib}/{version}/site-packages" for lib in ("lib", "lib64")]
    layouts += [f"../lib/{version}/dist-packages", "../lib/python3/dist-packages"]
    values = {
        "SOURCES": _c_text(sources or ""),
        "SITE_LAYOUTS": ", ".join(map(_c_text, layouts)),
        "PYTHON": _c_text(python["executable"]),
        "PREFIX": _c_text(python["prefix"]),
        "EXEC_PREFIX": _c_text(python["exec_prefix"]),
        "STDLIB": _c_text(python["stdlib"]),
        "STDLIB_SEARCH": ", ".join(_c_text(p) for p in path if Path(p).exists()),
        "LIBPYTHON": _c_text(libpython or ""),
    }
    return "".join(f"#define {name} {value}\n" for name, value in values.items())


def frozen_header() -> str:
    """The text of launcher_frozen.h: the code of FROZEN, and F(name, code, is_package) of each."""
    text, rows = "", ""
    for index, name in enumerate(FROZEN):
        spec = importlib.util.find_spec(name)
        assert spec and isinstance(spec.loader, SourceLoader)
        code = spec.loader.get_code(name)
        numbers = ",".join(map(str, marshal.dumps(code)))
        text += f"static const unsigned char frozen_{index}[] = {{{numbers}}};\n"
        rows += f' F("{name}", frozen_{index}, {int(bool(spec.submodule_search_locations))})'
    return f"{text}#define FROZEN_MODULES(F){rows}\n"


def _c_text(value: object) -> str:
    """A C string literal with the value's bytes."""
    plain = {*range(0x20, 0x7F)} - {*b'"\\?'}
    data = str(value).encode("utf-8", "surrogateescape")
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in data) + '"'


def build(editable: bool) -> Path:
    """Builds the launcher for wheels, or for this source tree; returns its path."""
    folder = BUILD / "launcher" / ("editable" if editable else "wheel")
    with locked():
        return build_in(folder, ROOT / "src" if editable else None)


def build_in(folder: Path, sources: Path | None) -> Path:
    """Builds in `folder` a launcher that takes the package from `sources` (None: where it is)."""
    folder.mkdir(parents=True, exist_ok=True)
    shared = shared_libpython()
    (folder / "launcher_config.h").write_text(config_header(sources, shared))
    (folder / "launcher_frozen.h").write_text(frozen_header())
    output = folder / "blink"
    static = None if shared else static_libpython()
    if not (static and _compile(folder, output, static)):
        _compile(folder, output, None)
    return output


def _compile(folder: Path, output: Path, static: Path | None) -> bool:
    """Compiles one way; a static library that was not built for PIE makes it return False."""
    command = [*compiler(), *FLAGS, f"-I{folder}", *(f"-I{place}" for place in python_includes())]
    command += [str(SOURCE), "-o", str(output)]
    if static:
        command += ["-DSTATIC_LIBPYTHON", str(static), "-Wl,--export-dynamic", "-pthread", "-lutil"]
        for key in ("LIBS", "SYSLIBS", "MODLIBS"):
            command += (sysconfig.get_config_var(key) or "").split()
    command += ["-ldl", "-lm"]
    output.unlink(missing_ok=True)  # it may be running
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode and not static:
        raise BuildError(f"{' '.join(command)}\n{said.stdout}{said.stderr}")
    return said.returncode == 0
