"""Builds `blink._engine`: runs codegen, compiles what changed, links.

An object is compiled again only when its key changes: a hash of the source, of every header that
the compiler read for it last time (-MD), of the flags and of the compiler's version.  Codegen runs
again only when its inputs change.  `setup.py` and `./dev build` share this module and the cache in
build/.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import BuildError, check_host, compiler, compiler_version, is_gcc, python_includes

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
GENERATED = BUILD / "generated"
ENGINE = ROOT / "src" / "blink" / "engine"
MODULE = "_engine.abi3.so"
STAMP = "stamp.json"
CODEGEN_INPUTS = ("isa", "codegen", "syscalls", "abi")
PYTHON_PLACES = {"_generated_index.py": "syscalls"}  # generated modules, and their packages
SCALAR_FILES = ("_generated_handlers_scalar", "_generated_handlers_couples")
TWICE = "/* build: twice */"

COMMON = (
    "-std=gnu11 -fno-strict-aliasing -fwrapv -fno-plt -fcf-protection=none -Wall -Wextra"
    " -fPIC -fvisibility=hidden -DPy_LIMITED_API=0x030B0000"
).split()
RELEASE = "-O2 -fno-stack-protector -fomit-frame-pointer -foptimize-sibling-calls".split()
# For gcc.  A core reorders by itself; and most handlers of the interpreter are straight code, which
# gains nothing from the rest of -O2, half as long again to compile.
GCC = ["-fno-schedule-insns2"]
SCALAR = "-O1 -fcrossjumping -fstore-merging -fpeephole2 -ftree-slp-vectorize".split()
SANITIZE = (
    "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    " -fno-sanitize=null -DBLINK_TRAMPOLINE=1"  # a guest's null pointer is its own business
).split()


class Variant:
    """One way to build the engine: its flags, its object folder and where the module goes."""

    __slots__ = ("flags", "link_flags", "name", "output", "scalar")

    def __init__(self, name: str, flags: list[str], link_flags: list[str], output: Path) -> None:
        self.name = name
        self.flags = flags
        self.link_flags = link_flags
        self.output = output
        self.scalar: list[str] = []

    @property
    def objects(self) -> Path:
        return BUILD / "obj" / self.name


def release() -> Variant:
    """What users run; built in place, so that `import blink._engine` works from src."""
    flags = [*COMMON, *RELEASE, *(GCC if is_gcc() else [])]
    variant = Variant("release", flags, [], ROOT / "src" / "blink" / MODULE)
    if is_gcc():
        variant.scalar = SCALAR
    return variant


def sanitize() -> Variant:
    """ASan and UBSan with trampoline dispatch, importable with PYTHONPATH=build/sanitize."""
    link = ["-fsanitize=address,undefined"]
    return Variant("sanitize", [*COMMON, *SANITIZE], link, BUILD / "sanitize" / "blink" / MODULE)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Keeps two builds in one tree apart."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(*parts: str | bytes) -> str:
    """A hash of the parts that no other split of the same text has."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(b"%d:" % len(data))
        state.update(data)
    return state.hexdigest()


class Hashes:
    """Content hashes of files, each read at most once a build; "absent" for a missing file."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        known = self._known.get(path)
        if known is None:
            try:
                known = digest((ROOT / path).read_bytes())
            except OSError:
                known = "absent"
            self._known[path] = known
        return known


# --- codegen -----------------------------------------------------------------------------------


def codegen_key() -> str:
    """A hash of everything that the generated files depend on."""
    package = ROOT / "src" / "blink"
    found = (f for part in CODEGEN_INPUTS for f in (package / part).rglob("*.py"))
    files = sorted(f for f in found if not f.name.startswith("_generated_"))
    return digest(*(part for f in files for part in (str(f.relative_to(ROOT)), f.read_bytes())))


def generate(force: bool = False) -> bool:
    """Brings build/generated and the generated modules up to date; says whether codegen ran."""
    if not (ROOT / "src/blink/codegen/__main__.py").exists():
        return False
    key = codegen_key()
    stale = force or not _stamp_holds(GENERATED / STAMP, key)
    if stale:
        _run_codegen(key)
    for name, part in PYTHON_PLACES.items():
        _copy_if_new(GENERATED / name, ROOT / "src" / "blink" / part / name)
    return stale


def _run_codegen(key: str) -> None:
    """Runs `python -m blink.codegen` into a new folder, which then takes the old one's place."""
    fresh = BUILD / "generated.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "blink.codegen", str(fresh)]
    if subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode:
        raise BuildError("blink: codegen failed: " + " ".join(command))
    files = sorted(f.name for f in fresh.iterdir())
    (fresh / STAMP).write_text(json.dumps({"key": key, "files": files}))
    shutil.rmtree(GENERATED, ignore_errors=True)
    fresh.rename(GENERATED)


