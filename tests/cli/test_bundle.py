"""The bundle of start-up code: used when true, never when stale, never in the way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "blink"
# The launcher's way in, without the launcher, which knows one place for the package only.
RUN = """
import sys
sys.path.insert(0, {parent!r})
sys.argv = ["blink", *{argv!r}]
from blink.cli import launch
sys.exit(launch.start(0, 0))
"""
LOADERS = """
import sys
sys.path.insert(0, {parent!r})
from blink.cli import bundle
found = bundle.install()
import blink.kernel.log as log, blink.cli.options
print(found, type(log.__loader__).__name__, blink.cli.options.__file__, hasattr(log, "NEW"))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, with the engine, that may be changed."""
    place = tmp_path / "blink"
    shutil.copytree(SOURCES, place, ignore=shutil.ignore_patterns("__pycache__", "engine", "*.c"))
    (place / "__pycache__").mkdir()
    return place


def python(text: str, package: Path, argv: tuple[str, ...] = ()) -> str:
    code = text.format(parent=str(package.parent), argv=argv)
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not said.stderr
    return said.stdout


def run(package: Path) -> str:
    return python(RUN, package, ("/bin/echo", "hello"))


def bundle(package: Path) -> Path:
    return package / "__pycache__" / f"start.{sys.implementation.cache_tag}.bundle"


def test_the_first_run_writes_it_and_the_next_uses_it(package: Path) -> None:
    assert run(package) == "hello\n"
    assert bundle(package).stat().st_size > 100_000
    file = package / "cli" / "options.py"
    assert python(LOADERS, package) == f"True _Loader {file} False\n"
    assert run(package) == "hello\n"


def test_a_changed_module_is_imported_and_the_bundle_made_anew(package: Path) -> None:
    run(package)
    with (package / "kernel" / "log.py").open("a") as file:
        file.write("\nNEW = 1\n")
    file_of_options = package / "cli" / "options.py"
    expected = f"True SourceFileLoader {file_of_options} True\n"
    assert python(LOADERS, package) == expected
    assert not bundle(package).exists()
    run(package)
    assert python(LOADERS, package) == f"True _Loader {file_of_options} True\n"


@pytest.mark.parametrize("content", [b"", b"\xe3", b"garbage", b"N"], ids=repr)
def test_a_broken_bundle_is_replaced(package: Path, content: bytes) -> None:
    bundle(package).write_bytes(content)
    assert run(package) == "hello\n"
    assert python(LOADERS, package).startswith("True _Loader")


def test_a_moved_package_does_not_use_the_old_places(package: Path) -> None:
    run(package)
    moved = package.parent / "elsewhere" / "blink"
    moved.parent.mkdir()
    package.rename(moved)
    assert python(LOADERS, moved).startswith("False SourceFileLoader")
    assert run(moved) == "hello\n"
    assert python(LOADERS, moved).startswith("True _Loader")


def test_a_folder_without_pycache_does_no_harm(package: Path) -> None:
    (package / "__pycache__").rmdir()
    (package / "__pycache__").write_text("a file, so that none can be made")
    assert run(package) == "hello\n"
