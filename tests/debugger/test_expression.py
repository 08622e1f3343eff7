"""Expressions of the debugger: values, and errors of one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blink.debugger.errors import DebugError
from blink.debugger.expression import compile

MEMORY = bytes(range(64)) + b"quit\0" + b"\xff" * 8


class Fixed:
    """A program whose memory lies at 0x1000."""

    def register(self, name: str) -> int | None:
        return {"rax": 5, "rdi": 0x1040, "rsp": 0x1008, "al": 5}.get(name)

    def read(self, address: int, length: int) -> bytes:
        return MEMORY[address - 0x1000 :][:length] if address >= 0x1000 else b""

    def symbol(self, name: str) -> int | None:
        return {"table": 0x1000, "ns::f(int)": 0x1010}.get(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rax + 1", 6),
        ("$rax == 5 and %al == 5", True),
        ("u8(table + 3)", 3),
        ("u32(rsp)", 0x0B0A0908),
        ("[rsp]", 0x0F0E0D0C0B0A0908),
        ("s8(0x1045)", -1),
        ("string(rdi) == 'quit'", True),
        ("bytes(table, 3)", b"\0\1\2"),
        ("sym('ns::f(int)') - table", 16),
        ("1 < rax < 7", True),
        ("1 < rax < 3", False),
        ("0 or rax", 5),
        ("0 and nothing", 0),
        ("not rax", False),
        ("~rax & 0xff", 0xFA),
        ("7 if rax == 5 else nothing", 7),
        ("max(rax, 3) << 2", 20),
        ("3 in bytes(table, 8)", True),
    ],
)
def test_values(text: str, value: object) -> None:
    assert compile(text).evaluate(Fixed()) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rax +", "is no expression"),
        ("", "is no expression"),
        ("nothing", "no register or symbol is called nothing"),
        ("u64(4)", "no 8 bytes can be read at 0x4"),
        ("(lambda: 1)()", "lambda has no meaning here"),
        ("rax.real", "attribute has no meaning here"),
        ("__import__('os')", "there is no function __import__"),
        ("[x for x in rax]", "listcomp has no meaning here"),
        ("rax / 0", "division by zero"),
        ("1 << (1 << 60)", "a shift by"),
        ("string(rdi) + 1", "can't concat"),
        ("u8(1, 2)", "there is no function u8 of 2 values"),
        ("sym('g')", "no symbol is called g"),
    ],
)
def test_complaints_are_one_line(text: str, complaint: str) -> None:
    with pytest.raises(DebugError, match=None) as caught:
        compile(text).evaluate(Fixed())
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_an_address_wraps_and_is_an_integer() -> None:
    assert compile("0 - 1").address(Fixed()) == (1 << 64) - 1
    with pytest.raises(DebugError, match="is no address"):
        compile("string(rdi)").address(Fixed())


@given(st.text("()[]+-*/<>=&|^~%$ 0123456789abrdixuo'\"._,:{}@", max_size=40))
def test_any_text_has_a_value_or_a_complaint(text: str) -> None:
    try:
        compile(text).evaluate(Fixed())
    except DebugError as error:
        assert "\n" not in str(error).replace(repr(text), "")
