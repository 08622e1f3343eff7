"""Compiles the C programs of guests/."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from syscalls.guest import FLAGS, HERE, Compile


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Compile:
    """Compiles a guest once a session; its path."""
    folder = tmp_path_factory.mktemp("calls")

    def build(name: str) -> Path:
        program = folder / name
        if not program.exists():
            command = [need("gcc"), *FLAGS, "-o", str(program), str(HERE / f"{name}.c")]
            subprocess.run(command, check=True, timeout=60)
        return program

    return build
