"""Gets what a fresh machine lacks: a virtual environment, a compiler, headers, tools, programs."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import engine_build
import launcher_build
import toolchain
from engine_build import ROOT
from toolchain import BuildError

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "blink-setup.json"
INSTALL_INPUTS = (
    "pyproject.toml",
    "setup.py",
    "src/blink/__init__.py",
    "src/launcher/blink.c",
    "tools/launcher_build.py",
)
BUILD_PACKAGES = ("gcc", "libc6-dev", "python3-dev")
AND_PIP = ", and pip for a compiler (`apt-get install python3-venv`)"


def say(text: str) -> None:
    """One line of progress."""
    print(f"dev: {text}", flush=True)


# --- Debian packages ---------------------------------------------------------------------------


def can_apt() -> bool:
    """Whether packages can be installed: root on a Debian-like machine."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


@functools.cache
def _apt_update() -> None:
    subprocess.run(["apt-get", "-qq", "update"], stdin=subprocess.DEVNULL, check=False)


def apt_install(*packages: str) -> bool:
    """Installs Debian packages; False if apt could not."""
    _apt_update()
    say("apt-get install " + " ".join(packages))
    command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def missing_test_packages(everything: bool) -> list[str]:
    """The packages of tests/apt-packages.txt whose program or file is not there.

    Those marked `all` are large, and only the all tier uses them.
    """
    lines = (ROOT / "tests" / "apt-packages.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    wanted = [row for row in rows if everything or row[2:] != ["all"]]
    return [row[0] for row in wanted if not _is_there(row[1])]


def _is_there(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign) is not None


def install_test_programs(everything: bool = False) -> None:
    """Installs the programs that tests run, if we may; tests say what they miss."""
    missing = missing_test_packages(everything)
    if not missing:
        return
    if not can_apt() or not apt_install(*missing):
        say("not installed, tests that need them will say so: " + " ".join(missing))


# --- the virtual environment -------------------------------------------------------------------


def enter_venv() -> None:
    """Makes .venv if needed, and carries on in its interpreter."""
    if Path(sys.prefix) == VENV:
        return
    if not _works(PYTHON):
        make_venv()
    os.execv(PYTHON, [str(PYTHON), *sys.argv])


def _works(python: Path) -> bool:
    probe = [str(python), "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return python.exists() and subprocess.run(probe, check=False).returncode == 0


def make_venv() -> None:
    """Creates .venv with pip if the interpreter has ensurepip, or apt can bring it; else bare."""
    if not importlib.util.find_spec("ensurepip") and can_apt():
        apt_install("python3-venv")
    importlib.invalidate_caches()
    if not importlib.util.find_spec("venv"):
        raise BuildError("blink: Python has no `venv` module: apt-get install python3-venv")
    say(f"making .venv with {sys.executable}")
    pip = [] if importlib.util.find_spec("ensurepip") else ["--without-pip"]
    subprocess.run([sys.executable, "-m", "venv", "--clear", *pip, str(VENV)], check=True)


def has_pip() -> bool:
    """Whether .venv has pip; one made by uv gets it here."""
    if importlib.util.find_spec("pip"):
        return True
    if importlib.util.find_spec("ensurepip"):
        subprocess.run([str(PYTHON), "-m", "ensurepip"], stdout=subprocess.DEVNULL, check=False)
        importlib.invalidate_caches()
    return importlib.util.find_spec("pip") is not None


def pip_install(*arguments: str) -> None:
    """Runs pip in .venv.  Raises BuildError when it fails or is not there."""
    if not has_pip():
        raise BuildError("blink: no pip here: apt-get install python3-venv")
    command = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, check=False).returncode:
        raise BuildError("blink: pip could not install " + " ".join(arguments))
    importlib.invalidate_caches()


def ensure_compiler() -> None:
    """Gets a C compiler and Python.h: by apt, else the `ziglang` wheel; else says what to do."""
    lacking = [not toolchain.has_compiler(), not toolchain.has_headers()]
    if any(lacking) and can_apt():
        apt_install(*BUILD_PACKAGES)
    by_wheel = not toolchain.has_compiler()
    if not toolchain.has_headers():
        raise BuildError(toolchain.NO_HEADERS + (AND_PIP if by_wheel and not has_pip() else ""))
    if by_wheel:
        say("no C compiler: installing ziglang in .venv")
        pip_install("ziglang")


# --- what is installed in it -------------------------------------------------------------------


def _stamp() -> dict[str, str]:
    try:
        said = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_new(name: str, key: str) -> bool:
    """Whether this key is new for this name since the environment was made."""
    return _stamp().get(name) != key


def _done(name: str, key: str) -> None:
    STAMP.write_text(json.dumps({**_stamp(), name: key}))


def install_tools() -> None:
    """Installs the `dev` group of pyproject.toml in .venv."""
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    key = " ".join(group)
    if _is_new("tools", key):
        say("installing the development tools in .venv")
        pip_install(*group)
        _done("tools", key)


def install_package() -> None:
    """Installs blink in .venv, editable: its metadata, the launcher and the man page."""
    state = hashlib.sha256()
    for name in INSTALL_INPUTS:
        state.update((ROOT / name).read_bytes())
    key = state.hexdigest()
    if not _is_new("package", key) and (VENV / "bin" / "blink").exists():
        return
    if has_pip():
        say("installing the package in .venv")
        pip_install("-e", str(ROOT))
    else:
        _install_by_hand()
    _done("package", key)


def _install_by_hand() -> None:
    """The same without pip: the launcher, and a path file for `import blink`."""
    say("no pip: putting the launcher into .venv/bin")
    shutil.copy2(launcher_build.build(editable=True), VENV / "bin" / "blink")
    site = next((VENV / "lib").glob("python*/site-packages"))
    (site / "blink-source.pth").write_text(f"{ROOT / 'src'}\n")


def prepare(tools: bool = False, programs: bool = False, everything: bool = False) -> None:
    """All that a verb needs: .venv, engine, launcher; on request tools and test programs."""
    enter_venv()
    ensure_compiler()
    if tools:
        install_tools()
    if engine_build.build(engine_build.release()) is None:
        raise BuildError("blink: src/blink/engine holds no C source")
    install_package()
    if programs:
        install_test_programs(everything)
