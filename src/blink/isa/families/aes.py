"""AES-NI: rounds, inverse rounds, key schedule (FIPS 197; SDM volume 1, 12.13)."""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, vmap
from blink.isa.families import _galois as gf
from blink.isa.galois import REDUCTION
from blink.isa.spec import Form, insn
from blink.isa.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Transform = Callable[[State, Bits], Bits]

FEATURE = "AES"


def _rol(value: Bits, n: int) -> Bits:
    return (value << n) | (value >> (value.w - n))


def _affine(b: Bits) -> Bits:
    return b ^ _rol(b, 1) ^ _rol(b, 2) ^ _rol(b, 3) ^ _rol(b, 4) ^ 0x63


def _affine_back(b: Bits) -> Bits:
    return _rol(b, 1) ^ _rol(b, 3) ^ _rol(b, 6) ^ 0x05


def sub_bytes(s: State, block: Bits) -> Bits:
    return vmap(8, _affine, gf.inverses(s, block))


def inv_sub_bytes(s: State, block: Bits) -> Bits:
    return gf.inverses(s, vmap(8, _affine_back, block))


def _rotate_rows(block: Bits, step: int) -> Bits:
    """Row r of the state (bytes r, r + 4, r + 8, r + 12) moves r columns."""
    b = block.lanes(8)
    return from_lanes([b[(i + 4 * step * (i % 4)) % 16] for i in range(16)])


def shift_rows(block: Bits) -> Bits:
    return _rotate_rows(block, 1)


def inv_shift_rows(block: Bits) -> Bits:
    return _rotate_rows(block, -1)


def _double(column: Bits) -> Bits:
    """Each of the four bytes times x."""
    carries = (column >> 7) & 0x01010101
    return ((column & 0x7F7F7F7F) << 1) ^ (carries * REDUCTION)


def _mix(column: Bits) -> Bits:
    """Byte i: 2 b[i] + 3 b[i+1] + b[i+2] + b[i+3]."""
    after = _rol(column, 24)
    return _double(column ^ after) ^ after ^ _rol(column, 16) ^ _rol(column, 8)


def _mix_back(column: Bits) -> Bits:
    """The inverse's matrix is that of _mix times 5 b[i] + 4 b[i+2]."""
    four = _double(_double(column ^ _rol(column, 16)))
    return _mix(column ^ four)


def mix_columns(block: Bits) -> Bits:
    return vmap(32, _mix, block)


def inv_mix_columns(block: Bits) -> Bits:
    return vmap(32, _mix_back, block)


ROUNDS: dict[str, tuple[int, Transform]] = {
    "AESENC": (0xDC, lambda s, b: mix_columns(sub_bytes(s, shift_rows(b)))),
    "AESENCLAST": (0xDD, lambda s, b: sub_bytes(s, shift_rows(b))),
    "AESDEC": (0xDE, lambda s, b: inv_mix_columns(inv_sub_bytes(s, inv_shift_rows(b)))),
    "AESDECLAST": (0xDF, lambda s, b: inv_sub_bytes(s, inv_shift_rows(b))),
}


def one_round(name: str, opcode: int, transform: Transform) -> None:
    """Define one round: the state through `transform`, then the round key added."""

    def body(s: State, state: Bits, key: Bits) -> Bits:
        return transform(s, state) ^ key

    insn(name, Form(f"66 0F 38 {opcode:02X} /r", "xmm:rw xm128"), feature=FEATURE)(body)


for _name, (_opcode, _transform) in ROUNDS.items():
    one_round(_name, _opcode, _transform)


@insn("AESIMC", Form("66 0F 38 DB /r", "xmm:w xm128"), feature=FEATURE)
def aesimc(s: State, dst: Bits, key: Bits) -> Bits:
    return inv_mix_columns(key)


@insn("AESKEYGENASSIST", Form("66 0F 3A DF /r ib", "xmm:w xm128 imm8"), feature=FEATURE)
def aeskeygenassist(s: State, dst: Bits, key: Bits, constant: Bits) -> Bits:
    """SubWord of words 1 and 3, plain and rotated with the round constant."""
    words = sub_bytes(s, key).lanes(32)
    parts = []
    for word in (words[1], words[3]):
        parts += [word, _rol(word, 24) ^ constant.zext(32)]
    return from_lanes(parts)
