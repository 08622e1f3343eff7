"""The notation of encodings and operands, and which form an instruction is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from blink.isa.matching import clash, index, keys, matches, mod, operand_size, specificity
from blink.isa.operands import KINDS, parse_operands
from blink.isa.spec import ANY, Encoding, Form, Insn, insn, parse_encoding

NP, P66, PF3, PF2 = range(4)
LEGACY, VEX, EVEX = range(3)


def form(encoding: str, operands: str = "", name: str = "TOY", **properties: Any) -> Form:
    made = Form(encoding, operands, **properties)
    made.insn = Insn(name, (made,), lambda s: None)
    return made


# --- Encodings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("90", {"opcode": 0x90}),
        ("81 /0 id", {"opcode": 0x81, "modrm": True, "mask": 0x38, "value": 0}),
        ("F7 /5", {"opcode": 0xF7, "modrm": True, "mask": 0x38, "value": 0x28}),
        ("8B /r", {"opcode": 0x8B, "modrm": True}),
        ("50+r", {"opcode": 0x50, "plus_r": True}),
        ("0F C8+r", {"map": 1, "opcode": 0xC8, "plus_r": True}),
        ("F3 A4", {"pp": PF3, "opcode": 0xA4}),
        ("F2 AE", {"pp": PF2, "opcode": 0xAE}),
        ("F3 90", {"pp": PF3, "opcode": 0x90}),
        ("66 90", {"pp": P66, "opcode": 0x90}),
        ("66 0F EF /r", {"pp": P66, "map": 1, "opcode": 0xEF, "modrm": True}),
        ("NP 0F 28 /r", {"pp": NP, "map": 1, "opcode": 0x28, "modrm": True}),
        ("F2 0F 58 /r", {"pp": PF2, "map": 1, "opcode": 0x58, "modrm": True}),
        ("0F 38 F0 /r", {"map": 2, "opcode": 0xF0, "modrm": True}),
        ("66 0F 3A 0F /r ib", {"pp": P66, "map": 3, "opcode": 0x0F, "modrm": True}),
        ("0F 0D /r", {"map": 1, "opcode": 0x0D, "modrm": True}),
        ("38 /r", {"opcode": 0x38, "modrm": True}),
        ("0F 01 D0", {"map": 1, "opcode": 1, "modrm": True, "mask": 0xFF, "value": 0xD0}),
        ("NP 0F AE E8+i",
         {"pp": NP, "map": 1, "opcode": 0xAE, "modrm": True, "mask": 0xF8, "value": 0xE8}),
        ("D8 C0+i", {"opcode": 0xD8, "modrm": True, "mask": 0xF8, "value": 0xC0}),
        ("D9 E1", {"opcode": 0xD9, "modrm": True, "mask": 0xFF, "value": 0xE1}),
        ("REX.W 0F C7 /1",
         {"w": 1, "map": 1, "opcode": 0xC7, "modrm": True, "mask": 0x38, "value": 8}),
        ("W0 NP 0F AE /0",
         {"w": 0, "pp": NP, "map": 1, "opcode": 0xAE, "modrm": True, "mask": 0x38}),
        ("E8 cd", {"opcode": 0xE8}),
        ("B8+r io", {"opcode": 0xB8, "plus_r": True}),
        ("VEX.128.66.0F.WIG EF /r",
         {"enc": "vex", "l": 0, "pp": P66, "map": 1, "opcode": 0xEF, "modrm": True}),
        ("VEX.256.F3.0F38.W1 12 /r",
         {"enc": "vex", "l": 1, "pp": PF3, "map": 2, "w": 1, "opcode": 0x12, "modrm": True}),
        ("VEX.LZ.0F38.W0 F2 /r",
         {"enc": "vex", "l": 0, "pp": NP, "map": 2, "w": 0, "opcode": 0xF2, "modrm": True}),
        ("VEX.LIG.F2.0F3A.W0 10 /r ib",
         {"enc": "vex", "pp": PF2, "map": 3, "w": 0, "opcode": 0x10, "modrm": True}),
        ("VEX.L1.NP.0F 77", {"enc": "vex", "l": 1, "pp": NP, "map": 1, "opcode": 0x77}),
        ("EVEX.512.66.0F38.W1 18 /r",
         {"enc": "evex", "l": 2, "pp": P66, "map": 2, "w": 1, "opcode": 0x18, "modrm": True}),
    ],
)  # fmt: skip
def test_encodings(text: str, fields: dict[str, Any]) -> None:
    assert asdict(parse_encoding(text)) == {**asdict(Encoding()), **fields}


@pytest.mark.parametrize(
    "text", ["0F foo", "81 /0 i8", "VEX.129.0F EF", "/x", "f3 90", "VEX.128.66.0F.W2 EF /r"]
)
def test_unknown_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_encoding(text)


def test_an_operand_in_modrm_implies_modrm() -> None:
    assert form("0F 1C", "mem").enc.modrm
    assert not form("50+r", "o64").enc.modrm


# --- Operands ----------------------------------------------------------------------------------


def test_operands() -> None:
    destination, source = parse_operands("rmv:rw simm8")
    assert (destination.kind.where, destination.kind.bank) == ("rm", "gpr")
    assert destination.reads and destination.writes and source.reads and not source.writes
    assert [destination.width(size) for size in (16, 32, 64)] == [16, 32, 64]
    assert [parse_operands("ry")[0].width(size) for size in (16, 32, 64)] == [32, 32, 64]
    assert parse_operands("xm32")[0].width(64) == 32
    assert not parse_operands("xmm:w")[0].reads
    assert parse_operands("") == ()


@pytest.mark.parametrize("text", ["rm7", "rmv:x", "rmv:wr", "rmv,rv", ":r", "rmv imm9"])
def test_unknown_operands_are_named(text: str) -> None:
    with pytest.raises(ValueError, match="unknown operand"):
        parse_operands(text)


def test_kinds_are_consistent() -> None:
    for name, kind in KINDS.items():
        assert kind.name == name
        assert not (kind.mem or kind.reg) or kind.where in ("rm", "moffs"), name
        assert not kind.aligned or (kind.mem and kind.width in (128, 256)), name


@pytest.mark.parametrize(
    ("operands", "properties", "sizes"),
    [
        ("rmv:rw", {}, (16, 32, 64)),
        ("rmv", {"d64": True}, (16, 64)),
        ("ry:w", {}, (32, 64)),
        ("rm8:rw", {}, (32,)),
        ("r64:w", {"size": 64}, (64,)),
    ],
)
def test_sizes(operands: str, properties: dict[str, Any], sizes: tuple[int, ...]) -> None:
    assert form("FF /0", operands, **properties).sizes == sizes


def test_operand_size() -> None:
    push = form("50+r", "ov", d64=True)
    assert [operand_size(push, size) for size in (16, 32, 64)] == [16, 64, 64]
    add = form("01 /r", "rmv:rw rv")
    assert [operand_size(add, size) for size in (16, 32, 64)] == [16, 32, 64]
    assert operand_size(form("00 /r", "rm8:rw r8"), 64) == 32


# --- Matching ----------------------------------------------------------------------------------


def decoded(**fields: int) -> dict[str, int]:
    """A decoded instruction, register form, 64-bit mode, unless the fields say otherwise."""
    plain = {"pp": 0, "w": 0, "l": 0, "modrm": 0xC0, "mod": 3, "rex": 0, "addr_size": 8}
    return {**plain, "mode": 64, **fields}


def test_keys() -> None:
    assert keys(form("0F 38 F0 /r")) == [(LEGACY, 2, 0xF0)]
    assert keys(form("VEX.128.66.0F.WIG EF /r")) == [(VEX, 1, 0xEF)]
    assert keys(form("EVEX.512.66.0F.W0 EF /r")) == [(EVEX, 1, 0xEF)]
    assert keys(form("58+r", "ov")) == [(LEGACY, 0, 0x58 + i) for i in range(8)]


@pytest.mark.parametrize(
    ("encoding", "operands", "wanted"),
    [
        ("01 /r", "rmv:rw rv", "any"),
        ("0F 12 /r", "xmm:w m64", "mem"),
        ("0F 12 /r", "xmm:w X", "reg"),
        ("0F 01 D0", "", "reg"),
        ("D8 C0+i", "sti", "reg"),
        ("A0", "al:w moffs8", "any"),
        ("90", "", "any"),
    ],
)
def test_mod(encoding: str, operands: str, wanted: str) -> None:
    assert mod(form(encoding, operands)) == wanted


@pytest.mark.parametrize(
    ("made", "fields", "wanted"),
    [
        (form("66 0F EF /r", "xmm:rw xm128"), {"pp": P66}, True),
        (form("66 0F EF /r", "xmm:rw xm128"), {"pp": NP}, False),
        (form("0F EF /r", "xmm:rw xm128"), {"pp": PF3}, True),
        (form("81 /2", "rmv:rw immz"), {"modrm": 0xD0}, True),
        (form("81 /2", "rmv:rw immz"), {"modrm": 0xD8}, False),
        (form("0F 12 /r", "xmm:w m64"), {"modrm": 0x00, "mod": 0}, True),
        (form("0F 12 /r", "xmm:w m64"), {"modrm": 0x80, "mod": 2}, True),
        (form("0F 12 /r", "xmm:w m64"), {}, False),
        (form("0F 12 /r", "xmm:w X"), {"modrm": 0x00, "mod": 0}, False),
        (form("REX.W 0F C7 /1", "m128:rw"), {"w": 1, "modrm": 8, "mod": 0}, True),
        (form("REX.W 0F C7 /1", "m128:rw"), {"w": 0, "modrm": 8, "mod": 0}, False),
        (form("VEX.256.66.0F.WIG EF /r"), {"pp": P66, "l": 1}, True),
        (form("VEX.256.66.0F.WIG EF /r"), {"pp": P66, "l": 0}, False),
        (form("90", no_rex_b=True), {"rex": 0x48}, True),
        (form("90", no_rex_b=True), {"rex": 0x41}, False),
        (form("E3", "rel8", asize=32), {"addr_size": 4}, True),
        (form("E3", "rel8", asize=32), {"addr_size": 8}, False),
        (form("06", modes=(16, 32)), {"mode": 32}, True),
        (form("06", modes=(16, 32)), {"mode": 64}, False),
    ],
)
def test_matches(made: Form, fields: dict[str, int], wanted: bool) -> None:
    assert matches(made, decoded(**fields)) == wanted


OVERLAPS = [
    (form("01 /r", "rmv:rw rv"), form("01 /r", "rmv rv")),
    (form("81 /2", "rmv immz"), form("81 /2", "mv immz")),
    (form("50+r", "ov"), form("53", "")),
    (form("66 0F EF /r", "xmm xm128"), form("66 0F EF /r", "xmm:w m128")),
    (form("VEX.128.66.0F.WIG EF /r"), form("VEX.128.66.0F.WIG EF /r")),
]
DISTINCT = [
    (form("66 0F EF /r"), form("F3 0F EF /r")),
    (form("81 /2", "rmv immz"), form("81 /3", "rmv immz")),
    (form("0F 12 /r", "xmm:w m64"), form("0F 12 /r", "xmm:w X")),
    (form("W0 NP 0F AE /0", "mem"), form("REX.W NP 0F AE /0", "mem")),
    (form("D9 E0"), form("D9 E1")),
    (form("D9 C0+i", "sti"), form("D9 /0", "m32")),
    (form("06", modes=(16, 32)), form("06", modes=(64,))),
    (form("E3", "rel8", asize=32), form("E3", "rel8", asize=64)),
    (form("VEX.128.66.0F.WIG EF /r"), form("VEX.256.66.0F.WIG EF /r")),
]


@pytest.mark.parametrize(("a", "b"), OVERLAPS)
def test_overlapping_encodings_are_refused(a: Form, b: Form) -> None:
    assert clash(a, b) and clash(b, a)
    with pytest.raises(ValueError, match=r"TOY '.*' and TOY '.*' overlap"):
        index([a, b])


@pytest.mark.parametrize(("a", "b"), DISTINCT)
def test_encodings_may_share_an_opcode(a: Form, b: Form) -> None:
    assert not clash(a, b) and not clash(b, a)
    assert [f for f in index([a, b])[keys(a)[0]] if f in (a, b)]


def test_what_demands_more_is_asked_first() -> None:
    plain, pause = form("90", no_rex_b=True), form("F3 90")
    exchange = form("90+r", "ov:rw av:rw")
    found = index([exchange, plain, pause])[LEGACY, 0, 0x90]
    assert found == [pause, plain, exchange]
    assert specificity(pause) > specificity(plain) > specificity(exchange)


# --- Definitions -------------------------------------------------------------------------------


def test_insn_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[Insn] = []
    monkeypatch.setattr("blink.isa.spec.REGISTRY", registered)

    @insn("TOY", Form("0F 04 /r", "rmv:rw"), undefined="AF OF", feature="SSE", before="first")
    def toy(s: Any, a: Any) -> Any:
        """What it does."""
        return a

    (made,) = registered
    assert (made.name, made.feature, made.before, made.doc) == (
        "TOY", "SSE", "first", "What it does.",
    )  # fmt: skip
    assert made.undefined == ("AF", "OF")
    assert made.forms[0].insn is made and made.family == "test_spec"
    assert made.forms[0].enc.pp == ANY
