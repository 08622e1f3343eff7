"""Code as text, with and without iced-x86."""

from __future__ import annotations

import sys

import pytest

from blink.debugger.disassembly import disassemble

CODE = bytes.fromhex("4889e5 c7070500 0000 c3") + bytes(20)


def test_with_iced() -> None:
    pytest.importorskip("iced_x86")
    assert disassemble(CODE, 0x401000, 3) == [
        (0x401000, bytes.fromhex("4889e5"), "mov rbp,rsp"),
        (0x401003, bytes.fromhex("c70705000000"), "mov dword ptr [rdi],5"),
        (0x401009, b"\xc3", "ret"),
    ]


def test_without_iced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iced_x86", None)
    assert disassemble(CODE, 0x401000, 3) == [(0x401000, bytes.fromhex("4889e5"), "")]


@pytest.mark.parametrize("iced", [True, False])
def test_what_is_no_code(monkeypatch: pytest.MonkeyPatch, iced: bool) -> None:
    if iced:
        pytest.importorskip("iced_x86")
    else:
        monkeypatch.setitem(sys.modules, "iced_x86", None)
    assert disassemble(b"\x06" * 30, 0, 2) == [(0, b"\x06" * 15, "")]
    assert disassemble(b"\x48", 0, 2) == [(0, b"\x48", "")]
    assert disassemble(b"", 0, 2) == [(0, b"", "")]
