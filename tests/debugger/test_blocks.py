"""What `blink --show-blocks` lists."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest

from blink import _engine
from blink.debugger.blocks import lines
from blink.debugger.session import Session

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


def machine() -> tuple[_engine.Memory, _engine.Cpu]:
    """A program that ends in a fault behind its loop."""
    memory = _engine.Memory(False)
    memory.map(CODE, 0x1000, 7, 0x22)
    memory.write(CODE, LOOP)
    cpu = _engine.Cpu(memory)
    cpu.set("rip", CODE)
    return memory, cpu


def test_where_translated_and_decoded_blocks_are() -> None:
    memory, cpu = machine()
    assert cpu.set_jit(True)
    assert cpu.translated(0, 1 << 20) == [] == cpu.decoded(CODE, CODE + 16)
    assert cpu.run(None) == _engine.STOP_FAULT
    whole, loop = (CODE, 9), (CODE + 5, 4)
    assert sorted(cpu.translated(CODE, CODE + 9)) == [whole, loop]
    assert cpu.translated(CODE + 3, CODE + 5) == [whole]  # it begins before the range
    assert cpu.translated(CODE + 9, CODE + 0x1000) == cpu.translated(0, CODE) == []
    assert cpu.decoded(CODE, CODE + 16) == [CODE + 9]  # ud2 is the interpreter's
    memory.write(CODE + 5, b"\x90")  # forgets what was made of it
    assert cpu.translated(CODE, CODE + 9) == cpu.decoded(CODE, CODE + 16) == []
    memory.reset()


def test_what_is_interpreted_is_decoded_only() -> None:
    memory, cpu = machine()
    assert cpu.run(None) == _engine.STOP_FAULT
    assert cpu.translated(CODE, CODE + 16) == []
    assert cpu.decoded(CODE, CODE + 16) == [CODE, CODE + 5, CODE + 9]
    memory.reset()


def test_the_same_breakpoints_again_forget_nothing() -> None:
    memory, cpu = machine()
    cpu.set_breakpoints([CODE + 9, CODE + 0x100])
    assert cpu.run(None) == _engine.STOP_BREAKPOINT
    decoded = cpu.decoded(CODE, CODE + 16)
    assert decoded
    cpu.set_breakpoints([CODE + 0x100, CODE + 9])
    assert cpu.decoded(CODE, CODE + 16) == decoded
    cpu.set_breakpoints([CODE + 5])
    assert cpu.decoded(CODE, CODE + 16) == []
    cpu.set("rip", CODE)
    assert (cpu.run(None), cpu.rip) == (_engine.STOP_BREAKPOINT, CODE + 5)
    memory.reset()


def test_a_session_tells_what_was_made_of_code(start: Callable[..., Session]) -> None:
    for translate in (True, False):
        session = start(options={"translate": translate})
        (main,) = session.symbols.find("main")
        assert session.translations(main, main + 64) == ([], [])
        session.cont()
        session.wait(60)
        made = session.translations(main, main + 64)
        assert bool(made.translated) == translate
        assert any(start <= main < start + length for start, length in made.translated) == translate
        assert main in made.decoded or translate


def test_nothing_is_translated_without_the_translator() -> None:
    assert _engine.Cpu(_engine.Memory(False)).blocks() == []