def _copy_if_new(source: Path, place: Path) -> None:
    """Copies a generated file, or removes the copy of one that is no longer generated."""
    if not source.exists():
        place.unlink(missing_ok=True)
    elif not place.exists() or place.read_bytes() != source.read_bytes():
        shutil.copyfile(source, place)


def _stamp_holds(stamp: Path, key: str) -> bool:
    try:
        said = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return False
    return said.get("key") == key and all((GENERATED / name).exists() for name in said["files"])


def generate_modules() -> None:
    """What must happen before the package's Python files are collected for a wheel."""
    with locked():
        generate()


# --- objects -----------------------------------------------------------------------------------


class Unit:
    """One object file: a source, extra flags, and the manifest that remembers its key."""

    __slots__ = ("flags", "manifest", "object", "source")

    def __init__(self, variant: Variant, source: Path, suffix: str, extra: list[str]) -> None:
        self.source = source.relative_to(ROOT)
        self.object = variant.objects / f"{source.stem}{suffix}.o"
        self.manifest = self.object.with_suffix(".json")
        self.flags = [*variant.flags, *extra]

    def key(self, dependencies: list[str], hashes: Hashes) -> str:
        read = (part for path in dependencies for part in (path, hashes(path)))
        return digest(compiler_version(), " ".join(self.flags), str(self.source), *read)

    def current_key(self, hashes: Hashes) -> str | None:
        """The key of the object as built, or None when it must be compiled (again)."""
        try:
            said = json.loads(self.manifest.read_text())
        except (OSError, ValueError):
            return None
        if not self.object.exists() or said["key"] != self.key(said["read"], hashes):
            return None
        return str(said["key"])

    def compile(self, hashes: Hashes) -> str:
        """Compiles and returns the new key.  Raises BuildError with what the compiler said."""
        self.object.parent.mkdir(parents=True, exist_ok=True)
        self.manifest.unlink(missing_ok=True)
        listing = self.object.with_suffix(".d")
        command = [*compiler(), *self.flags, *_compile_time_only(), *_include_flags(), "-MD", "-MF"]
        command += [str(listing), "-c", str(self.source), "-o", str(self.object)]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if said.returncode:
            raise BuildError(f"{' '.join(command)}\n{said.stdout}{said.stderr}")
        sys.stderr.write(said.stderr)
        read = _dependencies(listing.read_text())
        key = self.key(read, hashes)
        self.manifest.write_text(json.dumps({"key": key, "read": read}))
        return key


def _compile_time_only() -> list[str]:
    """Flags that change no object, so they are not part of a key.

    Warnings are errors only with the compiler that we develop on: the new warnings of a newer one
    must not break an installation.
    """
    if is_gcc() and compiler_version().split()[-1].startswith("12."):
        return ["-Werror"]
    return []


def _include_flags() -> list[str]:
    places = ["src/blink/engine", "build/generated", *python_includes()]
    return [f"-I{place}" for place in places]


def _dependencies(rule: str) -> list[str]:
    """The files of a make rule as `-MD` writes it (a backslash escapes a space)."""
    text = rule.partition(":")[2].replace("\\\n", " ").replace("\\ ", "\0")
    return sorted({name.replace("\0", " ") for name in text.split()})


def sources() -> list[Path]:
    """The hand-written and the generated C files."""
    return sorted(ENGINE.glob("*.c")) + sorted(GENERATED.glob("_generated_*.c"))


def is_built_twice(source: Path) -> bool:
    """Whether the file has a linear and a paged (-DBLINK_PAGED=1) object."""
    if source.name.startswith("_generated_handlers"):
        return True
    with source.open() as text:
        return text.readline().strip() == TWICE


