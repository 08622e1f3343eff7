"""Parts of panels: kernels, arrows, lanes, flags, values, speeds, code."""

from __future__ import annotations

import struct

import pytest
from rich.cells import cell_len

pytest.importorskip("textual", reason="the interface's libraries are not installed")

from blink.tui import code
from blink.tui.lines import fitted
from blink.tui.options import parser
from blink.tui.panels._arrows import arrows
from blink.tui.panels._cp437 import GLYPHS, shade
from blink.tui.panels._lanczos import KERNEL, halve, zoomed
from blink.tui.panels.maps import protection, size
from blink.tui.panels.profile import bar
from blink.tui.panels.registers import flags_row
from blink.tui.panels.vector import lane, mxcsr_row
from blink.tui.panels.x87 import text_of
from blink.tui.probe import History
from blink.tui.speed import Speed, short


def test_the_kernel_is_symmetric_and_keeps_what_is_even() -> None:
    assert sum(KERNEL) == 1 << 12
    assert all(abs(a - b) <= 4 for a, b in zip(KERNEL, reversed(KERNEL), strict=True))
    for value in (0, 1, 127, 255):
        assert halve(bytes([value]) * 64) == bytes([value]) * 32


def test_zooming_out_keeps_edges_and_averages_noise() -> None:
    edge = zoomed(bytes(2048) + b"\xff" * 2048, 3)
    assert len(edge) == 512
    assert set(edge[:250]) == {0} and set(edge[262:]) == {255}
    grey = zoomed(bytes([0, 255] * 2048), 2)
    assert all(120 <= value <= 136 for value in grey[8:-8])


def test_glyphs_are_one_cell_each() -> None:
    from rich.cells import cell_len

    assert len(GLYPHS) == 256
    assert all(cell_len(glyph) == 1 for glyph in GLYPHS)
    assert GLYPHS[65] == "A" and GLYPHS[0xB0] == "░" and GLYPHS[1] == "☺"
    assert (shade(0), shade(128), shade(255)) == (" ", "▒", "█")


def test_arrows_join_a_jump_and_its_target() -> None:
    drawn = arrows([1, 2, 3, 4], {2: 4, 3: 1}, present=2)
    assert drawn == ["╭─→ ", "│╭─ ", "╰│─ ", " ╰→ "]
    assert arrows([1, 2], {1: 9}, present=1) == ["    ", "    "]
    assert arrows([1, None, 2], {1: 2}, present=1) == [" ╭─ ", " │  ", " ╰→ "]


def test_flags_are_spelled() -> None:
    row = flags_row(0x246, 0x206)
    assert ("ZF", "changed") in row
    assert ("PF", "flag") in row
    assert ("cf", "dim") in row


@pytest.mark.parametrize(
    ("data", "kind", "radix", "text"),
    [
        (b"\x01\xff", "int", "hex", "ff01"),
        (b"\x01\xff", "int", "dec", "  -255"),
        (b"\x01\xff", "unsigned", "dec", " 65281"),
        (b"\x05", "int", "bin", "00000101"),
        (b"\x09", "int", "oct", "011"),
        (struct.pack("<f", 1.5), "float", "hex", "       1.5"),
        (struct.pack("<d", -0.25), "float", "dec", "         -0.25"),
        (b"AB", "bytes", "hex", "BA"),
    ],
)
def test_elements_of_vectors(data: bytes, kind: str, radix: str, text: str) -> None:
    assert lane(data, kind, radix) == text


def test_mxcsr_in_words() -> None:
    row = mxcsr_row(0x1F80 & ~(1 << 9) | 0x8001 | 1 << 13, None)
    text = "".join(part for part, _ in row)
    assert text == " mxcsr bd81 IE !ZM round down FTZ"


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0x3FFF << 64 | 1 << 63, "1"),
        (0xC000 << 64 | 0xC000000000000000, "-3"),
        (0x7FFF << 64 | 1 << 63, "inf"),
        (0x7FFF << 64 | 3 << 62, "nan"),
        (1 << 79, "-0"),
        (0x7FFE << 64 | 1 << 63, "1*2^16383"),
    ],
)
def test_numbers_of_the_x87(bits: int, text: str) -> None:
    assert text_of(bits) == text


