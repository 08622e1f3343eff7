"""The decoder on instructions whose fields were worked out by hand from the SDM.

A case is `MODE BYTES: FIELD=VALUE ...  # what it is`, or `MODE BYTES: !STATUS`.  The bytes are one
whole instruction.  Fields of NORMAL that a case does not name have their normal value.
"""

from __future__ import annotations

import pytest

from engine import decode_help

CASES = """
64 90: opcode=0x90 osz=4 addr_size=8                        # nop
64 f3 90: rep=1 pp=2                                        # pause
64 48 89 e5: w=1 rex=0x48 osz=8 mod=3 reg=4 rm=5            # mov rbp, rsp
64 45 89 c8: rex=0x45 reg=9 rm=8 oreg=9                     # mov r8d, r9d
64 66 90: has_66=1 pp=1 osz=2
64 48 66 90: has_66=1 pp=1 osz=2 rex=0 w=0                  # REX not last: ignored
64 66 48 90: has_66=1 pp=1 osz=8 rex=0x48 w=1
64 f2 f3 90: rep=1 repne=0 pp=2                             # the last one wins
64 f3 f2 90: rep=0 repne=1 pp=3
64 63 c1: osz=4 opcode=0x63                                 # movsxd eax, ecx
64 8b 00: base=0 reg=0
64 48 8b 44 88 f8: w=1 rex=0x48 base=0 index=1 scale=2 disp=-8 disp_size=1
64 8b 05 10 00 00 00: rip_relative=1 disp=16 disp_size=4
64 67 8b 05 10 00 00 00: has_67=1 addr_size=4 rip_relative=1 disp=16 disp_size=4
64 8b 04 25 78 56 34 12: disp=0x12345678 disp_size=4        # absolute
64 8b 04 25 00 00 00 80: disp=-0x80000000 disp_size=4
64 4a 8b 04 20: rex=0x4a w=1 base=0 index=12
64 42 8b 04 25 00 00 00 00: rex=0x42 index=12 disp=0 disp_size=4
64 49 8b 04 24: rex=0x49 w=1 base=12
64 41 8b 45 00: rex=0x41 base=13 disp=0 disp_size=1
64 41 8b 04 25 44 33 22 11: rex=0x41 disp=0x11223344 disp_size=4
64 67 41 8b 04 25 44 33 22 11: has_67=1 rex=0x41 disp=0x11223344 disp_size=4
64 8b 85 00 00 00 80: base=5 disp=-0x80000000 disp_size=4
64 48 b8 88 77 66 55 44 33 22 11: rex=0x48 w=1 oreg=0 imm=0x1122334455667788 imm_size=8
64 41 bf 78 56 34 12: rex=0x41 oreg=15 imm=0x12345678 imm_size=4
64 66 b8 34 12: has_66=1 pp=1 imm=0x1234 imm_size=2
64 b0 ff: imm=-1 imm_size=1
64 48 05 00 00 00 80: rex=0x48 w=1 imm=-0x80000000 imm_size=4
64 48 66 05 34 12: has_66=1 pp=1 imm=0x1234 imm_size=2
64 66 48 05 78 56 34 12: has_66=1 pp=1 rex=0x48 w=1 imm=0x12345678 imm_size=4
64 a1 88 77 66 55 44 33 22 11: disp=0x1122334455667788 disp_size=8
64 67 a1 44 33 22 11: has_67=1 disp=0x11223344 disp_size=4 addr_size=4
64 c8 34 12 85: imm=0x1234 imm_size=2 imm2=0x85             # enter
64 c2 08 00: imm=8 imm_size=2
64 f7 c0 78 56 34 12: mod=3 imm=0x12345678 imm_size=4       # test
64 66 f7 c0 34 12: has_66=1 pp=1 imm=0x1234 imm_size=2
64 f6 08 7f: base=0 imm=0x7f imm_size=1                     # test, by its second number
64 f7 d8: mod=3 reg=3                                       # neg: no immediate
64 f6 10: base=0
64 e8 fb ff ff ff: imm=-5 imm_size=4
64 66 e9 00 00 00 80: has_66=1 pp=1 imm=-0x80000000 imm_size=4  # Intel: 66 does not shorten
64 66 0f 84 00 01 00 00: has_66=1 pp=1 map=1 imm=256 imm_size=4
64 eb fe: imm=-2 imm_size=1
64 66 c7 f8 34 12: has_66=1 pp=1 imm=0x1234 imm_size=2      # xbegin: 66 does shorten
64 64 8b 04 25 28 00 00 00: seg=5 disp=0x28 disp_size=4
64 64 3e 8b 00: seg=5 base=0                                # ds is ignored
64 36 8b 00: base=0
64 64 65 8b 00: seg=6 base=0
64 f0 48 0f b1 0b: lock=1 rex=0x48 w=1 map=1 reg=1 base=3   # cmpxchg
64 f0 f0 ff 00: lock=1 base=0
64 f0 01 c0: !invalid                                       # register destination
64 f0 8b 00: !invalid
64 f0 90: !invalid
64 f0 81 38: !invalid                                       # cmp is known by ModRM
64 f0 0f ba 20: !invalid                                    # bt
64 0f 20 40: map=1 mod=3 reg=0 rm=0                         # mov rax, cr0 whatever mod is
64 44 0f 22 c0: rex=0x44 map=1 mod=3 reg=8                  # mov cr8, rax
64 0f 22 c8: !invalid                                       # cr1
64 0f 38 f1 00: map=2 opcode=0xf1 base=0                    # movbe
64 f2 0f 38 f1 c1: map=2 pp=3 repne=1 rm=1                  # crc32
64 66 f2 0f 38 f1 c1: map=2 pp=3 repne=1 has_66=1 osz=2
64 f2 66 0f 38 f1 c1: map=2 pp=3 repne=1 has_66=1 osz=2
64 66 0f 3a 0f c1 85: map=3 pp=1 has_66=1 imm=-0x7b imm_size=1  # palignr
64 66 0f 78 c1 83 84: map=1 pp=1 has_66=1 rm=1 imm=-0x7d imm_size=1 imm2=0x84  # extrq
64 66 0f 78 c9: !invalid                                    # extrq is /0
64 f2 0f 78 ca 03 04: map=1 pp=3 repne=1 reg=1 rm=2 imm=3 imm_size=1 imm2=4
64 0f 78 c1: map=1 rm=1                                     # vmread
64 0f 01 d0: map=1 modrm=0xd0                               # xgetbv
64 66 0f 01 d0: !invalid
64 f3 0f 01 f9: map=1 rep=1 pp=2                            # rdtscp ignores prefixes
64 0f c7 08: map=1 base=0
64 f2 0f c7 f0: !invalid
64 0f ae e8: map=1                                          # lfence
64 66 0f ae e8: !invalid
64 0f 77: map=1
64 f3 0f 77: !invalid
64 f3 0f 14 c1: !invalid                                    # unpcklps takes none or 66
64 0f 0b: map=1 opcode=0x0b
64 0f b9 c0: map=1
64 0f ff 00: map=1 base=0
64 0f 18 f8: map=1                                          # reserved nop
64 0f 04: !invalid
64 0f 0f: !invalid                                          # 3DNow!
64 0f 38 0c: !invalid
64 0f 3a 00: !invalid
64 d9 d0: mod=3
64 d9 d1: !invalid
64 df c0: mod=3                                             # ffreep
64 8e c8: !invalid                                          # mov cs
64 8e d8: mod=3 reg=3
64 8d c0: !invalid                                          # lea of a register
64 8f c8: !invalid                                          # XOP
64 ff f8: !invalid
64 ff d8: !invalid                                          # far call of a register
64 ff 18: base=0
64 06: !invalid
64 82: !invalid
64 9a: !invalid
64 ce: !invalid
64 d6: !invalid
64 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90: has_66=1 pp=1
64 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90: !too long
64 66 66 66 66 66 66 66 66 66 66 66 66 66 66 0f 04: !too long
64 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66: !too long
16 f0 66 67 3e 65 66 67 65 f0 65 f0 66 64 3e c5 dc: !too long
32 f0 66 67 3e 65 66 67 65 f0 65 f0 66 64 3e c5 dc: !too long
64 c5 f8 77: enc=1 map=1 opcode=0x77 osz=4                  # vzeroupper
64 c5 fc 77: enc=1 map=1 l=1
64 c5 71 58 c2: enc=1 map=1 pp=1 reg=8 rm=2 vvvv=1 has_vvvv=1
64 c4 e2 71 98 c2: enc=1 map=2 pp=1 rm=2 vvvv=1 has_vvvv=1
64 c4 42 f1 f7 c8: enc=1 map=2 pp=1 w=1 osz=8 reg=9 rm=8 vvvv=1 has_vvvv=1  # shlx
64 c4 a2 f9 8c 04 20: enc=1 map=2 pp=1 w=1 base=0 index=12
64 c4 e2 79 92 04 0d 08 00 00 00: enc=1 map=2 pp=1 vsib=1 index=1 disp=8 disp_size=4
64 c4 e2 69 92 04 20: enc=1 map=2 pp=1 vvvv=2 has_vvvv=1 vsib=1 index=4 base=0
64 c4 e2 69 92 00: !invalid                                 # a gather needs SIB
64 c4 e3 79 4a c1 f0: enc=1 map=3 pp=1 rm=1 imm=-0x10 imm_size=1  # register in the immediate
64 2e c5 f8 77: enc=1 map=1
64 48 2e c5 f8 77: enc=1 map=1 rex=0                        # measured: runs
64 66 c5: !invalid
64 f2 c5: !invalid
64 f3 c4: !invalid
64 f0 c5: !invalid
64 48 c5: !invalid
64 48 62: !invalid
64 c4 e4 78 77: !invalid                                    # map 4
64 c5 f8 0a: !invalid
64 62 f1 74 48 58 c2: enc=2 map=1 l=2 rm=2 vvvv=1 has_vvvv=1
64 62 81 74 40 58 c2: enc=2 map=1 l=2 reg=16 rm=26 vvvv=17 has_vvvv=1
64 62 f1 74 48 58 40 ff: enc=2 map=1 l=2 base=0 disp=-1 disp_size=1 disp8=1 vvvv=1 has_vvvv=1
64 62 f1 74 48 58 80 40 00 00 00: enc=2 map=1 l=2 base=0 disp=64 disp_size=4 vvvv=1 has_vvvv=1
64 62 f1 7c c9 28 c1: enc=2 map=1 l=2 rm=1 evex_z=1 aaa=1
64 62 f1 74 58 58 00: enc=2 map=1 l=2 evex_b=1 base=0 vvvv=1 has_vvvv=1
64 62 f1 74 78 58 c2: enc=2 map=1 l=3 evex_b=1 vvvv=1 has_vvvv=1
64 62 f1 74 68 58 c2: !invalid                              # length 3
64 62 f1 74 78 58 00: !invalid                              # rounding of a memory operand
64 62 f1 74 c8: !invalid                                    # zeroing without mask
64 62 f2 7d 41 92 04 20: enc=2 map=2 pp=1 l=2 aaa=1 vsib=1 index=20 base=0
64 62 f2 75 41 92 04 20: enc=2 map=2 pp=1 l=2 aaa=1 vsib=1 index=20 base=0 vvvv=1 has_vvvv=1
64 62 f5 74 48 58 c2: enc=2 map=5 l=2 vvvv=1 has_vvvv=1
64 62 f6 75 48 98 c2: enc=2 map=6 pp=1 l=2 vvvv=1 has_vvvv=1
64 62 f9 74 48: !invalid                                    # fixed bits
64 62 f1 70 48: !invalid
64 62 f4 74 48 58: !invalid                                 # map 4
64 66 62: !invalid
32 40: opcode=0x40 rex=0 oreg=0                             # inc eax
32 4f: opcode=0x4f rex=0 oreg=7
32 8b 05 78 56 34 12: disp=0x12345678 disp_size=4           # not RIP-relative
32 36 8b 45 00: seg=3 base=5 disp=0 disp_size=1
32 26 2e 8b 00: seg=2 base=0
32 67 8b 00: has_67=1 addr_size=2 base=3 index=6            # [bx+si]
32 67 8b 06 34 12: has_67=1 disp=0x1234 disp_size=2
32 67 8b 46 fe: has_67=1 base=5 disp=-2 disp_size=1
32 67 8b 87 00 80: has_67=1 base=3 disp=-0x8000 disp_size=2
32 66 c7 00 34 12: has_66=1 pp=1 osz=2 base=0 imm=0x1234 imm_size=2
32 a1 78 56 34 12: disp=0x12345678 disp_size=4 addr_size=4
32 67 a1 34 12: has_67=1 disp=0x1234 disp_size=2
32 e8 00 00 00 80: imm=-0x80000000 imm_size=4
32 66 e8 00 80: has_66=1 pp=1 imm=-0x8000 imm_size=2
32 9a 44 33 22 11 66 f5: imm=0x11223344 imm_size=4 imm2=0xf566
32 66 9a 22 11 66 55: has_66=1 pp=1 imm=0x1122 imm_size=2 imm2=0x5566
32 63 c1: mod=3 opcode=0x63                                 # arpl
32 82 c0 ff: mod=3 imm=-1 imm_size=1
32 d6: opcode=0xd6
32 0f 05: !invalid                                          # syscall is AMD's here
32 c5 00: enc=0 base=0                                      # lds
32 c4 48 01: enc=0 reg=1 base=0 disp=1 disp_size=1          # les
32 62 00: enc=0 base=0                                      # bound
32 c5 f8 77: enc=1 map=1
32 c4 c1 78 54 c0: enc=1 map=1 rm=0                         # VEX.B is ignored
32 c4 e1 30 54 c0: enc=1 map=1 vvvv=1 has_vvvv=1
32 c4 e1 38 10 c0: enc=1 map=1 vvvv=0 has_vvvv=1            # but not the "unused" pattern
32 c4 e2 f8 f2 c0: enc=1 map=2 w=1 osz=4
32 62 f1 74 48 58 c2: enc=2 map=1 l=2 rm=2 vvvv=1 has_vvvv=1
32 62 c1 34 40 58 c2: enc=2 map=1 l=2 reg=0 rm=2 vvvv=1 has_vvvv=1
32 66 c5 f8: !invalid
16 b8 34 12: imm=0x1234 imm_size=2 osz=2
16 66 b8 78 56 34 12: has_66=1 pp=1 imm=0x12345678 imm_size=4 osz=4
16 8b 42 fe: base=5 index=6 disp=-2 disp_size=1 addr_size=2 # [bp+si-2]
16 8b 03: base=5 index=7
16 8b 0c: base=6
16 8b 0d: base=7
16 67 8b 44 24 04: has_67=1 base=4 disp=4 disp_size=1 addr_size=4
16 67 8b 05 78 56 34 12: has_67=1 disp=0x12345678 disp_size=4
16 c7 06 34 12 78 56: disp=0x1234 disp_size=2 imm=0x5678 imm_size=2
16 f7 06 34 12 78 56: disp=0x1234 disp_size=2 imm=0x5678 imm_size=2
16 e9 34 12: imm=0x1234 imm_size=2
16 0f 84 34 82: map=1 imm=-0x7dcc imm_size=2
16 66 0f 84 78 56 34 12: has_66=1 pp=1 map=1 imm=0x12345678 imm_size=4
16 ea 00 7c 00 00: imm=0x7c00 imm_size=2 imm2=0
16 66 ea 00 7c 00 00 08 00: has_66=1 pp=1 imm=0x7c00 imm_size=4 imm2=8
16 a1 34 12: disp=0x1234 disp_size=2
16 60: opcode=0x60
16 c5 07: enc=0 base=3
16 c5 f8 77: enc=1 map=1 osz=4
16 62 f1 74 48 58 40 02: enc=2 map=1 l=2 base=3 index=6 disp=2 disp_size=1 disp8=1 vvvv=1 has_vvvv=1
16 67 c4 e2 69 92 04 20: has_67=1 enc=1 map=2 pp=1 vvvv=2 has_vvvv=1 vsib=1 index=4 base=0
16 c4 e2 69 92 04: !invalid                                 # no SIB in 16-bit addressing
"""

