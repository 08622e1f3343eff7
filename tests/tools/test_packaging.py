"""The ways to install: pip from the tree, editable, from an sdist, uv, Debian's Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEBIAN_PYTHON = "/usr/bin/python3"

pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Runs a program that must succeed; returns its output."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with the object cache, so that installing it writes nothing here."""
    copy = tmp_path_factory.mktemp("tree") / "blink"
    unwanted = shutil.ignore_patterns(
        ".git", ".venv", "setuptools", "sanitize", "*.egg-info", ".*_cache", ".hypothesis", "lock"
    )
    shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted)
    return copy


def make_venv(folder: Path, python: str = sys.executable) -> Path:
    run(python, "-m", "venv", folder)
    return folder / "bin"


def check_installed(bin_folder: Path, tree: Path) -> None:
    """The command, the module, the man page and the engine are there, and not from the tree."""
    version = run(bin_folder / "blink", "-v", cwd=Path("/"))
    assert version.startswith("blink ")
    assert run(bin_folder / "python", "-m", "blink", "--version", cwd=Path("/")) == version
    assert (bin_folder.parent / "share/man/man1/blink.1").exists()
    code = "import blink, blink._engine as e; print(blink.__file__, e.__file__)"
    where = run(bin_folder / "python", "-I", "-c", code, cwd=Path("/"))
    assert str(tree) not in where
    assert run(bin_folder / "blink", "/bin/echo", "a b", cwd=Path("/")) == "a b\n"


def test_pip_from_the_tree(tree: Path, tmp_path: Path) -> None:
    bin_folder = make_venv(tmp_path / "venv")
    run(bin_folder / "pip", "install", "-q", tree)
    check_installed(bin_folder, tree)
    shutil.copytree(tmp_path / "venv/bin", tmp_path / "moved/bin", symlinks=True)
    shutil.move(tmp_path / "venv/lib", tmp_path / "moved/lib")
    assert run(tmp_path / "moved/bin/blink", "-v", cwd=Path("/")).startswith("blink ")


def test_pip_to_a_target_folder(tree: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path / "t", tree)
    assert run(tmp_path / "t/bin/blink", "-v", cwd=Path("/")).startswith("blink ")


def test_pip_editable(tree: Path, tmp_path: Path) -> None:
    bin_folder = make_venv(tmp_path / "venv")
    run(bin_folder / "pip", "install", "-q", "-e", tree)
    assert run(bin_folder / "blink", "-v", cwd=Path("/")).startswith("blink ")
    code = "import blink._engine as e; print(e.__file__)"
    where = run(bin_folder / "python", "-c", code, cwd=Path("/"))
    assert where.startswith(str(tree / "src"))


def test_pip_from_an_sdist(tree: Path, tmp_path: Path) -> None:
    """The sdist holds all that a build needs; nothing is cached for it."""
    bin_folder = make_venv(tmp_path / "venv")
    run(bin_folder / "pip", "install", "-q", "build")
    run(bin_folder / "python", "-m", "build", "-s", "-o", tmp_path / "dist", tree)
    (archive,) = (tmp_path / "dist").iterdir()
    run(bin_folder / "pip", "install", "-q", archive)
    check_installed(bin_folder, tree)


def test_uv(tree: Path, tmp_path: Path) -> None:
    tools = make_venv(tmp_path / "tools")
    run(tools / "pip", "install", "-q", "uv")
    shutil.copytree(tree, tmp_path / "tree")
    project = tmp_path / "tree"
    run(tools / "uv", "sync", "-q", "--no-dev", "--python", sys.executable, cwd=project)
    assert run(tools / "uv", "run", "--no-dev", "blink", "-v", cwd=project).startswith("blink ")
    launch = project / "src/blink/cli/launch.py"
    launch.write_text(launch.read_text() + "\nprint('edited')\n")
    assert "edited" in run(tools / "uv", "run", "--no-dev", "blink", "-v", cwd=project)
    engine = project / "src/blink/_engine.abi3.so"
    engine.unlink()
    memory = project / "src/blink/engine/memory.c"
    memory.write_text(memory.read_text() + "\n/* changed */\n")
    run(tools / "uv", "run", "--no-dev", "blink", "-v", cwd=project)
    assert engine.exists()


@pytest.fixture(scope="module")
def debian_bin(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """blink in a virtual environment of Debian's own, non-PIE Python."""
    probe = "import sys, ensurepip; assert sys.version_info >= (3, 11)"
    done = subprocess.run([DEBIAN_PYTHON, "-c", probe], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{DEBIAN_PYTHON} is absent, too old or has no ensurepip")
    bin_folder = make_venv(tmp_path_factory.mktemp("debian") / "venv", DEBIAN_PYTHON)
    run(bin_folder / "pip", "install", "-q", tree)
    return bin_folder


def test_debian_python(debian_bin: Path, tree: Path) -> None:
    check_installed(debian_bin, tree)


@pytest.mark.parametrize("way", ["embedded", "executed"])
def test_a_non_pie_guest_under_debian_python(
    debian_bin: Path, need: Callable[[str], str], tmp_path: Path, way: str
) -> None:
    """docs/decisions/0001-non-pie-host-collision.md: both ways run a guest at 0x400000."""
    (tmp_path / "p.c").write_text('#include <stdio.h>\nint main(){printf("%p\\n",(void*)main);}\n')
    run(need("gcc"), "-no-pie", "-static", "-o", tmp_path / "p", tmp_path / "p.c")
    environment = {"BLINK_NO_EMBED": "1"} if way == "executed" else {}
    native = run(tmp_path / "p")
    assert native.startswith("0x40")
    assert run(debian_bin / "blink", tmp_path / "p", **environment) == native


@pytest.mark.long
def test_without_a_c_compiler(tree: Path, tmp_path: Path) -> None:
    """The backend asks for the ziglang wheel where no compiler is found."""
    bin_folder = make_venv(tmp_path / "venv")
    (tmp_path / "bare").mkdir()
    for program in ("sh", "env", "uname"):
        (tmp_path / "bare" / program).symlink_to(shutil.which(program) or "")
    run(bin_folder / "pip", "install", "-q", tree, PATH=str(tmp_path / "bare"))
    check_installed(bin_folder, tree)
