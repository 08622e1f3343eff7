"""The code of all that a start may import, in one file: a start reads it instead of some fifty.

Finding, reading and checking a module's .pyc costs 0.15 ms each.  The bundle lies beside them in
__pycache__ and is no less careful: a module whose source has another size or time of change than
when the bundle was written is imported as usual, and the bundle is removed, so that the next start
writes it anew.  Where it cannot be written, everything is imported as usual.
"""

from __future__ import annotations

import marshal
import sys

# The import system itself, which is always loaded; `importlib.util` and its like would have to be.
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from posix import access, getpid, listdir, rename, stat, unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, ModuleType

    Entry = tuple[str, bool, int, int, bytes]  # file, is a package, mtime in ns, size, code

PACKAGE = __file__.rpartition("/cli/")[0]
FILE = f"{PACKAGE}/__pycache__/start.{sys.implementation.cache_tag}.bundle"
PARTS = ("abi", "cli", "kernel", "loader", "machine", "syscalls", "vfs")  # of the light path
KEY = (MAGIC_NUMBER, PACKAGE)
WRITABLE = 2


class _Loader(SourceFileLoader):
    """A loader of source files that has the code already."""

    def __init__(self, name: str, path: str, code: bytes) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, name: str) -> CodeType:
        """The code of the one module that this loader is for."""
        code: CodeType = marshal.loads(self._code)
        return code


class Bundle:
    """A finder for `sys.meta_path`, asked before the others."""

    __slots__ = ("entries",)

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module whose source is as it was; None leaves it to the other finders."""
        entry = self.entries.get(name)
        if entry is None:
            return None
        file, package, time, size, code = entry
        if _key_of(file) != (time, size):
            self.entries = {}
            _remove()
            return None
        return _spec(name, file, package, _Loader(name, file, code))


def _spec(name: str, file: str, package: bool, loader: _Loader) -> ModuleSpec:
    """As spec_from_file_location, which would find out what is known."""
    spec = ModuleSpec(name, loader, origin=file, is_package=package)
    spec.has_location = True
    spec.cached = FILE
    if spec.submodule_search_locations is not None:
        spec.submodule_search_locations.append(file.rpartition("/")[0])
    return spec


def install() -> bool:
    """Makes imports use the bundle; False when there is none that could be used."""
    try:
        with open(FILE, "rb", buffering=0) as file:
            key, entries = marshal.loads(file.read())
        if key != KEY:
            return False
    except (OSError, EOFError, ValueError, TypeError):
        return False
    sys.meta_path.insert(0, Bundle(entries))
    return True


def write() -> None:
    """Writes the bundle, if the place for it can be written."""
    folder = FILE.rpartition("/")[0]
    if sys.dont_write_bytecode or not access(folder, WRITABLE):
        return
    fresh = f"{FILE}.{getpid()}"
    try:
        data = marshal.dumps((KEY, dict(_entries())))
        with open(fresh, "xb", buffering=0) as file:
            complete = file.write(data) == len(data)
        rename(fresh, FILE) if complete else unlink(fresh)
    except (OSError, SyntaxError):
        return


def _remove() -> None:
    try:
        unlink(FILE)
    except OSError:
        return


def _key_of(file: str) -> tuple[int, int]:
    try:
        found = stat(file)
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size


def _entries() -> Iterator[tuple[str, Entry]]:
    for name, file in {**_of_the_package(), **_of_the_library()}.items():
        key = _key_of(file)
        code = marshal.dumps(SourceFileLoader(name, file).get_code(name))
        if key == _key_of(file):
            yield name, (file, file.endswith("/__init__.py"), *key, code)


def _of_the_package() -> dict[str, str]:
    """Names and files of the light path's modules."""
    found = {"blink": f"{PACKAGE}/__init__.py"}
    for part in PARTS:
        for file in listdir(f"{PACKAGE}/{part}"):
            stem, _, suffix = file.rpartition(".")
            if suffix == "py":
                name = f"blink.{part}" if stem == "__init__" else f"blink.{part}.{stem}"
                found[name] = f"{PACKAGE}/{part}/{file}"
    return found


def _of_the_library() -> dict[str, str]:
    """Modules of the standard library that this start read from source files."""
    found = {}
    for name, module in sys.modules.items():
        spec = getattr(module, "__spec__", None)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            found[name] = str(spec.origin)
    return {name: file for name, file in found.items() if not name.startswith("blink")}
