"""A 64-bit program that calls 32-bit code, as under Linux on the host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from programs.harness import Same


@pytest.mark.parametrize("mode", [(), ("-j",), ("-m",)], ids=["translated", "interpreted", "paged"])
def test_32_bit_code_in_a_64_bit_program(
    same: Same, compile_c: Callable[..., str], mode: tuple[str, ...]
) -> None:
    same(compile_c("mode_switch", "-static", "-no-pie"), options=mode)