def test_what_instructions_touch() -> None:
    registers = {"rax": 0x1000, "rcx": 2, "rsp": 0x8000, "fs_base": 0x500, "rip": 0}
    load = code.accesses(bytes.fromhex("8b448804"), 0, registers)  # mov eax, [rax+rcx*4+4]
    assert load == [code.Access(0x100C, 4, False)]
    push = code.accesses(bytes.fromhex("50"), 0, registers)
    assert push == [code.Access(0x7FF8, 8, True)]
    add = code.accesses(bytes.fromhex("480100"), 0, registers)  # add [rax], rax
    assert {access.write for access in add} == {False, True}
    tls = code.accesses(bytes.fromhex("64488b042528000000"), 0, registers)  # mov rax, fs:[0x28]
    assert tls == [code.Access(0x528, 8, False)]
    assert code.accesses(b"\x90", 0, registers) == []


def test_lines_of_code() -> None:
    lines = code.decode(bytes.fromhex("e80b000000 7502 0f05 06".replace(" ", "")), 0x1000, 9)
    assert [(line.mnemonic, line.flow) for line in lines] == [
        ("call", "call"),
        ("jne", "branch"),
        ("syscall", ""),
        ("(bad)", ""),
    ]
    assert lines[0].target == 0x1010
    assert lines[1].target == 0x1009


def test_speeds() -> None:
    speed = Speed()
    assert (speed.rate, speed.count(), str(speed)) == (None, None, "full speed")
    speed.slower()
    assert str(speed) == "1.05M/s"
    speed.level = 0
    assert (speed.count(), round(speed.pause(0.1), 3)) == (1, 0.9)
    assert [short(n) for n in (7, 1234, 5_600_000, 2e9)] == ["7", "1.23k", "5.6M", "2G"]


def test_small_words() -> None:
    assert protection(5) == "r-x"
    assert [size(n) for n in (512, 4096, 3 << 20)] == ["512B", "4K", "3M"]
    assert bar(0.5, 4) == "██  "
    assert bar(1 / 16, 2) == "▏ "


def test_history_forgets_old_accesses() -> None:
    history = History()
    for i in range(100):
        history.access(code.Access(i * 8, 8, i % 2 == 1))
    assert len(history.accesses) == 64
    assert history.heats(99 * 8, 99 * 8 + 1) == {99 * 8: (0, True)}
    assert history.heats(0, 8) == {}
    history.access(code.Access(98 * 8 + 4, 8, False))  # over the end of one, and half of the next
    assert history.heats(98 * 8, 100 * 8, 4) == {
        98 * 8: (2, False), 98 * 8 + 4: (0, False), 99 * 8: (0, False), 99 * 8 + 4: (1, True),
    }  # fmt: skip
    assert history.heats(98 * 8, 100 * 8, 8) == {98 * 8: (0, False), 99 * 8: (0, False)}
    assert history.last_read == 98 * 8 + 4


def test_options() -> None:
    line = parser().parse_args("-b main -b 0x10 -w x,4 -jmt -zz -s -C / prog -b -h".split())
    assert line.breakpoints == ["main", "0x10"]
    assert line.watchpoints == ["x,4"]
    assert (line.no_jit, line.memory_checked, line.no_tui, line.zoom) == (True, True, True, 2)
    assert line.words == ["prog", "-b", "-h"]


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (("fits", " here"), "fits here"),
        (("ten  cells", ""), "ten  cells"),
        (("ten  cells", " and more"), "ten  cell…"),
        (("spaces are", "   "), "spaces are"),
        (("one", " ", "two", " ", "three"), "one two t…"),
        (("漢字漢字漢", ""), "漢字漢字漢"),
        (("漢字漢字漢字",), "漢字漢字 …"),
        (("a漢字漢字漢字",), "a漢字漢字…"),
        (("", "wider than ten"), "wider tha…"),
        (("\x1b[2J", "\x0c\x9b1m"), "␛[2J␌␡1m"),
    ],
)
def test_what_is_cut_says_so(texts: tuple[str, ...], shown: str) -> None:
    parts = tuple((text, f"style{i}") for i, text in enumerate(texts))
    kept, width = fitted(parts, 10)
    assert "".join(text for text, _ in kept) == shown
    assert width == cell_len(shown) <= 10
    assert [names for _, names in kept] == sorted(names for _, names in kept)
