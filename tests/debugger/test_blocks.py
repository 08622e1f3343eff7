"""What `blink --show-blocks` lists."""

from __future__ import annotations

import platform

import pytest

from blink import _engine
from blink.debugger.blocks import lines

CODE = 0x1_0000
# mov eax, 3; dec eax; jnz -4; ud2
LOOP = bytes.fromhex("b803000000 ffc8 75fc 0f0b")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86-64 hosts")


def test_every_byte_is_listed_below_its_instruction() -> None:
    memory = _engine.Memory(False)
    memory.map(CODE, 0x1000, 7, 0x22)
    memory.write(CODE, LOOP)
    cpu = _engine.Cpu(memory)
    assert cpu.set_jit(True)
    cpu.set("rip", CODE)
    assert cpu.run(None) == _engine.STOP_FAULT
    blocks = cpu.blocks()
    assert {rip for rip, *_ in blocks} == {CODE, CODE + 5}
    for block in blocks:
        text = list(lines(block, memory))
        rip, check, entry, code, starts = block
        assert text[0].startswith(f"block {rip:#x}, {len(starts)} instructions, {len(code)} bytes")
        guest = [line for line in text if line.startswith("  1")]
        assert len(guest) == len(starts)
        host = [line.split()[1] for line in text if line.startswith("      ")]
        assert bytes.fromhex("".join(host)) == code
        assert check <= entry == check + starts[0][1]  # direct branches need no check
        assert bytes.fromhex("ffc8") in code  # copied
    memory.reset()


def test_nothing_is_translated_without_the_translator() -> None:
    assert _engine.Cpu(_engine.Memory(False)).blocks() == []