NORMAL = {
    "enc": 0, "map": 0, "pp": 0, "has_66": 0, "has_67": 0, "lock": 0, "rep": 0, "repne": 0,
    "seg": 0, "rex": 0, "w": 0, "l": 0, "vvvv": 0, "has_vvvv": 0, "aaa": 0, "evex_b": 0,
    "evex_z": 0, "rip_relative": 0, "vsib": 0, "disp8": 0, "base": -1, "index": -1, "scale": 0,
    "disp": 0, "disp_size": 0, "imm": 0, "imm_size": 0, "imm2": 0,
}  # fmt: skip


def _cases() -> list[str]:
    return [line.partition("#")[0].strip() for line in CASES.strip().splitlines()]


def _split(case: str) -> tuple[int, bytes, str]:
    head, _, expected = case.partition(":")
    mode, _, code = head.partition(" ")
    return int(mode), bytes.fromhex(code), expected.strip()


def _expected(text: str, mode: int, code: bytes) -> dict[str, int]:
    """What the case says, what it leaves normal, and what follows from the two."""
    named = dict(field.split("=") for field in text.split())
    fields = NORMAL | {name: int(value, 0) for name, value in named.items()}
    memory = {"base", "index", "disp", "rip_relative"} & named.keys()
    nimm = (fields["imm_size"] > 0) + ("imm2" in named)
    return fields | {"len": len(code), "mode": mode, "has_mem": bool(memory), "nimm": nimm}


