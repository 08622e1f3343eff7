"""The notation of the opcode maps, and the header made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from blink.codegen import emit_maps
from blink.isa._map_rows import Cell, RowError, numbers, parse
from blink.isa.maps import MAPS, cells


def test_numbers() -> None:
    assert numbers("10-12,28") == {0x10, 0x11, 0x12, 0x28}
    assert numbers("0-1,7", 8) == {0, 1, 7}


def test_row_without_modrm() -> None:
    assert parse("90 :  # nop", 64) == {0x90: Cell(mem=0x01010101)}


def test_row_with_immediate_and_prefixes() -> None:
    cell = parse("70 ib : np 66 m /1-2", 64)[0x70]
    assert cell == Cell(modrm=True, imm="ib", mem=0b110 | 0b110 << 8)


def test_register_forms_and_exact_bytes() -> None:
    cell = parse("01 : f3 r /7 | np =C1,D0", 64)[1]
    assert cell.reg == [1 << 1 | 1 << 0x10, 0, 0xFF << 56, 0]
    assert cell.mem == 0


def test_both_shapes_and_lock() -> None:
    cell = parse("80 ib : M /0-6 lock | M /7", 64)[0x80]
    assert (cell.mem, cell.lock) == (0xFFFFFFFF, 0x7F)
    assert cell.reg == [(1 << 64) - 1] * 4


def test_modes() -> None:
    rows = "40 : i64\n40 prefix : o64"
    assert parse(rows, 16) == parse(rows, 32) == {0x40: Cell(mem=0x01010101)}
    assert parse(rows, 64)[0x40].kind == "prefix"


@pytest.mark.parametrize(
    "row",
    [
        "90 : M\n90-91 :",  # defined twice
        "90 : M |",  # with and without ModRM
        "90 ix :",
        "90 : q",
        "90 : M i64 m o65",
    ],
)
def test_errors(row: str) -> None:
    with pytest.raises(RowError):
        parse(row, 64)


def test_attribute() -> None:
    cell = Cell(modrm=True, imm="ib", kind="vsib")
    assert emit_maps.attribute(cell, 7) == 7 | 0x100 | 1 << 9 | 4 << 13


def test_header_is_reproducible_and_complete() -> None:
    text = emit_maps.emit()
    assert text == emit_maps.emit()
    assert text.count("  { /* ") == 2 * (len(MAPS) + 1)
    assert "{ /* evex map 6, 64-bit mode */" in text


def test_main_writes_the_header(tmp_path: Path) -> None:
    path = tmp_path / "maps.h"
    assert emit_maps.main([str(path)]) == 0
    assert path.read_text("ascii") == emit_maps.emit()


@pytest.mark.parametrize(("encoding", "number"), MAPS)
def test_every_defined_opcode_has_a_form(encoding: str, number: int) -> None:
    for mode in (16, 32, 64):
        for opcode, cell in cells(encoding, number, mode).items():
            assert cell.mem or any(cell.reg), f"{opcode:#x}"
