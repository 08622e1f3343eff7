"""Operand kinds: the words that stand in a form's operand list, and what each one means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of operand.

    `where` is the field that names it: reg, rm, vvvv, is4 (the immediate's upper half), opcode,
    imm, rel, fixed or st.  `bank` is the register file: gpr, xmm, ymm, mm, seg, no or number (the
    number itself) or "" (none).  `width` is in bits, or "v" (16, 32 or 64 by operand size), "y" (32
    or 64), "p" (a far pointer: 16 bits more than the operand size), "d" (twice the operand size),
    "env" or "save" (x87 images).  `mem` and `reg` say which of the two a ModRM.rm may be;
    `address`: the body gets the operand's address, and reads and writes by itself.
    """

    name: str
    where: str
    bank: str
    width: int | str
    mem: bool = False
    reg: bool = False
    aligned: bool = False
    fixed: int = 0
    address: bool = False


SIZED = ("v", "p", "d", "env", "save")


def _kinds() -> dict[str, Kind]:
    table: list[Kind] = []
    for w in ("8", "16", "32", "64", "v", "y"):
        width: int | str = int(w) if w.isdigit() else w
        table += [
            Kind(f"r{w}", "reg", "gpr", width),
            Kind(f"rm{w}", "rm", "gpr", width, mem=True, reg=True),
            Kind(f"R{w}", "rm", "gpr", width, reg=True),
            Kind(f"o{w}", "opcode", "gpr", width),
            Kind(f"B{w}", "vvvv", "gpr", width),
            Kind(f"moffs{w}", "moffs", "", width, mem=True),
        ]
    for w in ("8", "16", "32", "64", "80", "128", "256", "v", "y"):
        width = int(w) if w.isdigit() else w
        table.append(Kind(f"m{w}", "rm", "", width, mem=True))
    # r32/m16: a full register, of which the body sees the low bits, or narrow memory
    table.append(Kind("r32m16", "rm", "gpr", 16, mem=True, reg=True))
    table.append(Kind("m128a", "rm", "", 128, mem=True, aligned=True))
    table.append(Kind("m256a", "rm", "", 256, mem=True, aligned=True))
    table.append(Kind("mem", "rm", "", 64, mem=True, address=True))  # of any width
    table.append(Kind("vsib", "rm", "", 64, mem=True, address=True))  # no vector of indices yet
    table += [Kind(f"m{w}", "rm", "", w, mem=True, address=True) for w in ("p", "d", "env", "save")]
    table += [  # a32: the address of 32 bits
        Kind(f"a{w}", "rm", "", w, mem=True, address=True) for w in (16, 32, 64, 80, 128, 512, 4096)
    ]
    table.append(Kind("bits", "rm", "", 64, mem=True, address=True))  # a bit string at an offset
    table.append(Kind("m48", "rm", "", 48, mem=True, address=True))  # the image of a table register
    for w in ("8", "16", "32", "64", "128"):
        aligned = w == "128"
        table.append(Kind(f"xm{w}", "rm", "xmm", int(w), mem=True, reg=True, aligned=aligned))
    table += [
        Kind("xm128u", "rm", "xmm", 128, mem=True, reg=True),
        Kind("xmm", "reg", "xmm", 128),
        Kind("X", "rm", "xmm", 128, reg=True),
        Kind("X64", "rm", "xmm", 64, reg=True),
        Kind("X32", "rm", "xmm", 32, reg=True),
        Kind("vx", "vvvv", "xmm", 128),
        Kind("ix", "is4", "xmm", 128),
        Kind("ymm", "reg", "ymm", 256),
        Kind("ym256", "rm", "ymm", 256, mem=True, reg=True, aligned=True),
        Kind("ym256u", "rm", "ymm", 256, mem=True, reg=True),
        Kind("Y", "rm", "ymm", 256, reg=True),
        Kind("vy", "vvvv", "ymm", 256),
        Kind("iy", "is4", "ymm", 256),
        Kind("mm", "reg", "mm", 64),
        Kind("mm64", "rm", "mm", 64, mem=True, reg=True),
        Kind("mm32", "rm", "mm", 32, mem=True, reg=True),
        Kind("N", "rm", "mm", 64, reg=True),
        Kind("sti", "st", "", 8),  # the body gets the register number 0..7
        Kind("sreg", "reg", "seg", 16),
        Kind("sno", "reg", "no", 8),
        Kind("number", "reg", "number", 8),
        Kind("al", "fixed", "gpr", 8),
        Kind("ax", "fixed", "gpr", 16),
        Kind("av", "fixed", "gpr", "v"),
        Kind("cl", "fixed", "gpr", 8, fixed=1),
        Kind("dx", "fixed", "gpr", 16, fixed=2),
        Kind("imm8", "imm", "", 8),
        Kind("imm16", "imm", "", 16),
        Kind("level", "imm2", "", 8),  # the second immediate of ENTER
        Kind("sel", "sel", "", 16),  # the selector of a far pointer
        Kind("immz", "imm", "", "v"),  # at most 32 bits encoded, sign-extended to the operand size
        Kind("simm8", "imm", "", "v"),  # one byte, sign-extended to the operand size
        Kind("immv", "imm", "", "v"),  # as wide as the operand size
        Kind("imm64", "imm", "", 64),  # sign-extended to 64 bits
        Kind("one", "one", "", 8),
        Kind("rel8", "rel", "", 64),
        Kind("relz", "rel", "", 64),
    ]
    return {k.name: k for k in table}


KINDS = _kinds()
ACCESS = ("r", "w", "rw")


@dataclass(frozen=True)
class Operand:
    """A kind with its access: r (read), w (written), rw (both)."""

    kind: Kind
    access: str = "r"

    @property
    def reads(self) -> bool:
        return "r" in self.access

    @property
    def writes(self) -> bool:
        return "w" in self.access

    def width(self, size: int) -> int:
        """Width in bits at operand size `size` (16, 32 or 64)."""
        w = self.kind.width
        if w == "v":
            return size
        if w == "y":
            return max(size, 32)
        if w == "p":
            return size + 16
        if w == "d":
            return 2 * size
        if w == "env":
            return 112 if size == 16 else 224
        if w == "save":
            return 752 if size == 16 else 864
        assert isinstance(w, int)
        return w


def parse_operands(text: str) -> tuple[Operand, ...]:
    """'rmv:rw immz' -> operands.  ValueError names an unknown word."""
    operands = []
    for word in text.split():
        name, _, access = word.partition(":")
        if name not in KINDS or (access or "r") not in ACCESS:
            raise ValueError(f"unknown operand {word!r} in {text!r}")
        operands.append(Operand(KINDS[name], access or "r"))
    return tuple(operands)