def _status(mode: int, code: bytes) -> str:
    decoder = decode_help.module()
    try:
        decoder.decode(code, mode)
    except decoder.DecodeError as error:
        return str(error)
    return "ok"


@pytest.mark.parametrize("case", _cases())
def test_fields(case: str) -> None:
    mode, code, expected = _split(case)
    if expected.startswith("!"):
        assert _status(mode, code) == expected[1:]
        return
    wanted = _expected(expected, mode, code)
    found = decode_help.module().decode(code + b"\x11" * 20, mode)
    assert {name: found[name] for name in wanted} == wanted
    assert found == decode_help.module().decode(code, mode)
    shorter = {_status(mode, code[:n]) for n in range(len(code))}
    assert shorter <= {"truncated"}


def test_every_field_is_in_the_dict() -> None:
    header = (decode_help.ENGINE / "decode.h").read_text()
    body = header.partition("typedef struct Insn {")[2].partition("} Insn;")[0]
    lines = [line.strip().partition(";")[0].split() for line in body.splitlines()]
    names = {line[1] for line in lines if line and line[0] in ("u8", "s8", "s64", "bool")}
    assert names == decode_help.module().decode(b"\x90").keys()


def test_errors_are_value_errors() -> None:
    decoder = decode_help.module()
    assert issubclass(decoder.DecodeError, ValueError)
    with pytest.raises(ValueError, match="16, 32 or 64"):
        decoder.decode(b"\x90", 8)
    with pytest.raises(TypeError):
        decoder.decode("nop")