def units(variant: Variant) -> list[Unit]:
    """All objects of the module, the largest sources first, so that the jobs end together."""
    found = []
    for source in sorted(sources(), key=lambda path: -path.stat().st_size):
        flags = variant.scalar if source.name.startswith(SCALAR_FILES) else []
        found.append(Unit(variant, source, "", flags))
        if is_built_twice(source):
            found.append(Unit(variant, source, ".paged", [*flags, "-DBLINK_PAGED=1"]))
    return found


def _remove_others(variant: Variant, wanted: list[Unit]) -> None:
    """Removes objects whose source is gone: tests link what lies in the folder."""
    for old in {*variant.objects.glob("*.o")} - {unit.object for unit in wanted}:
        for suffix in (".o", ".d", ".json"):
            old.with_suffix(suffix).unlink(missing_ok=True)


def compile_all(variant: Variant, jobs: int) -> tuple[list[Unit], str, int]:
    """Brings all objects up to date: (units, a key of them all, how many were compiled)."""
    wanted, hashes = units(variant), Hashes()
    _remove_others(variant, wanted)
    keys = {unit.object: unit.current_key(hashes) for unit in wanted}
    stale = [unit for unit in wanted if keys[unit.object] is None]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [(unit, pool.submit(unit.compile, hashes)) for unit in stale]
        try:
            for unit, future in futures:
                keys[unit.object] = future.result()
        except BuildError:
            pool.shutdown(cancel_futures=True)
            raise
    together = digest(*sorted(f"{path.name} {key}" for path, key in keys.items()))
    return wanted, together, len(stale)


# --- the module --------------------------------------------------------------------------------


def link(variant: Variant, wanted: list[Unit], key: str) -> bool:
    """Links the module unless it was linked from the same objects; says whether it did."""
    stamp = variant.objects / "linked"
    output = variant.output
    if output.exists() and stamp.exists() and stamp.read_text() == f"{key} {output}":
        return False
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_suffix(f".{os.getpid()}")
    command = [*compiler(), "-shared", "-pthread", "-Wl,-z,now", *variant.link_flags]
    command += [*(str(unit.object) for unit in wanted), "-lm", "-o", str(fresh)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if said.returncode:
        raise BuildError(f"{' '.join(command)}\n{said.stdout}{said.stderr}")
    if not variant.link_flags:
        _check_import(fresh)
    fresh.replace(output)  # a new file: running processes keep the old one mapped
    stamp.write_text(f"{key} {output}")
    return True


def _check_import(module: Path) -> None:
    """Imports the new module: a symbol that nobody defines is found here, not later."""
    code = (
        "import sys; from importlib.machinery import ExtensionFileLoader, ModuleSpec;"
        "from importlib import util; loader = ExtensionFileLoader('blink._engine', sys.argv[1]);"
        "util.module_from_spec(ModuleSpec('blink._engine', loader, origin=sys.argv[1]))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(module)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        module.unlink()
        why = (said.stderr.splitlines() or [f"status {said.returncode}"])[-1]
        raise BuildError(f"blink: the engine was linked but cannot be imported: {why}")


def mirror_package(folder: Path) -> None:
    """Fills `folder` with links to the package's parts, so that only the engine differs."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in (ROOT / "src" / "blink").iterdir():
        place = folder / entry.name
        if entry.name not in (MODULE, "__pycache__") and not place.is_symlink():
            place.symlink_to(entry)


def build(variant: Variant, jobs: int = 0, verbose: bool = True) -> Path | None:
    """Builds the module of this variant; returns its path, or None if there is no C source yet."""
    check_host()
    with locked():
        started = time.monotonic()
        generated = generate()
        if not sources():
            return None
        wanted, key, compiled = compile_all(variant, jobs or min(os.cpu_count() or 1, 8))
        linked = link(variant, wanted, key)
        if variant.output.parent != ROOT / "src" / "blink":
            mirror_package(variant.output.parent)
    if verbose:
        steps = ["codegen run"] * generated + ["linked"] * linked
        what = ", ".join([f"{compiled} of {len(wanted)} objects compiled", *steps])
        print(f"engine ({variant.name}): {what}, {time.monotonic() - started:.1f} s", flush=True)
    return variant.output
