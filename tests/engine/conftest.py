"""Fixtures of the engine's tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from blink.machine.memory import Memory
from engine.memory_help import MakeFile


@pytest.fixture(params=[False, True], ids=["linear", "paged"])
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    """An empty guest address space, in both modes."""
    space = Memory(paged=request.param)
    yield space
    space.reset()


@pytest.fixture
def linear_memory() -> Iterator[Memory]:
    """An empty linear address space."""
    space = Memory(False)
    yield space
    space.reset()


@pytest.fixture
def make_file() -> Iterator[MakeFile]:
    """Makes files without a name; closes them in the end."""
    opened = []

    def make(content: bytes) -> int:
        fd = os.memfd_create("test")
        os.write(fd, content)
        opened.append(fd)
        return fd

    yield make
    for fd in opened:
        os.close(fd)
