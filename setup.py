"""The parts of the package that pyproject.toml cannot say: the C engine and the native launcher."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

try:
    from setuptools.command.build_scripts import build_scripts
except ImportError:
    from distutils.command.build_scripts import build_scripts

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))

import engine_build
import launcher_build
from toolchain import BuildError


class Build(build):
    """Keeps setuptools' copies apart from our object cache, and never ships a stale one."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.build_base = str(engine_build.BUILD / "setuptools")

    def run(self) -> None:
        shutil.rmtree(engine_build.BUILD / "setuptools", ignore_errors=True)
        super().run()


class BuildModules(build_py):
    """Brings the generated modules up to date first; knows whether the build is editable."""

    editable_mode = False

    def run(self) -> None:
        engine_build.generate_modules()
        super().run()


class BuildEngine(build_ext):
    """Builds the engine in place and copies it to where the wheel is put together."""

    def run(self) -> None:
        built = engine_build.build(engine_build.release())
        if built is None:
            raise BuildError("blink: src/blink/engine holds no C source")
        place = Path(self.get_ext_fullpath(self.extensions[0].name)).resolve()
        if place != built.resolve():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(built, place)


class BuildLauncher(build_scripts):
    """Makes the native `blink` program, which wheels and editable installs put on the PATH."""

    def run(self) -> None:
        editable = bool(self.get_finalized_command("build_py").editable_mode)
        folder = Path(self.build_dir)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(launcher_build.build(editable), folder / "blink")


setup(
    ext_modules=[Extension("blink._engine", sources=[], py_limited_api=True)],
    scripts=["src/launcher/blink.c"],
    data_files=[("share/man/man1", ["docs/blink.1", "docs/blinkenlights.1"])],
    cmdclass={
        "build": Build,
        "build_py": BuildModules,
        "build_ext": BuildEngine,
        "build_scripts": BuildLauncher,
    },
)
