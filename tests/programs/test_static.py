"""Static programs: glibc, musl, and busybox with its applets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from programs.harness import Same, lines

Compile = Callable[..., str]

KINDS = {
    "glibc": ("gcc", ("-static", "-lm")),
    "glibc-pie": ("gcc", ("-static-pie", "-lm")),
    "musl": ("musl-gcc", ("-static", "-lm")),
    "dynamic": ("gcc", ("-lm",)),
    "dynamic-no-pie": ("gcc", ("-no-pie", "-lm")),
    "musl-dynamic": ("musl-gcc", ("-lm",)),
}


@pytest.mark.all_modes
@pytest.mark.parametrize("kind", KINDS)
def test_c_program(same: Same, compile_c: Compile, kind: str) -> None:
    compiler, flags = KINDS[kind]
    program = compile_c("libc", *flags, compiler=compiler)
    same(program, "one", "", "\udcff", stdin="a line\nand another", status=4)


BUSYBOX = lines("busybox.txt")


@pytest.mark.parametrize("command", BUSYBOX)
def test_busybox(same: Same, command: str) -> None:
    same.need("busybox")
    files = {"a": "hello\nworld\nagain\n", "b": "same\nsame\nelse\n"}
    same(*"busybox sh -c".split(), f"busybox {command}", files=files, status=None)


@pytest.mark.all_modes
def test_busybox_alone(same: Same) -> None:
    same("busybox", "echo", "a", "b")
    same("busybox", "factor", "600851475143")
    same("busybox", "sha512sum", stdin=b"abc" * 1000)
