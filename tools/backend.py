"""The PEP 517 build backend: setuptools, plus the `ziglang` compiler where the machine has none."""

from __future__ import annotations

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

from toolchain import has_compiler

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = dict[str, str | list[str]] | None


def _compiler() -> list[str]:
    return [] if has_compiler() else ["ziglang"]


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What a wheel needs to build, as PEP 517 asks."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """What an editable build needs, as PEP 660 asks."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler()]
